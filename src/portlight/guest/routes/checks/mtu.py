"""Packets longer than a link, a neighbour or a router takes. Pure."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from portlight.guest.routes.checks.fault import Fault, fix
from portlight.guest.routes.checks.links import shared_segments
from portlight.guest.routes.values import Snapshot

_LEAST_IPV6_MTU: Final = 1280


class Mismatch(NamedTuple):
    """Two opinions on one MTU."""

    interfaces: tuple[str, ...]
    evidence: str
    wanted: int = 0
    """The MTU that would do; 0: not to be known from here."""


def mtu_mismatches(snapshot: Snapshot) -> Iterator[Fault]:
    """Find MTUs that do not fit what is around them."""
    for source in _SOURCES:
        for one in source(snapshot):
            yield Fault(
                name="mtu-mismatch",
                interface=",".join(one.interfaces),
                evidence=one.evidence,
                remedy=fix("mtu") if one.wanted else "give the whole segment one MTU",
            )


def wanted_mtus(snapshot: Snapshot) -> dict[str, int]:
    """Return which MTU would do, by interface, where it can be known."""
    known = {card.name: card.mtu for card in snapshot.interfaces}
    found = [one for source in _SOURCES for one in source(snapshot) if one.wanted]
    return {
        name: one.wanted for one in found for name in one.interfaces if known[name] > one.wanted
    }


def _between_cards(snapshot: Snapshot) -> Iterator[Mismatch]:
    for one, other, _ in shared_segments(snapshot):
        if one.mtu != other.mtu:
            yield Mismatch(
                (one.name, other.name),
                f"one segment: {one.name} {one.mtu}, {other.name} {other.mtu}",
                min(one.mtu, other.mtu),
            )


def _by_routers(snapshot: Snapshot) -> Iterator[Mismatch]:
    for card in snapshot.cards():
        advertised = card.settings.get("ipv6/mtu", 0)
        if _LEAST_IPV6_MTU <= advertised < card.mtu:
            yield Mismatch(
                (card.name,),
                f"routers say {advertised}, the interface {card.mtu}: IPv4 is not told",
                advertised,
            )


def _by_routes(snapshot: Snapshot) -> Iterator[Mismatch]:
    for route in snapshot.routes:
        for hop in route.hops:
            over = snapshot.interface(hop.interface)
            if over is not None and route.mtu > over.mtu:
                yield Mismatch(
                    (over.name,),
                    f"the route to {route.destination} has {route.mtu}, {over.name} {over.mtu}",
                )


def _by_gateways(snapshot: Snapshot) -> Iterator[Mismatch]:
    for probe in snapshot.probes:
        if probe.answers and not probe.answers_long:
            mtu = next(c.mtu for c in snapshot.interfaces if c.name == probe.interface)
            yield Mismatch(
                (probe.interface,),
                f"{probe.gateway} answers short packets, and none of {mtu} bytes",
            )


_SOURCES: Final[tuple[Callable[[Snapshot], Iterator[Mismatch]], ...]] = (
    _between_cards,
    _by_routers,
    _by_routes,
    _by_gateways,
)
