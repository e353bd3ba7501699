"""What the sender's program may route by itself: between the networks of one router.

Read off the compiled routers, so that it can say nothing else than they do. What a table sends
elsewhere than to a network of the router, or to a virtual IP in one, is left to the router.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Final

from portlight.compiler.routers import HostRouters
from portlight.compiler.view import HostView
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.plan.delta import Delta, Edition, delta
from portlight.plan.routers import FIRST_TABLE, LegPlan, RouteKey, RoutePlan, RouterPlan
from portlight.plan.shortcuts import (
    RouterLegKey,
    ShortcutKey,
    ShortcutPlan,
    StationKey,
    StationPlan,
)
from portlight.values.addresses import IpAddress, IpPrefix

_BY_ROUTER: Final = ShortcutPlan()

Ways = Mapping[tuple[int, str], ShortcutPlan]
"""Number of a router and name of an interface inside it: where packets come out."""
Lengths = Mapping[tuple[int, int], int]
"""Number of a router and version: the length of the shortest prefix that has a way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostShortcuts:
    """What routes without a router on one host."""

    legs: Mapping[RouterLegKey, int]
    shortcuts: Mapping[ShortcutKey, ShortcutPlan]
    stations: Mapping[StationKey, StationPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What the routes of all routers lead over."""

    ways: Ways
    closed: Mapping[int, tuple[IpPrefix, ...]]
    """The own networks of each router that has no leg outside, by its number."""
    virtual: frozenset[tuple[int, IpAddress]]
    """Network numbers and addresses of virtual IPs."""

    def way(self, key: RouteKey, route: RoutePlan) -> ShortcutPlan | None:
        """Return where the packets of a route come out, if no router is needed for that."""
        router, _, prefix = key
        if len(route.hops) != 1:
            return None
        hop = route.hops[0]
        way = self.ways.get((router, hop.ifname))
        if way is None or hop.address is None:
            return way
        is_virtual = (way.network, hop.address) in self.virtual
        return (
            replace(way, hop=hop.address) if is_virtual and self._is_far(router, prefix) else None
        )

    def _is_far(self, router: int, prefix: IpPrefix) -> bool:
        """Whether a destination there can be nothing of the router itself.

        With a leg outside, packets may have a way of their own, or an answer's translation to lose.
        """
        own = self.closed.get(router)
        return own is not None and not any(
            one.version == prefix.version
            and one.prefixlen <= prefix.prefixlen
            and prefix.network_address in one
            for one in own
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    ground: _Ground
    lengths: Lengths
    routes: Mapping[RouteKey, RoutePlan]
    shortcuts: Edition[ShortcutKey, ShortcutPlan]


def compile_shortcuts(view: HostView, routing: HostRouters) -> HostShortcuts:
    """Return what the programs on this host's ports may route by themselves."""
    ways = {
        (number, leg.ifname): ShortcutPlan(network=leg.network, router_mac=leg.mac)
        for number, router in routing.routers.items()
        for leg in _inside(router)
    }
    networks = {way.network for way in ways.values()}
    ground = _Ground(
        ways=ways,
        closed={
            number: _own_networks(router)
            for number, router in routing.routers.items()
            if not any(leg.is_outside for leg in router.legs)
        },
        virtual=frozenset(
            (network.number, virtual_ip.address)
            for network in view.networks.values()
            if network.number in networks
            for virtual_ip in view.virtual_ips_of(network.id)
        ),
    )
    compiled = view.memo.improve("shortcuts", _shortcuts, ground, routing.routes)
    return HostShortcuts(
        legs={key: table for router in routing.routers.values() for key, table in _legs(router)},
        shortcuts=compiled.shortcuts,
        stations={
            key: station
            for port, network in view.attached()
            if network.number in networks
            for key, station in view.memo.recall(("stations", port.id), _stations, port, network)
        },
    )


def _inside(router: RouterPlan) -> Iterator[LegPlan]:
    for leg in router.legs:
        if leg.up and not leg.is_outside:
            yield leg


def _own_networks(router: RouterPlan) -> tuple[IpPrefix, ...]:
    addresses = (one for leg in router.legs for one in leg.addresses)
    return tuple(ip_network(one, strict=False) for one in addresses)


def _legs(router: RouterPlan) -> Iterator[tuple[RouterLegKey, int]]:
    """Yield each interface whose packets all follow one table, whoever they are from."""
    for leg in _inside(router):
        rules = [rule for rule in router.rules if rule.ifname == leg.ifname]
        tables = {rule.table for rule in rules}
        if len(tables) == 1 and min(tables) > FIRST_TABLE and not any(one.source for one in rules):
            yield (leg.network, leg.mac), tables.pop()


def _shortcuts(
    ground: _Ground, routes: Mapping[RouteKey, RoutePlan], last: _Compiled | None
) -> _Compiled:
    """Look at the routes that changed; at all of them when what they lead over did."""
    before: Edition[ShortcutKey, ShortcutPlan] = last.shortcuts if last is not None else Edition()
    kept = last if last is not None and last.ground == ground else None
    change = delta(routes, kept.routes if kept is not None else {})
    lengths = kept.lengths if kept is not None else {}
    if kept is None or _touches_ways(ground, change, kept.routes):
        lengths = _lengths(ground, routes)
        if kept is not None and lengths != kept.lengths:
            kept, change = None, delta(routes, {})
    found = {
        key[1:]: _shortcut(key, route, ground, lengths)
        for key, route in change.put.items()
        if key[1] > FIRST_TABLE
    }
    put = {key: one for key, one in found.items() if one is not None and before.get(key) != one}
    gone = {key[1:] for key in change.remove} | {key for key in found if found[key] is None}
    if kept is None:
        gone |= before.keys() - found.keys()
    shortcuts = before.with_change(Delta(put=put, remove=frozenset(gone & before.keys())))
    return _Compiled(ground=ground, lengths=lengths, routes=routes, shortcuts=shortcuts)


def _touches_ways(
    ground: _Ground, change: Delta[RouteKey, RoutePlan], before: Mapping[RouteKey, RoutePlan]
) -> bool:
    """Whether a route is changed that has, or had, a way without the router."""
    gone = change.remove | (change.put.keys() & before.keys())
    old = (ground.way(key, before[key]) for key in gone)
    new = (ground.way(key, route) for key, route in change.put.items())
    return any(way is not None for way in (*old, *new))


def _lengths(ground: _Ground, routes: Mapping[RouteKey, RoutePlan]) -> Lengths:
    found: dict[tuple[int, int], int] = {}
    for key, route in routes.items():
        if ground.way(key, route) is not None:
            router, _, prefix = key
            place = router, prefix.version
            found[place] = min(prefix.prefixlen, found.get(place, prefix.prefixlen))
    return found


def _shortcut(
    key: RouteKey, route: RoutePlan, ground: _Ground, lengths: Lengths
) -> ShortcutPlan | None:
    """Return what a route means for the programs; None: nothing, the router is asked anyway."""
    way = ground.way(key, route)
    if way is not None:
        return way
    router, _, prefix = key
    shortest = lengths.get((router, prefix.version), prefix.prefixlen)
    # Longer than what has a way, it may take a part of that away.
    return _BY_ROUTER if shortest < prefix.prefixlen else None


def _stations(port: Port, network: Network) -> tuple[tuple[StationKey, StationPlan], ...]:
    station = StationPlan(port=port.number, mac=port.mac)
    return tuple(((network.number, one.address), station) for one in port.fixed_ips)
