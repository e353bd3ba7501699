"""What the sender's program may route by itself: between the networks of one router.

Read off the compiled routers, so that it can say nothing else than they do. What a table sends
elsewhere than to a network of the router is left to the router.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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

_BY_ROUTER: Final = ShortcutPlan()

Ways = Mapping[tuple[int, str], ShortcutPlan]
"""Number of a router and name of an interface inside it: where packets come out."""
Lengths = Mapping[tuple[int, int], frozenset[int]]
"""Number of a router and version: the lengths of the prefixes of its own networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostShortcuts:
    """What routes without a router on one host."""

    legs: Mapping[RouterLegKey, int]
    shortcuts: Mapping[ShortcutKey, ShortcutPlan]
    stations: Mapping[StationKey, StationPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    ways: Ways
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
    compiled = view.memo.improve("shortcuts", _shortcuts, ways, routing.routes)
    networks = {way.network for way in ways.values()}
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


def _legs(router: RouterPlan) -> Iterator[tuple[RouterLegKey, int]]:
    """Yield each interface whose packets all follow one table, whoever they are from."""
    for leg in _inside(router):
        rules = [rule for rule in router.rules if rule.ifname == leg.ifname]
        tables = {rule.table for rule in rules}
        if len(tables) == 1 and min(tables) > FIRST_TABLE and not any(one.source for one in rules):
            yield (leg.network, leg.mac), tables.pop()


def _shortcuts(
    ways: Ways, routes: Mapping[RouteKey, RoutePlan], last: _Compiled | None
) -> _Compiled:
    """Look at the routes that changed; at all of them when the routers did."""
    same = last is not None and last.ways == ways
    before: Edition[ShortcutKey, ShortcutPlan] = last.shortcuts if last is not None else Edition()
    lengths = last.lengths if last is not None and same else _lengths(ways, routes)
    change = delta(routes, last.routes if last is not None and same else {})
    found = {
        key[1:]: _shortcut(key, route, ways, lengths)
        for key, route in change.put.items()
        if key[1] > FIRST_TABLE
    }
    put = {key: one for key, one in found.items() if one is not None and before.get(key) != one}
    gone = {key[1:] for key in change.remove} | {key for key in found if found[key] is None}
    if not same:
        gone |= before.keys() - found.keys()
    shortcuts = before.with_change(Delta(put=put, remove=frozenset(gone & before.keys())))
    return _Compiled(ways=ways, lengths=lengths, routes=routes, shortcuts=shortcuts)


def _lengths(ways: Ways, routes: Mapping[RouteKey, RoutePlan]) -> Lengths:
    found: dict[tuple[int, int], set[int]] = {}
    for (router, _, prefix), route in routes.items():
        if _way(router, route, ways) is not None:
            found.setdefault((router, prefix.version), set()).add(prefix.prefixlen)
    return {key: frozenset(lengths) for key, lengths in found.items()}


def _way(router: int, route: RoutePlan, ways: Ways) -> ShortcutPlan | None:
    """Return where the packets of a route come out, if their destination itself is there."""
    if len(route.hops) != 1 or route.hops[0].address is not None:
        return None
    return ways.get((router, route.hops[0].ifname))


def _shortcut(key: RouteKey, route: RoutePlan, ways: Ways, lengths: Lengths) -> ShortcutPlan | None:
    """Return what a route means for the programs; None: nothing, the router is asked anyway."""
    router, _, prefix = key
    way = _way(router, route, ways)
    if way is not None:
        return way
    # Longer than some network's prefix, it may take a part of that network away.
    is_longer = any(
        length < prefix.prefixlen for length in lengths.get((router, prefix.version), ())
    )
    return _BY_ROUTER if is_longer else None


def _stations(port: Port, network: Network) -> tuple[tuple[StationKey, StationPlan], ...]:
    station = StationPlan(port=port.number, mac=port.mac)
    return tuple(((network.number, one.address), station) for one in port.fixed_ips)
