"""Links: who answers for which address, how long packets may be, what is down. Pure."""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from portlight.guest.routes.checks.fault import Fault, fix
from portlight.guest.routes.checks.replies import wrong_replies
from portlight.guest.routes.values import FAMILIES, Interface, IpNetwork, Snapshot

_ANSWER_OWN: Final = 1
"""arp_ignore: answer only for addresses of the interface that was asked."""
_ANNOUNCE_OWN: Final = 2
"""arp_announce: ask only as an address of the interface that asks."""


def shared_segments(snapshot: Snapshot) -> Iterator[tuple[Interface, Interface, str]]:
    """Yield pairs of interfaces on one segment, by their subnets or a neighbour seen on both."""
    for one, other in combinations(snapshot.cards(), 2):
        networks = next(_overlaps(one, other), None)
        seen = {(n.address, n.mac): n for n in snapshot.neighbours if n.interface == one.name}
        both = [
            n
            for n in snapshot.neighbours
            if n.interface == other.name and n.mac and (n.address, n.mac) in seen
        ]
        if networks is not None:
            yield one, other, f"{one.name} has {networks[0]}, {other.name} has {networks[1]}"
        elif both:
            yield one, other, f"both see {both[0].address} at {both[0].mac}"


def _overlaps(one: Interface, other: Interface) -> Iterator[tuple[IpNetwork, IpNetwork]]:
    for family in FAMILIES:
        for mine in one.of(family):
            for theirs in other.of(family):
                if mine.value.network.overlaps(theirs.value.network):
                    yield mine.value.network, theirs.value.network


def arp_flux(snapshot: Snapshot) -> Iterator[Fault]:
    """Find interfaces on one segment that answer ARP for each other's addresses."""
    for one, other, why in shared_segments(snapshot):
        loose = [card for card in (one, other) if card.of(4) and not _is_strict(card)]
        if loose:
            values = "; ".join(
                f"{card.name}: arp_ignore {card.settings.get('ipv4/arp_ignore', 0)},"
                f" arp_announce {card.settings.get('ipv4/arp_announce', 0)}"
                for card in loose
            )
            yield Fault(
                name="arp-flux",
                interface=f"{one.name},{other.name}",
                evidence=f"{why}; {values}",
                remedy=fix("arp"),
            )


def _is_strict(card: Interface) -> bool:
    ignore = card.settings.get("ipv4/arp_ignore", 0)
    return ignore >= _ANSWER_OWN and card.settings.get("ipv4/arp_announce", 0) >= _ANNOUNCE_OWN


def overlapping_subnets(snapshot: Snapshot) -> Iterator[Fault]:
    """Find subnets on two interfaces; two that are equal are fine while replies find their way."""
    for one, other in combinations(snapshot.cards(), 2):
        for mine, theirs in _overlaps(one, other):
            family = mine.version
            lost = any(next(wrong_replies(snapshot, card, family), None) for card in (one, other))
            if mine != theirs or lost:
                yield Fault(
                    name="overlapping-subnets",
                    interface=f"{one.name},{other.name}",
                    evidence=f"{one.name} is in {mine}, {other.name} in {theirs}: hosts of the one"
                    " are looked for on the other",
                    remedy=fix("policy-routing")
                    if mine == theirs
                    else "give one of the two another subnet; "
                    f"for replies alone: {fix('policy-routing')}",
                )


def twice_the_same_address(snapshot: Snapshot) -> Iterator[Fault]:
    """Find an address that two interfaces have."""
    for one, other in combinations(snapshot.cards(), 2):
        mine = {a.value.ip for family in FAMILIES for a in one.of(family)}
        for address in (a for family in FAMILIES for a in other.of(family)):
            if address.value.ip in mine:
                yield Fault(
                    name="duplicate-address",
                    interface=f"{one.name},{other.name}",
                    evidence=f"both have {address.value.ip}",
                    remedy=f"ip address delete {address.value} dev {other.name}",
                )


def dead_interfaces(snapshot: Snapshot) -> Iterator[Fault]:
    """Find interfaces that have addresses and carry nothing, or carry and have no address."""
    for card in snapshot.cards():
        held = " ".join(str(a.value) for family in FAMILIES for a in card.of(family))
        if held and not (card.up and card.carrier):
            why = "it has no carrier" if card.up else "it is switched off"
            remedy = "look at its cable, or at the port it is attached to"
            yield Fault(
                name="interface-down",
                interface=card.name,
                evidence=f"{card.name} has {held}, but {why}",
                remedy=remedy if card.up else f"ip link set dev {card.name} up",
            )
        if not held and card.up and card.carrier:
            yield Fault(
                name="interface-without-address",
                interface=card.name,
                evidence=f"{card.name} is up and has no address but link-local ones",
                remedy="ask its DHCP server again, or switch it off:"
                f" ip link set dev {card.name} down",
            )
