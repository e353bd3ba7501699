"""Default gateways: too many, out of reach, or none where one is announced. Pure."""

from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import Final

from portlight.guest.routes.checks.fault import Fault, fix
from portlight.guest.routes.checks.replies import wrong_replies
from portlight.guest.routes.values import FAMILIES, Hop, Interface, Neighbour, Route, Snapshot

_LOST: Final = frozenset({"FAILED", "INCOMPLETE"})
_PRIVATE: Final = IPv6Network("fc00::/7")


def several_defaults(snapshot: Snapshot) -> Iterator[Fault]:
    """Find default routes over several interfaces, unless every reply finds its way back."""
    for family in FAMILIES:
        defaults = snapshot.defaults(family)
        names = sorted({hop.interface for route in defaults for hop in route.hops})
        lost = any(
            next(wrong_replies(snapshot, one, family), None)
            for one in snapshot.cards()
            if one.name in names
        )
        if len(names) > 1 and lost:
            yield Fault(
                name="duplicate-default-gateways",
                interface=",".join(names),
                evidence="; ".join(describe_route(route) for route in defaults),
                remedy=f"{fix('policy-routing')} (or, to keep one: {fix('default-gateways')})",
            )


def off_link_gateways(snapshot: Snapshot) -> Iterator[Fault]:
    """Find gateways that are in no subnet of their interface."""
    for route, hop, interface in _ways(snapshot):
        near = hop.gateway is None or hop.onlink or hop.gateway.is_link_local
        on_link = any(hop.gateway in one.value.network for one in interface.addresses)
        if not near and not on_link and not _has_link_route(snapshot, hop):
            yield Fault(
                name="gateway-off-link",
                interface=hop.interface,
                evidence=f"{describe_route(route)}, but {hop.interface} has"
                f" {_addresses(interface, route.family)}",
                remedy=f"ip -{route.family} route delete default via {hop.gateway}"
                f" dev {hop.interface}, or give {hop.interface} an address of its subnet",
            )


def silent_gateways(snapshot: Snapshot) -> Iterator[Fault]:
    """Find gateways that do not answer on the link."""
    for route, hop, _ in _ways(snapshot):
        neighbour = _neighbour(snapshot, hop)
        if neighbour is not None and neighbour.states & _LOST:
            asks = "ARP" if route.family == 4 else "neighbour discovery"  # noqa: PLR2004 -- IPv4
            yield Fault(
                name="gateway-unreachable",
                interface=hop.interface,
                evidence=f"{describe_route(route)}: no answer to {asks}"
                f" ({' '.join(sorted(neighbour.states))})",
                remedy=f"look whether {hop.gateway} is right and its link is up; to do without:"
                f" {fix('default-gateways')} --keep ANOTHER",
            )


def ignored_advertisements(snapshot: Snapshot) -> Iterator[Fault]:
    """Find interfaces with public IPv6 addresses, no default route, and ears shut to routers."""
    if snapshot.defaults(6):
        return
    for one in snapshot.cards():
        public = [a for a in one.of(6) if a.value.ip not in _PRIVATE]
        accepts, forwards = one.settings.get("ipv6/accept_ra", 1), _forwards(one)
        if public and (accepts == 0 or (accepts == 1 and forwards)):
            why = "accept_ra is 0" if accepts == 0 else "accept_ra is 1 while it forwards"
            yield Fault(
                name="router-advertisements-ignored",
                interface=one.name,
                evidence=f"{public[0].value}, no IPv6 default route, and {why}",
                remedy=fix("router-advertisements"),
            )


def describe_route(route: Route) -> str:
    """Return a default route in few words."""
    ways = " and ".join(
        f"via {hop.gateway} dev {hop.interface}" if hop.gateway else f"dev {hop.interface}"
        for hop in route.hops
    )
    return f"default {ways} metric {route.metric}"


def _ways(snapshot: Snapshot) -> Iterator[tuple[Route, Hop, Interface]]:
    """Yield every way to a gateway once, in whatever tables it is."""
    seen = set()
    for route in snapshot.routes:
        for hop in route.hops if route.is_default and route.kind == "unicast" else ():
            interface = snapshot.interface(hop.interface)
            place = (hop.interface, hop.gateway)
            if interface is not None and not interface.loopback and place not in seen:
                seen.add(place)
                yield route, hop, interface


def _has_link_route(snapshot: Snapshot, hop: Hop) -> bool:
    return any(
        hop.gateway in route.destination
        for route in snapshot.routes
        if not route.is_default and (way := route.by(hop.interface)) and way.gateway is None
    )


def _neighbour(snapshot: Snapshot, hop: Hop) -> Neighbour | None:
    return next(
        (
            one
            for one in snapshot.neighbours
            if one.address == hop.gateway and one.interface == hop.interface
        ),
        None,
    )


def _addresses(interface: Interface, family: int) -> str:
    return " ".join(str(one.value) for one in interface.of(family)) or "no address"


def _forwards(interface: Interface) -> bool:
    return interface.settings.get("ipv6/forwarding", 0) == 1
