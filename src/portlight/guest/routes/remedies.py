"""What puts a fault right: the commands, and the commands that take them back. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from portlight.guest.routes.checks.fault import Fault
from portlight.guest.routes.checks.links import shared_segments
from portlight.guest.routes.checks.mtu import wanted_mtus
from portlight.guest.routes.policy import policy_commands, present_policy, wanted_policy
from portlight.guest.routes.spell import ip_words, route_words
from portlight.guest.routes.values import (
    FAMILIES,
    Command,
    Interface,
    Route,
    RoutesError,
    Snapshot,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Commands in order, and those that take them back, in order."""

    apply: tuple[Command, ...] = ()
    undo: tuple[Command, ...] = ()


class RemedyError(RoutesError):
    """A remedy cannot do what was asked; the text says why."""


def plan_remedies(snapshot: Snapshot, kinds: Sequence[str], keep: str = "") -> Commands:
    """Return the commands of several remedies; what two of them want is done once."""
    changes = [REMEDIES[kind](snapshot, keep) for kind in kinds]
    return Commands(
        apply=tuple(dict.fromkeys(one for change in changes for one in change.apply)),
        undo=tuple(dict.fromkeys(one for change in reversed(changes) for one in change.undo)),
    )


def remedies_of(faults: Sequence[Fault]) -> tuple[str, ...]:
    """Return which remedies put these faults right; several gateways are kept, with rules."""
    wanted = {_REMEDY_OF.get(fault.name) for fault in faults}
    return tuple(kind for kind in REMEDIES if kind in wanted)


def keep_one_gateway(snapshot: Snapshot, keep: str) -> Commands:
    """Delete the default routes that are not over one interface (rows K9, K11)."""
    if keep and snapshot.interface(keep) is None:
        names = ", ".join(one.name for one in snapshot.cards())
        raise RemedyError(f"--keep {keep}: there is no such interface; there are {names}")
    if keep and not any(snapshot.gateway(keep, family) for family in FAMILIES):
        raise RemedyError(f"--keep {keep}: no default route leads over it")
    apply: list[Command] = []
    undo: list[Command] = []
    chosen = keep or kept_gateway(snapshot)
    for family in FAMILIES:
        defaults = snapshot.defaults(family)
        kept = next((at for at, one in enumerate(defaults) if one.by(chosen)), None)
        for at, route in enumerate(defaults):
            # Without a way over the chosen interface this family keeps what it has.
            if kept is not None and any(hop.interface != chosen for hop in route.hops):
                change = _without(snapshot, route, chosen, verb=_place(family, at, kept))
                apply += change.apply
                undo = [*change.undo, *undo]
    return Commands(apply=tuple(apply), undo=tuple(undo))


def kept_gateway(snapshot: Snapshot) -> str:
    """Return the interface whose gateway stays unless another is asked for; empty without one.

    The one that the kernel itself prefers, of those that serve every family that has a choice.
    """
    choices = [
        [hop.interface for route in sorted(ways, key=_metric) for hop in route.hops]
        for ways in map(snapshot.defaults, FAMILIES)
    ]
    open_choices = [names for names in choices if len(set(names)) > 1] or choices
    names = [name for family in open_choices for name in family]
    everywhere = (one for one in names if all(one in family for family in open_choices))
    return next(everywhere, next(iter(names), ""))


def _metric(route: Route) -> int:
    return route.metric


def _place(family: int, at: int, kept: int) -> str:
    """Return how a route comes back to where it was: the kernel takes the first of equals."""
    return "prepend" if family == 4 and at < kept else "append"  # noqa: PLR2004 -- IPv4


def _without(snapshot: Snapshot, route: Route, chosen: str, verb: str) -> Commands:
    words = route_words(route)
    hop = route.by(chosen)
    if hop is not None:
        one_hop = route_words(replace(route, hops=(hop,)))
        return Commands(
            apply=((*ip_words(route.family, "route", "replace"), *one_hop),),
            undo=((*ip_words(route.family, "route", "replace"), *words),),
        )
    apply = [(*ip_words(route.family, "route", "delete"), *words)]
    undo = [(*ip_words(route.family, "route", verb), *words)]
    over = snapshot.interface(route.hops[0].interface)
    if route.protocol == _BY_ADVERTISEMENT and over is not None:
        # The next advertisement would bring it back.
        change = _set(over, "ipv6/accept_ra_defrtr", 0)
        return Commands(apply=(*change.apply, *apply), undo=(*change.undo, *undo))
    return Commands(apply=tuple(apply), undo=tuple(undo))


def route_by_source(snapshot: Snapshot, _: str) -> Commands:
    """Give every interface a table and every address a rule (row X16)."""
    present, wanted = present_policy(snapshot), wanted_policy(snapshot)
    arp = answer_for_own_addresses(snapshot, "")
    return Commands(
        apply=(*policy_commands(present, wanted), *arp.apply),
        undo=(*arp.undo, *policy_commands(wanted, present)),
    )


def answer_for_own_addresses(snapshot: Snapshot, _: str) -> Commands:
    """Let interfaces of one segment answer and ask ARP each for itself."""
    cards = {
        card.name: card
        for one, other, _ in shared_segments(snapshot)
        for card in (one, other)
        if card.of(4)
    }
    return _joined(
        _set(card, f"ipv4/{name}", value)
        for card in cards.values()
        for name, value in (("arp_ignore", 1), ("arp_announce", 2))
        if card.settings.get(f"ipv4/{name}", 0) < value
    )


def loosen_filters(snapshot: Snapshot, _: str) -> Commands:
    """Let requests in whose replies leave elsewhere: a loose reverse path filter (RFC 3704)."""
    return _joined(
        _set(card, "ipv4/rp_filter", 2)
        for card in snapshot.cards()
        if card.settings.get("ipv4/rp_filter") == 1
    )


def accept_advertisements(snapshot: Snapshot, _: str) -> Commands:
    """Listen to routers although the server forwards."""
    return _joined(
        _set(card, "ipv6/accept_ra", 2)
        for card in snapshot.cards()
        if card.of(6) and card.settings.get("ipv6/accept_ra", 2) != 2  # noqa: PLR2004 -- also when it forwards
    )


def stop_forwarding(snapshot: Snapshot, _: str) -> Commands:
    """Switch forwarding off."""
    names = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
    on = [names[family] for family in FAMILIES if snapshot.forwarding.get(family)]
    return Commands(
        apply=tuple(("sysctl", "-qw", f"{name}=0") for name in on),
        undo=tuple(("sysctl", "-qw", f"{name}=1") for name in on),
    )


def lower_mtus(snapshot: Snapshot, _: str) -> Commands:
    """Give interfaces the MTU that what is around them has."""
    before = {card.name: card.mtu for card in snapshot.interfaces}
    wanted = wanted_mtus(snapshot)
    return Commands(
        apply=tuple(_mtu(name, mtu) for name, mtu in wanted.items()),
        undo=tuple(_mtu(name, before[name]) for name in wanted),
    )


def _mtu(name: str, mtu: int) -> Command:
    return ("ip", "link", "set", "dev", name, "mtu", str(mtu))


def _set(card: Interface, name: str, value: int) -> Commands:
    """Set a kernel setting of an interface; with slashes, since its name may have dots."""
    family, setting = name.split("/")
    path = f"net/{family}/conf/{card.name}/{setting}"
    before = card.own_settings.get(name, 0)
    return Commands(
        apply=(("sysctl", "-qw", f"{path}={value}"),),
        undo=(("sysctl", "-qw", f"{path}={before}"),),
    )


def _joined(changes: Iterator[Commands]) -> Commands:
    found = list(changes)
    return Commands(
        apply=tuple(one for change in found for one in change.apply),
        undo=tuple(one for change in reversed(found) for one in change.undo),
    )


REMEDIES: Final[dict[str, Callable[[Snapshot, str], Commands]]] = {
    "default-gateways": keep_one_gateway,
    "policy-routing": route_by_source,
    "arp": answer_for_own_addresses,
    "rp-filter": loosen_filters,
    "router-advertisements": accept_advertisements,
    "forwarding": stop_forwarding,
    "mtu": lower_mtus,
}
_REMEDY_OF: Final = {
    "duplicate-default-gateways": "policy-routing",
    "reply-leaves-elsewhere": "policy-routing",
    "policy-rule-missing": "policy-routing",
    "policy-table-incomplete": "policy-routing",
    "rp-filter-drops": "policy-routing",
    "overlapping-subnets": "policy-routing",
    "arp-flux": "arp",
    "router-advertisements-ignored": "router-advertisements",
    "forwarding-on-standby": "forwarding",
    "mtu-mismatch": "mtu",
}
_BY_ADVERTISEMENT: Final = 9
"""RTPROT_RA."""
