"""Routes on the wire. A next hop is an address, the id of a thing, or the word `blackhole`."""

from collections.abc import Mapping, Sequence

from portlight.api.attributes import Attributes, read_only, settable
from portlight.api.nhn.values import named_at_creation
from portlight.api.parser import Parser, refuse
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, WHOLE, or_null
from portlight.api.wire import Json, address, identifier, network_prefix, text
from portlight.core.drafts_vpc import NextHop, RouteDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.route_table import HopKind, LocalRoute, Route
from portlight.core.route_tables import MAX_DESCRIPTION
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.hop_states import HopState
from portlight.service.routes import AnyRoute
from portlight.values.ids import RouteId

LOCAL = "local"
"""The `gateway` of the way to the VPC's own addresses."""
_GATEWAYS = frozenset({HopKind.INTERNET_GATEWAY, HopKind.NAT_GATEWAY, HopKind.PEERING})


def _accept_hop(field: str, raw: object) -> NextHop:
    if raw == HopKind.BLACKHOLE:
        return NextHop(kind=HopKind.BLACKHOLE)
    try:
        return NextHop(address=address(field, raw))
    except InvalidRequestError:
        pass
    try:
        return NextHop(target=identifier(field, raw))
    except InvalidRequestError:
        refuse(field, f"'{raw}' is no address, no id and not '{HopKind.BLACKHOLE}'")


HOP = Parser(
    _accept_hop,
    {"anyOf": [address.schema, identifier.schema, {"const": HopKind.BLACKHOLE.value}]},
    TEXT,
)

_ATTRIBUTES: Attributes = {
    "id": read_only(TEXT),
    "routingtable_id": named_at_creation("route_table_id"),
    "cidr": named_at_creation("destination", network_prefix),
    "gateway": settable("hop", HOP),
    "description": settable("description", text(MAX_DESCRIPTION)),
    "mask": read_only(WHOLE),
    "gateway_id": read_only(or_null(TEXT)),
    "tenant_id": read_only(TEXT),
}


def _render(cloud: Cloud, _caller: Caller, routes: Sequence[AnyRoute]) -> list[Json]:
    hops = cloud.routes.hop_states(routes)
    return [
        {
            "id": one.id,
            "routingtable_id": one.route_table_id,
            "cidr": str(one.destination),
            "gateway": _gateway(one, hops),
            "description": one.meta.description,
            "mask": one.destination.prefixlen,
            "gateway_id": one.target if isinstance(one, Route) and one.kind in _GATEWAYS else None,
            "tenant_id": one.meta.project_id,
        }
        for one in routes
    ]


def _gateway(one: AnyRoute, hops: Mapping[RouteId, HopState]) -> str:
    if isinstance(one, LocalRoute):
        return LOCAL
    if one.kind is HopKind.BLACKHOLE:
        return HopKind.BLACKHOLE
    return hops[one.id].address or one.target


ROUTES: Resource[AnyRoute, RouteId, RouteDraft, RouteDraft] = Resource(
    name="route",
    plural="routes",
    attributes=_ATTRIBUTES,
    identifier=RouteId,
    draft=RouteDraft,
    change=RouteDraft,
    use=lambda cloud: cloud.routes,
    render=_render,
    where={"routingtable_id": "route_table_id"},
    is_bare=True,
)
