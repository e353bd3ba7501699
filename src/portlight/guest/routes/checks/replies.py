"""Replies: whether each leaves by the interface that the request came in by. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from portlight.guest.routes.checks.fault import Fault, fix
from portlight.guest.routes.lookup import far_address, find_route, own_rules
from portlight.guest.routes.values import FAMILIES, Interface, IpAddress, Route, Snapshot

_STRICT: Final = 1
_POINT_TO_POINT_BITS: Final = 1
"""A subnet of one or two addresses has nobody else to reply to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongReply:
    """A reply that does not leave where its request came in."""

    interface: str
    source: IpAddress
    peer: IpAddress
    route: Route | None

    @property
    def packet(self) -> str:
        """Return it in words."""
        if self.route is None:
            way = "is refused"
        else:
            way = f"leaves by {','.join(hop.interface for hop in self.route.hops)}"
        return f"the reply {self.source} > {self.peer} to a request on {self.interface} {way}"


def wrong_replies(snapshot: Snapshot, one: Interface, family: int) -> Iterator[WrongReply]:
    """Yield, for each address of an interface, the first reply that goes wrong."""
    for address in one.of(family) if one.up and one.carrier else ():
        for peer in _peers(snapshot, one, address.value.ip):
            route = find_route(snapshot, peer, address.value.ip)
            if route is None or any(hop.interface != one.name for hop in route.hops):
                yield WrongReply(
                    interface=one.name, source=address.value.ip, peer=peer, route=route
                )
                break


def _peers(snapshot: Snapshot, one: Interface, address: IpAddress) -> Iterator[IpAddress]:
    """Yield somebody far away, if they can get in here, and somebody of the same subnet."""
    if any(route.by(one.name) for route in snapshot.routes if _leads_out(route, address.version)):
        yield far_address(snapshot, address.version)
    taken = {a.value.ip for interface in snapshot.interfaces for a in interface.addresses}
    for network in (a.value.network for a in one.of(address.version) if a.value.ip == address):
        if network.max_prefixlen - network.prefixlen > _POINT_TO_POINT_BITS:
            candidates = (network[number] for number in range(1, len(taken) + 2))
            yield next((near for near in candidates if near not in taken), address)


def _leads_out(route: Route, family: int) -> bool:
    return route.is_default and route.family == family and route.kind == "unicast"


def lost_replies(snapshot: Snapshot) -> Iterator[Fault]:
    """Find replies that leave elsewhere, and say what is missing: all rules, one, or a route."""
    for family in FAMILIES:
        in_use = any(
            next(own_rules(snapshot, a.value.ip), None)
            for one in snapshot.cards()
            for a in one.of(family)
        )
        for one in snapshot.cards():
            for wrong in wrong_replies(snapshot, one, family):
                yield _judged(snapshot, wrong, in_use=in_use)


def _judged(snapshot: Snapshot, wrong: WrongReply, *, in_use: bool) -> Fault:
    rule = next(own_rules(snapshot, wrong.source), None)
    if rule is not None:
        name, found = "policy-table-incomplete", f"rule {rule.priority} sends it to table"
        why = f"; {found} {rule.table}, which has no route for it over {wrong.interface}"
    elif in_use:
        name, why = "policy-rule-missing", f"; other addresses have a rule, {wrong.source} has none"
    else:
        name, why = "reply-leaves-elsewhere", "; no rule looks at the source"
    return Fault(
        name=name,
        interface=wrong.interface,
        evidence=wrong.packet + why,
        remedy=fix("policy-routing"),
    )


def strict_filters(snapshot: Snapshot) -> Iterator[Fault]:
    """Find interfaces whose strict reverse path filter drops requests on arrival (RFC 3704)."""
    for one in snapshot.cards():
        if one.settings.get("ipv4/rp_filter") != _STRICT:
            continue
        for wrong in wrong_replies(snapshot, one, 4):
            if wrong.route is None or wrong.route.by(one.name) is None:
                yield Fault(
                    name="rp-filter-drops",
                    interface=one.name,
                    evidence=f"rp_filter is 1, and {wrong.packet}: the request"
                    f" {wrong.peer} > {wrong.source} is dropped when it arrives",
                    remedy=f"{fix('policy-routing')} (or, to let it in: {fix('rp-filter')})",
                )
