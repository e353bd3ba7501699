"""Route tables on the wire, and the verbs that join them with gateways."""

from collections.abc import Callable, Sequence

from starlette.routing import Route

from portlight.api.attributes import Attributes, read_only, settable
from portlight.api.nhn.bodies import bare_id
from portlight.api.nhn.routes import ROUTES
from portlight.api.nhn.values import AVAILABLE, COMMON, named_at_creation, render_common
from portlight.api.operation import operation
from portlight.api.resource import Resource, render_with_details
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TEXT, TRUTH, array, one_word, or_null, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.standard import grouped, related
from portlight.api.wire import Json, boolean
from portlight.core.drafts_vpc import RouteTableDraft
from portlight.core.route_table import HopKind, RouteTable
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import InternetGatewayId, RouteTableId

_NAMED = shape({"id": TEXT, "name": TEXT})
_GATEWAY = shape({"id": TEXT, "name": TEXT, "type": one_word(HopKind.NAT_GATEWAY, HopKind.PEERING)})
_ATTRIBUTES: Attributes = {
    **COMMON,
    "vpc_id": named_at_creation("router_id"),
    "distributed": settable("distributed", boolean),
    "default_table": read_only(TRUTH),
    "state": read_only(TEXT),
    "gateway_id": read_only(or_null(TEXT)),
    "gateway_name": read_only(or_null(TEXT)),
    "vpcs": read_only(array(_NAMED)),
    "subnets": read_only(array(_NAMED)),
    "routes": read_only(array(entity_schema(ROUTES.name, ROUTES.attributes))),
}


def _render(cloud: Cloud, caller: Caller, tables: Sequence[RouteTable]) -> list[Json]:
    ids = [table.internet_gateway_id for table in tables if table.internet_gateway_id]
    gateways = related(cloud.internet_gateways, caller, "id", ids)
    names = {gateway.id: gateway.meta.name for gateway in gateways}
    return [
        {
            **render_common(table.id, table.meta),
            "vpc_id": table.router_id,
            "distributed": table.distributed,
            "default_table": table.is_default,
            "state": AVAILABLE,
            "gateway_id": table.internet_gateway_id,
            "gateway_name": table.internet_gateway_id and names.get(table.internet_gateway_id),
        }
        for table in tables
    ]


def _expand(
    cloud: Cloud, caller: Caller, tables: Sequence[RouteTable], rendered: list[Json]
) -> list[Json]:
    routers = related(cloud.routers, caller, "id", [table.router_id for table in tables])
    vpcs = {router.id: {"id": router.id, "name": router.meta.name} for router in routers}
    followers = cloud.route_tables.followers(tables)
    ids = [table.id for table in tables]
    found = related(cloud.routes, caller, "route_table_id", ids)
    routes = grouped(ROUTES.render(cloud, caller, found), lambda one: str(one["routingtable_id"]))
    return [
        {
            **document,
            "vpcs": [vpcs[table.router_id]] if table.router_id in vpcs else [],
            "subnets": [
                {"id": subnet.id, "name": subnet.meta.name} for subnet in followers[table.id]
            ],
            "routes": routes.get(table.id, []),
        }
        for table, document in zip(tables, rendered, strict=True)
    ]


ROUTE_TABLES: Resource[RouteTable, RouteTableId, RouteTableDraft, RouteTableDraft] = Resource(
    name="routingtable",
    plural="routingtables",
    attributes=_ATTRIBUTES,
    identifier=RouteTableId,
    draft=RouteTableDraft,
    change=RouteTableDraft,
    use=lambda cloud: cloud.route_tables,
    render=_render,
    expand=_expand,
    where={"vpc_id": "router_id", "gateway_id": "internet_gateway_id"},
)
_ANSWER = shape({ROUTE_TABLES.name: entity_schema(ROUTE_TABLES.name, _ATTRIBUTES)})
_GATEWAY_ID = bare_id("gateway_id")


def route_table_verb_routes(face: Face, base: str) -> list[Route]:
    """Return the routes of gateways, and that of the default table."""
    one = f"{base}/routingtables/{{id}}"
    return [
        route(face, f"{one}/attach_gateway", PUT=_attach_gateway),
        route(face, f"{one}/detach_gateway", PUT=_detach_gateway),
        route(face, f"{one}/set_as_default", PUT=_set_as_default),
        route(face, f"{one}/related_gateways", GET=_related_gateways),
    ]


@operation(body=_GATEWAY_ID.schema, answer=_ANSWER)
def _attach_gateway(call: Call) -> Reply:
    """Let a route table lead to the outside by an internet gateway."""
    gateway_id = InternetGatewayId(_GATEWAY_ID("body", call.document()))
    return _changed(
        call, lambda table_id: call.cloud.route_tables.attach(call.caller, table_id, gateway_id)
    )


@operation(answer=_ANSWER)
def _detach_gateway(call: Call) -> Reply:
    """Take the internet gateway from a route table."""
    return _changed(call, lambda table_id: call.cloud.route_tables.detach(call.caller, table_id))


@operation(answer=_ANSWER)
def _set_as_default(call: Call) -> Reply:
    """Make a route table the default one of its VPC."""
    return _changed(
        call, lambda table_id: call.cloud.route_tables.set_as_default(call.caller, table_id)
    )


@operation(answer=shape({"related_gateways": array(_GATEWAY)}))
def _related_gateways(call: Call) -> Reply:
    """List the NAT gateways and peerings that routes of a table can lead to."""
    cloud, caller = call.cloud, call.caller
    table = cloud.route_tables.get(caller, RouteTableId(call.path["id"]))
    where = {"router_id": [table.router_id]}
    peerings = [
        *cloud.peerings.find(caller, where),
        *cloud.peerings.find(caller, {"peer_router_id": [table.router_id]}),
    ]
    found = [(one, HopKind.NAT_GATEWAY) for one in cloud.nat_gateways.find(caller, where)]
    listed = [{"id": one.id, "name": one.meta.name, "type": kind} for one, kind in found]
    listed += [{"id": one.id, "name": one.meta.name, "type": HopKind.PEERING} for one in peerings]
    return Reply(document={"related_gateways": listed})


def _changed(call: Call, change: Callable[[RouteTableId], RouteTable]) -> Reply:
    table = change(RouteTableId(call.path["id"]))
    (rendered,) = render_with_details(ROUTE_TABLES, call.cloud, call.caller, [table])
    return Reply(document={ROUTE_TABLES.name: rendered})
