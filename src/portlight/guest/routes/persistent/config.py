"""How each interface is to be after a restart, whoever configures it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from portlight.guest.routes.policy import is_ours, present_policy, wanted_policy
from portlight.guest.routes.values import (
    FAMILIES,
    MAIN_TABLE,
    Address,
    Interface,
    IpAddress,
    IpInterface,
    Route,
    RoutesError,
    Rule,
    Snapshot,
)

_BY_PEOPLE = frozenset({3, 4})
"""Protocols of routes that somebody made by hand or in a file: boot, static."""
_USUAL_MTU = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceConfig:
    """One interface, complete."""

    name: str
    mtu: int | None = None
    """None: the usual one."""
    addresses: tuple[IpInterface, ...] = ()
    """Those that somebody gave it; what DHCP and routers bring is not among them."""
    dynamic: frozenset[int] = frozenset()
    """The families whose addresses come from DHCP or routers."""
    no_routes_from: frozenset[int] = frozenset()
    """The dynamic families whose default gateway is not wanted."""
    accept_advertisements: bool = True
    ignores_routers: bool = False
    """It was told to take no default gateway from the routers that announce themselves."""
    resolvers: tuple[IpAddress, ...] = ()
    brings_dns: bool = True
    """Whether the DNS servers of its leases are used."""
    routes: tuple[Route, ...] = ()
    """Of the main table, then of its own."""
    rules: tuple[Rule, ...] = ()

    def static(self, family: int) -> tuple[IpInterface, ...]:
        """Return the addresses of a family."""
        return tuple(one for one in self.addresses if one.version == family)

    def routes_of(self, family: int) -> tuple[Route, ...]:
        """Return the routes of a family."""
        return tuple(one for one in self.routes if one.family == family)

    def rules_of(self, family: int) -> tuple[Rule, ...]:
        """Return the rules of a family."""
        return tuple(one for one in self.rules if one.family == family)


class RenderError(RoutesError):
    """The files of this format cannot say what is wanted; the text says what, and which can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    """A file and where it belongs."""

    path: str
    text: str
    mode: int = 0o644


def interface_configs(
    snapshot: Snapshot, *, policy: bool = True, dns_from: str = ""
) -> tuple[InterfaceConfig, ...]:
    """Return what is to be kept of every interface that has addresses.

    With `policy`, tables and rules are part of it; without, those that are there. With `dns_from`
    only that interface's DNS servers are used.
    """
    wanted = wanted_policy(snapshot) if policy else present_policy(snapshot)
    tables = {hop.interface: route.table for route in wanted.routes for hop in route.hops}
    found: list[InterfaceConfig] = []
    for card in snapshot.cards():
        if not card.up or not any(card.of(family) for family in FAMILIES):
            continue
        table = tables.get(card.name)
        own = [route for route in wanted.routes if route.table == table]
        found.append(
            InterfaceConfig(
                name=card.name,
                mtu=card.mtu if card.mtu != _USUAL_MTU else None,
                addresses=tuple(a.value for a in _addresses(card) if not a.dynamic),
                dynamic=_dynamic(card),
                no_routes_from=frozenset(
                    family
                    for family in _dynamic(card)
                    if snapshot.gateway(card.name, family) is None
                ),
                ignores_routers=card.own_settings.get("ipv6/accept_ra_defrtr", 1) == 0,
                accept_advertisements=card.settings.get("ipv6/accept_ra", 1) != 0,
                resolvers=tuple(
                    one.address
                    for one in snapshot.resolvers
                    if one.interface == card.name and not _dynamic(card)
                ),
                brings_dns=dns_from in ("", card.name),
                routes=(*(_distinct(route, found) for route in _kept_routes(snapshot, card)), *own),
                rules=tuple(rule for rule in wanted.rules if rule.table == table),
            )
        )
    return tuple(found)


def _distinct(route: Route, before: list[InterfaceConfig]) -> Route:
    """Return a default route that is not as good as one before it: netplan refuses two equals."""
    taken = {
        one.metric
        for config in before
        for one in config.routes_of(route.family)
        if one.is_default and one.table == MAIN_TABLE
    }
    while route.is_default and route.metric in taken:
        route = replace(route, metric=route.metric + 1)
    return route


def _addresses(card: Interface) -> Iterator[Address]:
    for family in FAMILIES:
        yield from card.of(family)


def _dynamic(card: Interface) -> frozenset[int]:
    return frozenset(one.family for one in _addresses(card) if one.dynamic)


def _kept_routes(snapshot: Snapshot, card: Interface) -> Iterator[Route]:
    """Yield the routes of the main table that nobody else would bring back."""
    for route in snapshot.routes:
        only_here = len(route.hops) == 1 and route.by(card.name) is not None
        plain = route.table == MAIN_TABLE and route.kind == "unicast" and not is_ours(route)
        if only_here and plain and route.protocol in _BY_PEOPLE:
            yield route
