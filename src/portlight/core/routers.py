"""What a valid router is, how drafts make and change one, and what its routes may be. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from portlight.core.changes import Birth, first_meta, given, next_meta
from portlight.core.drafts_routing import Hop, RouterDraft
from portlight.core.errors import MalformedValueError
from portlight.core.errors_routing import (
    InvalidRoutesError,
    RouteExistsError,
    RouterRequestError,
    RouterSubnetOverlapError,
    RoutesExhaustedError,
    SubnetOutsideAddressSpaceError,
)
from portlight.core.meta import Meta
from portlight.core.network import Subnet
from portlight.core.networks import zone_hints
from portlight.core.route_table import MAX_PATHS, HopKind, Route, RouteTable
from portlight.core.router import ExternalGateway, PathStatus, Router
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import ProjectId, RouteId, RouterId, RouteTableId

MAX_ROUTES = 10_000
"""In one table (row H169 asks for 200)."""


def build_router(draft: RouterDraft, birth: Birth) -> Router:
    """Return the new router, without interfaces and without a gateway."""
    return Router(
        id=RouterId(birth.id),
        number=birth.number,
        meta=first_meta(draft, birth),
        cidrs=given(draft.cidrs, ()),
        admin_state_up=given(draft.admin_state_up, default=True),
        availability_zone_hints=zone_hints(given(draft.availability_zone_hints, ())),
    )


def change_router(router: Router, draft: RouterDraft, *, now: float) -> Router:
    """Return the router after the change; gateway and routes are changed by what they are."""
    return replace(
        router,
        meta=next_meta(router.meta, draft, now),
        cidrs=given(draft.cidrs, router.cidrs),
        admin_state_up=given(draft.admin_state_up, router.admin_state_up),
    )


def with_gateway(router: Router, gateway: ExternalGateway | None, *, now: float) -> Router:
    """Return the router with this gateway, or none."""
    if gateway == router.gateway:
        return router
    return replace(router, meta=next_meta(router.meta, None, now), gateway=gateway)


def settled(router: Router, revision: int) -> Router:
    """Return the router once a host has put this revision in place."""
    if router.status is PathStatus.ACTIVE or revision < 1:
        return router
    return replace(router, status=PathStatus.ACTIVE)


def build_default_table(router: Router, birth: Birth) -> RouteTable:
    """Return the table that subnets of the router follow when nothing else is said."""
    meta = Meta(
        project_id=router.meta.project_id,
        name=f"vpc-{router.id}" if router.cidrs else "",
        revision_number=1,
        created_at=birth.now,
        updated_at=birth.now,
    )
    return RouteTable(
        id=RouteTableId(birth.id),
        number=birth.number,
        meta=meta,
        router_id=router.id,
        is_default=True,
    )


def build_hop_route(hop: Hop, table: RouteTable, identifier: str, *, now: float) -> Route:
    """Return the route to an address."""
    project_id: ProjectId = table.meta.project_id
    meta = Meta(project_id=project_id, revision_number=1, created_at=now, updated_at=now)
    return Route(
        id=RouteId(identifier),
        meta=meta,
        route_table_id=table.id,
        destination=hop.destination,
        kind=HopKind.ADDRESS,
        address=hop.address,
    )


def hop_of(route: Route) -> Hop | None:
    """Return a route as one by address; None for every other kind."""
    if route.kind is not HopKind.ADDRESS or route.address is None:
        return None
    return Hop(destination=route.destination, address=route.address)


def check_joinable(subnet: Subnet) -> None:
    """Raise RouterRequestError when a router cannot be what the subnet needs."""
    outside = subnet.ipv6_address_mode is not None and subnet.ipv6_ra_mode is None
    if outside:
        raise RouterRequestError(
            f"IPv6 subnet {subnet.id} configured to receive RAs from an external router cannot be "
            "added to Neutron Router"
        )


def check_no_overlap(new: Iterable[Subnet], present: Sequence[Subnet]) -> None:
    """Raise RouterSubnetOverlapError when subnets of one router share addresses (row H143)."""
    for subnet in new:
        for other in present:
            if other.id != subnet.id and overlap(subnet.cidr, other.cidr):
                raise RouterSubnetOverlapError(subnet, other)


def check_in_address_space(router: Router, subnet: Subnet) -> None:
    """Raise SubnetOutsideAddressSpaceError when an IPv4 subnet is not within the VPC's blocks."""
    space = [cidr for cidr in router.cidrs if cidr.version == subnet.cidr.version]
    if space and not any(is_within(subnet.cidr, cidr) for cidr in space):
        raise SubnetOutsideAddressSpaceError(subnet.cidr, router.id, space)


def check_hops(
    hops: Sequence[Hop], *, router_id: RouterId, connected: Iterable[IpPrefix], own: set[IpAddress]
) -> None:
    """Raise InvalidRoutesError or RoutesExhaustedError when a router cannot have these routes.

    `connected` are the prefixes that the router is in, `own` are its addresses there.
    """
    if len(hops) > MAX_ROUTES:
        raise RoutesExhaustedError(router_id, MAX_ROUTES)
    if len(set(hops)) != len(hops):
        raise MalformedValueError("routes", "one of them is given twice")
    prefixes = tuple(connected)
    paths = Counter(hop.destination for hop in hops)
    for hop in hops:
        if paths[hop.destination] > MAX_PATHS:
            raise InvalidRoutesError(
                [hop], f"more than {MAX_PATHS} routes lead to {hop.destination}"
            )
        if hop.destination.version != hop.address.version:
            raise InvalidRoutesError([hop], "destination and nexthop are of two families")
        if not any(hop.address in prefix for prefix in prefixes):
            raise InvalidRoutesError([hop], "the nexthop is not connected with router")
        if hop.address in own:
            raise InvalidRoutesError([hop], "the nexthop is used by router")


def check_beside(hops: Iterable[Hop], others: Iterable[Route]) -> None:
    """Raise RouteExistsError when a route that is none by address has the same destination."""
    taken = {route.destination: route for route in others}
    for hop in hops:
        if hop.destination in taken:
            raise RouteExistsError(hop.destination, taken[hop.destination].id)


def overlap(one: IpPrefix, other: IpPrefix) -> bool:
    """Whether two prefixes share addresses."""
    return one.version == other.version and one.overlaps(other)


def is_within(inner: IpPrefix, outer: IpPrefix) -> bool:
    """Whether all addresses of a prefix are in another one."""
    return overlap(inner, outer) and inner.prefixlen >= outer.prefixlen
