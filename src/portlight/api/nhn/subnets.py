"""Subnets of VPCs on the wire: each stands for a network, its subnet and the VPC's interface."""

from collections.abc import Sequence

from starlette.routing import Route

from portlight.api.attributes import Attributes, at_creation, read_only
from portlight.api.nhn.bodies import bare_id
from portlight.api.nhn.values import AVAILABLE, COMMON, SHARED, named_at_creation, render_common
from portlight.api.operation import operation
from portlight.api.resource import Resource, render_with_details
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TEXT, TRUTH, WHOLE, array, or_null, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.wire import Json, network_prefix, text
from portlight.core.drafts_vpc import VpcSubnetDraft
from portlight.core.network import Network, Subnet
from portlight.core.route_tables import derived_id
from portlight.core.router import Router
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.vpc_subnets import Place
from portlight.values.ids import RouteTableId, SubnetId

_TABLE = shape(
    {
        "id": TEXT,
        "name": TEXT,
        "default_table": TRUTH,
        "explicit": TRUTH,
        "gateway_id": or_null(TEXT),
    }
)
_ROUTE = shape(
    {
        "id": TEXT,
        "cidr": TEXT,
        "mask": WHOLE,
        "gateway": TEXT,
        "subnet_id": TEXT,
        "tenant_id": TEXT,
    }
)
_VPC = shape({"id": TEXT, "name": TEXT, "cidrv4": TEXT, "state": TEXT, "shared": TRUTH})

_ATTRIBUTES: Attributes = {
    **COMMON,
    "description": at_creation("description", text()),
    "vpc_id": named_at_creation("router_id"),
    "cidr": named_at_creation("cidr", network_prefix),
    "state": read_only(TEXT),
    **SHARED,
    "enable_dhcp": read_only(TRUTH),
    "gateway": read_only(TEXT),
    "available_ip_count": read_only(WHOLE),
    "routingtable": read_only(or_null(_TABLE)),
    "routes": read_only(array(_ROUTE)),
    "vpc": read_only(_VPC),
}


def _render(cloud: Cloud, caller: Caller, subnets: Sequence[Subnet]) -> list[Json]:
    places = cloud.vpc_subnets.places(caller, subnets)
    shared = cloud.shared_with(caller, Network)
    return [
        _render_one(subnet, places[subnet.id], shared=subnet.network_id in shared)
        for subnet in subnets
        if subnet.id in places
    ]


def _render_one(subnet: Subnet, place: Place, *, shared: bool) -> Json:
    return {
        **render_common(subnet.id, subnet.meta),
        "description": subnet.meta.description,
        "vpc_id": place.router.id,
        "cidr": str(subnet.cidr),
        "state": AVAILABLE,
        "shared": shared,
        "router:external": False,
        "enable_dhcp": subnet.enable_dhcp,
        "gateway": "" if subnet.gateway_ip is None else str(subnet.gateway_ip),
        "available_ip_count": place.free_addresses,
        "routingtable": _render_table(subnet, place),
        "routes": _render_routes(subnet),
        "vpc": _render_vpc(place.router),
    }


def _render_table(subnet: Subnet, place: Place) -> Json | None:
    table = place.table
    if table is None:
        return None
    return {
        "id": table.id,
        "name": table.meta.name,
        "default_table": table.is_default,
        "explicit": subnet.id in table.subnet_ids,
        "gateway_id": table.internet_gateway_id,
    }


def _render_routes(subnet: Subnet) -> list[Json]:
    """Render the static routes that DHCP hands to guests."""
    return [
        {
            "id": derived_id(subnet.id, str(one.destination), str(one.nexthop)),
            "cidr": str(one.destination),
            "mask": one.destination.prefixlen,
            "gateway": str(one.nexthop),
            "subnet_id": subnet.id,
            "tenant_id": subnet.meta.project_id,
        }
        for one in subnet.host_routes
    ]


def _render_vpc(router: Router) -> Json:
    return {
        "id": router.id,
        "name": router.meta.name,
        "cidrv4": str(router.cidrs[0]),
        "state": AVAILABLE,
        "shared": False,
    }


SUBNETS: Resource[Subnet, SubnetId, VpcSubnetDraft, VpcSubnetDraft] = Resource(
    name="vpcsubnet",
    plural="vpcsubnets",
    attributes=_ATTRIBUTES,
    identifier=SubnetId,
    draft=VpcSubnetDraft,
    change=VpcSubnetDraft,
    use=lambda cloud: cloud.vpc_subnets,
    render=_render,
    where={"vpc_id": "router_id"},
)
_ANSWER = shape({SUBNETS.name: entity_schema(SUBNETS.name, _ATTRIBUTES)})


def subnet_verb_routes(face: Face, base: str) -> list[Route]:
    """Return the routes that say which route table a subnet follows."""
    one = f"{base}/vpcsubnets/{{id}}"
    return [
        route(face, f"{one}/attach_routingtable", PUT=_attach),
        route(face, f"{one}/detach_routingtable", PUT=_detach),
    ]


_TABLE_ID = bare_id("routingtable_id")


@operation(body=_TABLE_ID.schema, answer=_ANSWER)
def _attach(call: Call) -> Reply:
    """Let a subnet follow a route table."""
    table_id = RouteTableId(_TABLE_ID("body", call.document()))
    call.cloud.route_tables.associate(call.caller, table_id, SubnetId(call.path["id"]))
    return _show(call)


@operation(answer=_ANSWER)
def _detach(call: Call) -> Reply:
    """Let a subnet follow the default route table of its VPC."""
    subnet = call.cloud.vpc_subnets.get(call.caller, SubnetId(call.path["id"]))
    place = call.cloud.vpc_subnets.places(call.caller, [subnet])[subnet.id]
    call.cloud.route_tables.dissociate(call.caller, place.router.id, subnet.id)
    return _show(call)


def _show(call: Call) -> Reply:
    subnet = call.cloud.vpc_subnets.get(call.caller, SubnetId(call.path["id"]))
    (rendered,) = render_with_details(SUBNETS, call.cloud, call.caller, [subnet])
    return Reply(document={SUBNETS.name: rendered})
