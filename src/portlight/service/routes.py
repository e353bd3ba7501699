"""Use cases of routes: at most one way to a destination, or several equal ones by address."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from portlight.core.changes import required, required_prefix
from portlight.core.drafts import Unset
from portlight.core.drafts_vpc import RouteDraft
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.errors_routing import RouteExistsError
from portlight.core.route_table import MAX_PATHS, HopKind, LocalRoute, Route, RouteTable
from portlight.core.route_tables import (
    build_route,
    change_route,
    check_changeable,
    local_routes,
)
from portlight.core.router import Router
from portlight.service.caller import Caller
from portlight.service.collection import ANY, Collection, Where
from portlight.service.hop_states import HopState, states_of
from portlight.service.next_hops import Reach, reach_of, settle
from portlight.service.policy import check_action
from portlight.service.quotas import check_room
from portlight.service.router_ports import space_of
from portlight.service.work import View, Work, check_revision, load, load_own, search
from portlight.store.protocol import Window, cut
from portlight.values.ids import RouteId

AnyRoute = Route | LocalRoute


def create_many(work: Work, drafts: Sequence[RouteDraft]) -> list[AnyRoute]:
    """Make routes, all or none."""
    check_action(work.caller, "create_route")
    reach = cache(lambda router_id: reach_of(work, load(work, Router, router_id)))
    tables = cache(lambda table_id: load_own(work, RouteTable, table_id, "create_route"))
    made: list[AnyRoute] = []
    for draft in drafts:
        table = tables(required(draft.route_table_id, "routingtable_id"))
        settled = _settled(work, draft, reach(table.router_id), None)
        route = build_route(settled, work.birth(table.meta.project_id))
        _check_beside(work, route)
        work.tx.insert(route)
        made.append(route)
    for table_id in {route.route_table_id for route in made}:
        used = work.tx.count(Route, {"route_table_id": [table_id]})
        check_room(work, tables(table_id).meta.project_id, "route_table_routes", used)
    return made


def update(work: Work, route_id: RouteId, draft: RouteDraft, if_revision: int | None) -> AnyRoute:
    """Lead a route elsewhere."""
    route = _changeable(work, route_id, "update_route")
    check_revision(route, route_id, if_revision)
    table = load(work, RouteTable, route.route_table_id)
    settled = _settled(work, draft, reach_of(work, load(work, Router, table.router_id)), route)
    changed = change_route(route, settled, now=work.now)
    _check_beside(work, changed)
    work.tx.update(route, changed)
    return changed


def delete(work: Work, route_id: RouteId) -> None:
    """Remove a route."""
    work.tx.delete(_changeable(work, route_id, "delete_route"))


def local_of(view: View, where: Where) -> list[LocalRoute]:
    """Return the implied routes of the tables that the caller may see."""
    keys = {"route_table_id": "id", "project_id": "project_id"}
    tables = search(
        view, RouteTable, {keys[key]: values for key, values in where.items() if key in keys}
    )
    found = [one for table in tables for one in _local(view, table)]
    wanted = where.get("id")
    return [one for one in found if wanted is None or one.id in wanted]


def _local(view: View, table: RouteTable) -> list[LocalRoute]:
    router = view.tx.get(Router, table.router_id)
    if router is None:
        return []
    return local_routes(table, space_of(view.tx, router))


def _changeable(work: Work, route_id: RouteId, action: str) -> Route:
    if work.tx.get(Route, route_id) is None:
        view = View(tx=work.tx, caller=work.caller)
        for local in local_of(view, {"id": [route_id]}):
            check_changeable(local)
    return check_changeable(load_own(work, Route, route_id, action))


def _settled(work: Work, draft: RouteDraft, reach: Reach, present: Route | None) -> RouteDraft:
    if isinstance(draft.hop, Unset):
        return draft
    destination = (
        required_prefix(draft.destination, "cidr") if present is None else present.destination
    )
    return replace(draft, hop=settle(work, reach, destination, draft.hop))


def _check_beside(work: Work, route: Route) -> None:
    """Raise RouteExistsError when another route of the table goes to the same destination."""
    place = f"{route.route_table_id} {route.destination}"
    others = [one for one in work.tx.find(Route, {"destination": [place]}) if one.id != route.id]
    for one in others:
        if _excludes(one, route):
            raise RouteExistsError(route.destination, one.id)
    if len(others) >= MAX_PATHS:
        raise InvalidRequestError("cidr", f"{MAX_PATHS} routes lead to {route.destination} already")


def _excludes(one: Route, other: Route) -> bool:
    both_by_address = one.kind is HopKind.ADDRESS and other.kind is HopKind.ADDRESS
    return not both_by_address or one.address == other.address


class Routes(Collection[AnyRoute, RouteId, RouteDraft, RouteDraft]):
    """Routes; those to the routers' own addresses are listed with the others."""

    def get(self, caller: Caller, identifier: RouteId) -> AnyRoute:
        """Return a route, kept or implied."""
        found = self.find(caller, {"id": [identifier]})
        if not found:
            raise NotFoundError("Route", identifier)
        return found[0]

    def find(
        self, caller: Caller, where: Where = ANY, window: Window | None = None
    ) -> list[AnyRoute]:
        """Return the routes that the caller may see, implied ones first; a window of them by id."""
        check_action(caller, "get_route")

        def look(view: View) -> list[AnyRoute]:
            kept: list[AnyRoute] = [*search(view, Route, where)]
            return [*local_of(view, where), *kept]

        found = self._do.view(caller, look)
        if window is None:
            return found
        by_id = {one.id: one for one in found}
        return [by_id[RouteId(one)] for one in cut(by_id, window)]

    def hop_states(self, found: Sequence[AnyRoute]) -> Mapping[RouteId, HopState]:
        """Return how the next hops of routes fare, whoever owns them."""
        kept = [one for one in found if isinstance(one, Route)]
        with self._do.read() as tx:
            return states_of(tx, kept)
