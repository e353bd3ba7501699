"""The kernel's tables of one router: docs/design/routing.md, section 2.

A table of 10,000 routes of which one changes costs that one: what was compiled before is kept by
destination, as long as the router's surroundings are the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portlight.compiler.hops import Surroundings, Target, find_hop
from portlight.compiler.view import HostView
from portlight.core.route_table import HopKind, Route, RouteTable
from portlight.plan.delta import Delta, Edition, delta
from portlight.plan.routers import (
    FIRST_TABLE,
    INSIDE_TABLE,
    NOWHERE_TABLE,
    OUTSIDE_TABLE,
    UNREACHABLE,
    HopPlan,
    RouteKey,
    RoutePlan,
)
from portlight.values.addresses import IpPrefix, parse_prefix

EVERYTHING = (parse_prefix("0.0.0.0/0"), parse_prefix("::/0"))
Content = Edition[RouteKey, RoutePlan]
Basis = Mapping[IpPrefix, RoutePlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRoutes:
    """A compiled table, and what it came from."""

    around: Surroundings
    hops: tuple[tuple[Target, HopPlan], ...]
    routes: Mapping[object, Route]
    content: Content


def router_routes(view: HostView, around: Surroundings) -> Content:
    """Return what every router has, whatever its tables say: inside, outside, nowhere."""
    return view.memo.recall(("router_routes", around.router), _router_routes, around)


def table_routes(view: HostView, table: RouteTable, around: Surroundings) -> Content:
    """Return the content of a route table."""
    routes = view.routes_of(table.id)
    targets = view.memo.recall(("targets", table.id), _targets, routes)
    hops = tuple(
        (target, hop) for target in targets if (hop := find_hop(view, around, target)) is not None
    )

    def compiled(
        around: Surroundings,
        hops: tuple[tuple[Target, HopPlan], ...],
        number: int,
        routes: Mapping[object, Route],
        last: TableRoutes | None,
    ) -> TableRoutes:
        same = last is not None and (last.around, last.hops) == (around, hops)
        basis = _basis(around, leads_out=around.leads_out or _uses_gateway(targets))
        touched = _touched(routes, last if same else None)
        found = dict(hops)
        wanted = {
            (around.router, FIRST_TABLE + number, prefix): _route(
                basis, prefix, view.routes_to(table.id, prefix).values(), around, found
            )
            for prefix in (touched if same else touched | basis.keys())
        }
        before: Content = last.content if last is not None else Edition()
        content = before.with_change(_change(before, wanted, is_whole=not same))
        return TableRoutes(around=around, hops=hops, routes=routes, content=content)

    key = ("table", table.id)
    return view.memo.improve(key, compiled, around, hops, table.number, routes).content


def base_routes(view: HostView, around: Surroundings, extra: Basis) -> Content:
    """Return the content of the table of a router that nobody can give tables: number 0."""
    return view.memo.recall(("base", around.router), _base_routes, around, tuple(extra.items()))


def _base_routes(around: Surroundings, extra: tuple[tuple[IpPrefix, RoutePlan], ...]) -> Content:
    basis = _basis(around, leads_out=around.leads_out)
    return Edition(
        {
            (around.router, FIRST_TABLE, prefix): route
            for prefix, route in {**dict(extra), **basis}.items()
        }
    )


def _router_routes(around: Surroundings) -> Content:
    tables: dict[int, Basis] = {
        INSIDE_TABLE: _connected(around),
        NOWHERE_TABLE: {
            prefix: RoutePlan(hops=(HopPlan(ifname=UNREACHABLE),)) for prefix in EVERYTHING
        },
    }
    if around.outside is not None:
        tables[OUTSIDE_TABLE] = _outside(around)
    return Edition(
        {
            (around.router, table, prefix): route
            for table, routes in tables.items()
            for prefix, route in routes.items()
        }
    )


def _basis(around: Surroundings, *, leads_out: bool) -> Basis:
    """Return what a table has before anybody writes a route into it."""
    return {**(_outside(around) if leads_out else {}), **_connected(around)}


def _connected(around: Surroundings) -> Basis:
    return {one.cidr: RoutePlan(hops=(HopPlan(ifname=one.ifname),)) for one in around.inside}


def _outside(around: Surroundings) -> Basis:
    outside = around.outside
    if outside is None:
        return {}
    routes = {
        prefix: RoutePlan(hops=(HopPlan(ifname=outside.ifname),)) for prefix in outside.prefixes
    }
    for prefix in EVERYTHING:
        hop = outside.hop_to(prefix.version)
        if hop is not None:
            routes[prefix] = RoutePlan(hops=(hop,))
    return routes


def _touched(routes: Mapping[object, Route], last: TableRoutes | None) -> set[IpPrefix]:
    """Return the destinations whose routes are not what they were."""
    before = last.routes if last is not None else {}
    change = delta(routes, before)
    gone = (before[key] for key in change.remove | change.put.keys() if key in before)
    return {route.destination for route in (*change.put.values(), *gone)}


def _route(
    basis: Basis,
    prefix: IpPrefix,
    routes: Iterable[Route],
    around: Surroundings,
    hops: Mapping[Target, HopPlan],
) -> RoutePlan | None:
    """Return where a destination leads; the router's own subnets win over its table."""
    own = basis.get(prefix)
    written = sorted(routes, key=lambda route: route.id)
    if not written or any(one.cidr == prefix for one in around.inside):
        return own
    found = {hop for route in written if (hop := _hop_of(route, around, hops)) is not None}
    return RoutePlan(hops=tuple(sorted(found, key=lambda hop: (hop.ifname, str(hop.address)))))


def _hop_of(route: Route, around: Surroundings, hops: Mapping[Target, HopPlan]) -> HopPlan | None:
    if route.address is not None:
        return around.hop_to(route.address)
    return hops.get((route.kind, route.target, route.destination.version))


def _targets(routes: Mapping[object, Route]) -> tuple[Target, ...]:
    """Return what the routes of a table lead to besides addresses, each once."""
    found = {
        (route.kind, route.target, route.destination.version)
        for route in routes.values()
        if route.address is None and route.kind is not HopKind.BLACKHOLE
    }
    return tuple(sorted(found))


def _uses_gateway(targets: Iterable[Target]) -> bool:
    return any(kind is HopKind.INTERNET_GATEWAY for kind, _, _ in targets)


def _change(
    before: Content, wanted: Mapping[RouteKey, RoutePlan | None], *, is_whole: bool
) -> Delta[RouteKey, RoutePlan]:
    after = {key: route for key, route in wanted.items() if route is not None}
    if is_whole:
        return delta(after, before)
    return Delta(
        put={key: route for key, route in after.items() if before.get(key) != route},
        remove=frozenset(wanted.keys() - after.keys()) & before.keys(),
    )
