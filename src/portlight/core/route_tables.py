"""What valid route tables and routes are, and how drafts make and change them. Pure.

Whether a next hop is there, and in the router's reach, is the service's question.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from portlight.core.changes import (
    Birth,
    first_meta,
    given,
    next_meta,
    required,
    required_prefix,
)
from portlight.core.drafts_vpc import NextHop, RouteDraft, RouteTableDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_vpc import FixedRouteError
from portlight.core.meta import Meta
from portlight.core.route_table import HopKind, LocalRoute, Route, RouteTable
from portlight.core.router import Router
from portlight.values.addresses import IpPrefix
from portlight.values.ids import RouteId, RouterId, RouteTableId, SubnetId

MAX_DESCRIPTION: Final = 256
"""Bytes."""
_WITHOUT_TARGET: Final = frozenset({HopKind.ADDRESS, HopKind.BLACKHOLE})


def build_table(draft: RouteTableDraft, birth: Birth) -> RouteTable:
    """Return the new table; no subnet follows it yet."""
    return RouteTable(
        id=RouteTableId(birth.id),
        number=birth.number,
        meta=first_meta(draft, birth),
        router_id=required(draft.router_id, "router_id"),
        distributed=given(draft.distributed, default=True),
    )


def change_table(table: RouteTable, draft: RouteTableDraft, *, now: float) -> RouteTable:
    """Return the table after the change."""
    if given(draft.router_id, table.router_id) != table.router_id:
        raise InvalidRequestError("router_id", "it cannot be changed")
    return replace(
        table,
        meta=next_meta(table.meta, draft, now),
        distributed=given(draft.distributed, table.distributed),
    )


def with_subnet(table: RouteTable, subnet_id: SubnetId, *, now: float) -> RouteTable:
    """Return the table that a subnet follows explicitly."""
    subnets = tuple(sorted({*table.subnet_ids, subnet_id}))
    return replace(table, meta=next_meta(table.meta, None, now), subnet_ids=subnets)


def without_subnet(table: RouteTable, subnet_id: SubnetId, *, now: float) -> RouteTable:
    """Return the table that a subnet follows no more."""
    subnets = tuple(one for one in table.subnet_ids if one != subnet_id)
    return replace(table, meta=next_meta(table.meta, None, now), subnet_ids=subnets)


def build_route(draft: RouteDraft, birth: Birth) -> Route:
    """Return the new route; its hop is `settled_hop` already."""
    hop = required(draft.hop, "gateway")
    destination = required_prefix(draft.destination, "cidr")
    description = _description(given(draft.description, ""))
    route = Route(
        id=RouteId(birth.id),
        meta=Meta(
            project_id=birth.project_id,
            description=description,
            revision_number=1,
            created_at=birth.now,
            updated_at=birth.now,
        ),
        route_table_id=required(draft.route_table_id, "route_table_id"),
        destination=destination,
        kind=hop.kind or HopKind.ADDRESS,
        target=hop.target,
        address=hop.address,
    )
    return _checked(route)


def change_route(route: Route, draft: RouteDraft, *, now: float) -> Route:
    """Return the route after the change; its table and destination stay."""
    fixed: tuple[tuple[str, object, object], ...] = (
        ("routingtable_id", draft.route_table_id, route.route_table_id),
        ("cidr", draft.destination, route.destination),
    )
    for field, asked, present in fixed:
        if given(asked, present) != present:
            raise InvalidRequestError(field, "it cannot be changed")
    hop = given(draft.hop, NextHop(kind=route.kind, target=route.target, address=route.address))
    description = _description(given(draft.description, route.meta.description))
    changed = replace(
        route,
        meta=replace(next_meta(route.meta, None, now), description=description),
        kind=hop.kind or HopKind.ADDRESS,
        target=hop.target,
        address=hop.address,
    )
    return _checked(changed)


def is_default(destination: IpPrefix) -> bool:
    """Whether a route is to everything of its family."""
    return destination.prefixlen == 0


def check_changeable(route: Route | LocalRoute) -> Route:
    """Return the route; raise FixedRouteError when it is not the caller's to change."""
    if isinstance(route, LocalRoute):
        raise FixedRouteError(route.id, "it is the router's own")
    if route.kind is HopKind.INTERNET_GATEWAY and is_default(route.destination):
        raise FixedRouteError(route.id, "it goes when the internet gateway is detached")
    return route


def local_routes(table: RouteTable, space: Iterable[IpPrefix]) -> list[LocalRoute]:
    """Return the implied routes of a table to the router's own addresses."""
    return [
        LocalRoute(
            id=RouteId(derived_id(table.id, str(destination))),
            meta=replace(table.meta, name="", description=""),
            route_table_id=table.id,
            destination=destination,
        )
        for destination in space
    ]


def derived_id(*parts: str) -> str:
    """Return the id of what is shown but kept nowhere: the same for the same parts."""
    digest = hashlib.blake2b(" ".join(parts).encode(), digest_size=16).hexdigest()
    lengths = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    return "-".join(digest[first:end] for first, end in lengths)


def own_space(router: Router, subnets: Iterable[IpPrefix]) -> tuple[IpPrefix, ...]:
    """Return the addresses of a router: a VPC's blocks, or the subnets that it is in."""
    return router.cidrs or tuple(sorted(subnets, key=lambda one: (one.version, one)))


def table_of(
    tables: Iterable[RouteTable], router_id: RouterId, subnet_id: SubnetId
) -> RouteTable | None:
    """Return the table that a subnet of the router follows."""
    mine = [table for table in tables if table.router_id == router_id]
    for table in mine:
        if subnet_id in table.subnet_ids:
            return table
    return next((table for table in mine if table.is_default), None)


def _description(text: str) -> str:
    if len(text.encode()) > MAX_DESCRIPTION:
        raise InvalidRequestError("description", f"it is longer than {MAX_DESCRIPTION} bytes")
    return text


def _checked(route: Route) -> Route:
    needs_target = route.kind not in _WITHOUT_TARGET
    if needs_target != bool(route.target):
        rule = "it names nothing" if needs_target else f"{route.kind} has no id"
        raise InvalidRequestError("gateway", rule)
    if (route.kind is HopKind.ADDRESS) != (route.address is not None):
        raise InvalidRequestError("gateway", f"{route.kind} and an address do not go together")
    if route.address is not None and route.address.version != route.destination.version:
        raise InvalidRequestError(
            "gateway", f"{route.address} is not of the family of {route.destination}"
        )
    return route
