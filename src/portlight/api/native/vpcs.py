"""VPCs, routes and peerings on the native API: every block, every kind of hop, and how it fares."""

from collections.abc import Sequence

from starlette.routing import Route as HttpRoute

from portlight.api.attributes import (
    STANDARD,
    Attribute,
    Attributes,
    at_creation,
    read_only,
    settable,
)
from portlight.api.nhn.routes import LOCAL
from portlight.api.operation import operation
from portlight.api.resource import Resource
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TEXT, one_word, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.standard import render_standard
from portlight.api.wire import (
    Json,
    address,
    identifier,
    list_of,
    network_prefix,
    one_of,
    record,
    text,
)
from portlight.core.drafts_vpc import NextHop, PeeringDraft, RouteDraft, VpcDraft
from portlight.core.gateways import Peering, PeeringStatus
from portlight.core.network import Network
from portlight.core.route_table import HopKind, LocalRoute
from portlight.core.route_tables import MAX_DESCRIPTION
from portlight.core.vpcs import MAX_CIDRS
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.hop_states import HopState
from portlight.service.routes import AnyRoute
from portlight.service.vpcs import AnyVpc
from portlight.values.addresses import IpAddress
from portlight.values.ids import PeeringId, RouteId, RouterId

_VPC: Attributes = {
    **STANDARD,
    "cidrs": Attribute(parse=list_of(network_prefix, MAX_CIDRS), draft="cidrs", required=True),
    "external_network_id": Attribute(
        parse=identifier, draft="external_network_id", on_update=False, is_rendered=False
    ),
}


def _render_vpcs(_cloud: Cloud, _caller: Caller, vpcs: Sequence[AnyVpc]) -> list[Json]:
    return [
        {
            **render_standard(vpc.id, vpc.meta),
            "cidrs": [] if isinstance(vpc, Network) else [str(cidr) for cidr in vpc.cidrs],
        }
        for vpc in vpcs
    ]


VPCS: Resource[AnyVpc, RouterId, VpcDraft, VpcDraft] = Resource(
    name="vpc",
    plural="vpcs",
    attributes=_VPC,
    identifier=RouterId,
    draft=VpcDraft,
    change=VpcDraft,
    use=lambda cloud: cloud.vpcs,
    render=_render_vpcs,
    title="native_vpc",
)


def _next_hop(
    kind: HopKind | None = None,
    id: str = "",  # noqa: A002 -- the word on the wire
    ip_address: IpAddress | None = None,
) -> NextHop:
    return NextHop(kind=kind, target=id, address=ip_address)


_HOP = record(_next_hop, {}, kind=one_of(HopKind), id=identifier, ip_address=address)
_HOP_SHOWN = shape({"kind": one_word(*HopKind, LOCAL), "id": TEXT, "ip_address": TEXT})
_ACTIVE, _BLACKHOLE = "active", "blackhole"
_ROUTE: Attributes = {
    "id": read_only(TEXT),
    "project_id": read_only(TEXT),
    "route_table_id": at_creation("route_table_id", identifier, required=True),
    "destination": at_creation("destination", network_prefix, required=True),
    "next_hop": Attribute(parse=_HOP, draft="hop", required=True, answer=_HOP_SHOWN),
    "description": settable("description", text(MAX_DESCRIPTION)),
    "status": read_only(one_word(_ACTIVE, _BLACKHOLE)),
    "detail": read_only(TEXT),
    "revision_number": STANDARD["revision_number"],
    "created_at": STANDARD["created_at"],
    "updated_at": STANDARD["updated_at"],
}


def _render_routes(cloud: Cloud, _caller: Caller, routes: Sequence[AnyRoute]) -> list[Json]:
    states = cloud.routes.hop_states(routes)
    return [_render_route(one, states.get(one.id, HopState())) for one in routes]


def _render_route(one: AnyRoute, state: HopState) -> Json:
    standard = render_standard(one.id, one.meta)
    kind, target = (LOCAL, "") if isinstance(one, LocalRoute) else (one.kind, one.target)
    is_hole = not state.is_there or kind == HopKind.BLACKHOLE
    return {
        **{name: standard[name] for name in _ROUTE if name in standard},
        "route_table_id": one.route_table_id,
        "destination": str(one.destination),
        "next_hop": {"kind": kind, "id": target, "ip_address": state.address},
        "status": _BLACKHOLE if is_hole else _ACTIVE,
        "detail": state.detail,
    }


ROUTES: Resource[AnyRoute, RouteId, RouteDraft, RouteDraft] = Resource(
    name="route",
    plural="routes",
    attributes=_ROUTE,
    identifier=RouteId,
    draft=RouteDraft,
    change=RouteDraft,
    use=lambda cloud: cloud.routes,
    render=_render_routes,
    title="native_route",
    where={"route_table_id": "route_table_id"},
)

_PEERING: Attributes = {
    **STANDARD,
    "vpc_id": at_creation("router_id", identifier, required=True),
    "peer_vpc_id": at_creation("peer_router_id", identifier, required=True),
    "peer_project_id": at_creation("peer_project_id", identifier, answer=TEXT),
    "status": read_only(one_word(*PeeringStatus)),
}


def _render_peerings(_cloud: Cloud, _caller: Caller, peerings: Sequence[Peering]) -> list[Json]:
    return [
        {
            **render_standard(one.id, one.meta),
            "vpc_id": one.router_id,
            "peer_vpc_id": one.peer_router_id,
            "peer_project_id": one.peer_project_id,
            "status": one.status,
        }
        for one in peerings
    ]


PEERINGS: Resource[Peering, PeeringId, PeeringDraft, PeeringDraft] = Resource(
    name="peering",
    plural="peerings",
    attributes=_PEERING,
    identifier=PeeringId,
    draft=PeeringDraft,
    change=PeeringDraft,
    use=lambda cloud: cloud.peerings,
    render=_render_peerings,
    where={
        "vpc_id": "router_id",
        "peer_vpc_id": "peer_router_id",
        "peer_project_id": "peer_project_id",
    },
)


_ANSWER = shape({PEERINGS.name: entity_schema(PEERINGS.name, _PEERING)})


def peering_verb_routes(face: Face, base: str) -> list[HttpRoute]:
    """Return the routes by which the side that was asked answers."""
    one = f"{base}/peerings/{{id}}"
    return [route(face, f"{one}/accept", POST=_accept), route(face, f"{one}/reject", POST=_reject)]


@operation(answer=_ANSWER)
def _accept(call: Call) -> Reply:
    """Accept a peering that another project asked for."""
    return _shown(call, call.cloud.peerings.accept(call.caller, PeeringId(call.path["id"])))


@operation(answer=_ANSWER)
def _reject(call: Call) -> Reply:
    """Reject a peering that another project asked for."""
    return _shown(call, call.cloud.peerings.reject(call.caller, PeeringId(call.path["id"])))


def _shown(call: Call, peering: Peering) -> Reply:
    (rendered,) = _render_peerings(call.cloud, call.caller, [peering])
    return Reply(document={PEERINGS.name: rendered})
