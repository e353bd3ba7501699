"""How each interface is to be after a restart, whoever configures it. Pure."""

from collections.abc import Iterator, Sequence
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
    kept = tuple(_ranked(_kept_routes(snapshot)))
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
                routes=(*(route for route in kept if route.by(card.name)), *own),
                rules=tuple(rule for rule in wanted.rules if rule.table == table),
            )
        )
    return tuple(found)


def _addresses(card: Interface) -> Iterator[Address]:
    for family in FAMILIES:
        yield from card.of(family)


def _dynamic(card: Interface) -> frozenset[int]:
    return frozenset(one.family for one in _addresses(card) if one.dynamic)


def _kept_routes(snapshot: Snapshot) -> tuple[Route, ...]:
    """Return the routes of the main table that nobody else would bring back."""
    return tuple(
        route
        for route in snapshot.routes
        if len(route.hops) == 1
        and (route.table, route.kind) == (MAIN_TABLE, "unicast")
        and route.protocol in _BY_PEOPLE
        and not is_ours(route)
    )


def _ranked(routes: Sequence[Route]) -> Iterator[Route]:
    """Yield routes, each default route with a metric of its own.

    The kernel takes the first of equals, which netplan refuses; where no metric is said,
    NetworkManager takes 100, and 101 for the next interface.
    """
    last = dict.fromkeys(FAMILIES, 0)
    metrics = {}
    for route in sorted(routes, key=lambda one: one.metric):
        if route.is_default:
            last[route.family] = metrics[route] = max(route.metric, last[route.family] + 1)
    for route in routes:
        yield replace(route, metric=metrics.get(route, route.metric))
