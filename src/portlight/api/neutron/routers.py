"""Routers on the wire. Interfaces and routes come and go by verbs."""

from collections.abc import Callable, Sequence

from starlette.routing import Route

from portlight.api.attributes import (
    STANDARD,
    Attribute,
    Attributes,
    at_creation,
    read_only,
    settable,
)
from portlight.api.errors import BadRequestError
from portlight.api.neutron.ports import FIXED_IPS, render_fixed_ip
from portlight.api.operation import operation
from portlight.api.parser import refuse
from portlight.api.resource import Resource, envelope
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TEXT, TRUTH, array, one_word, or_null, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.standard import render_standard
from portlight.api.wire import (
    Json,
    address,
    boolean,
    identifier,
    list_of,
    list_or_null,
    nullable,
    prefix,
    record,
    text,
)
from portlight.core.drafts import UNSET, FixedIpRequest, Unset
from portlight.core.drafts_routing import GatewayDraft, Hop, InterfaceDraft, RouterDraft
from portlight.core.networks import ZONES
from portlight.core.router import PathStatus, Router
from portlight.core.routers import MAX_ROUTES
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.router_interfaces import Interface
from portlight.service.routers import RouterDetails
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import NetworkId, PortId, RouterId, SubnetId

RoutesVerb = Callable[[Caller, RouterId, Sequence[Hop]], Router]


def _gateway(
    network_id: NetworkId | None = None,
    enable_snat: bool | Unset = UNSET,  # noqa: FBT001 -- a member of a record, by its name
    external_fixed_ips: tuple[FixedIpRequest, ...] | Unset = UNSET,
) -> GatewayDraft | None:
    if network_id is not None:
        return GatewayDraft(
            network_id=network_id, enable_snat=enable_snat, fixed_ips=external_fixed_ips
        )
    if enable_snat is not UNSET or external_fixed_ips is not UNSET:
        refuse("external_gateway_info", "it must have a network_id")
    # an empty object clears the gateway, as null does
    return None


def _hop(destination: IpPrefix, nexthop: IpAddress) -> Hop:
    return Hop(destination=destination, address=nexthop)


_GATEWAY_INFO = nullable(
    record(
        _gateway,
        {},
        network_id=identifier,
        enable_snat=boolean,
        external_fixed_ips=FIXED_IPS,
    )
)
_HOP = record(_hop, {"destination": prefix, "nexthop": address})
_HOPS = list_or_null(_HOP, MAX_ROUTES)
_GATEWAY_SHOWN = shape(
    {
        "network_id": TEXT,
        "enable_snat": TRUTH,
        "external_fixed_ips": array(shape({"subnet_id": TEXT, "ip_address": TEXT})),
    }
)

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "admin_state_up": settable("admin_state_up", boolean),
    "status": read_only(one_word(*PathStatus)),
    "external_gateway_info": settable("gateway", _GATEWAY_INFO, answer=or_null(_GATEWAY_SHOWN)),
    "routes": Attribute(parse=_HOPS, draft="hops", on_create=False),
    "availability_zone_hints": at_creation("availability_zone_hints", list_of(text())),
    "availability_zones": read_only(array(TEXT)),
}


def _render(cloud: Cloud, _caller: Caller, routers: Sequence[Router]) -> list[Json]:
    details = cloud.routers.details(routers)
    return [_render_one(router, details.get(router.id, RouterDetails())) for router in routers]


def _render_one(router: Router, details: RouterDetails) -> Json:
    return {
        **render_standard(router.id, router.meta),
        "admin_state_up": router.admin_state_up,
        "status": router.status,
        "external_gateway_info": _render_gateway(router, details),
        "routes": [
            {"destination": str(hop.destination), "nexthop": str(hop.address)}
            for hop in details.hops
        ],
        "availability_zone_hints": list(router.availability_zone_hints),
        "availability_zones": list(ZONES) if router.status is PathStatus.ACTIVE else [],
    }


def _render_gateway(router: Router, details: RouterDetails) -> Json | None:
    if router.gateway is None:
        return None
    return {
        "network_id": router.gateway.network_id,
        "external_fixed_ips": [render_fixed_ip(ip) for ip in details.gateway_ips],
        "enable_snat": router.gateway.enable_snat,
    }


ROUTERS: Resource[Router, RouterId, RouterDraft, RouterDraft] = Resource(
    name="router",
    plural="routers",
    attributes=_ATTRIBUTES,
    identifier=RouterId,
    draft=RouterDraft,
    change=RouterDraft,
    use=lambda cloud: cloud.routers,
    render=_render,
)

_INTERFACE = {"subnet_id": identifier, "port_id": identifier}
_INTERFACE_BODY = shape({}, optional={name: one.schema for name, one in _INTERFACE.items()})
_INTERFACE_SHOWN = shape(
    {
        **dict.fromkeys(("id", "project_id", "port_id", "network_id", "subnet_id"), TEXT),
        "subnet_ids": array(TEXT),
    },
    title="router_interface",
)
_ROUTES_BODY = shape({"router": shape({"routes": _HOPS.schema})})
_ROUTER_SHOWN = shape({"router": entity_schema("router", _ATTRIBUTES)})


def router_verb_routes(face: Face, base: str) -> list[Route]:
    """Return the routes of the verbs that only routers have."""
    path = f"{base}/routers/{{id}}"
    return [
        route(face, f"{path}/add_router_interface", PUT=_add_interface),
        route(face, f"{path}/remove_router_interface", PUT=_remove_interface),
        route(face, f"{path}/add_extraroutes", PUT=_add_extraroutes),
        route(face, f"{path}/remove_extraroutes", PUT=_remove_extraroutes),
    ]


@operation(body=_INTERFACE_BODY, answer=_INTERFACE_SHOWN)
def _add_interface(call: Call) -> Reply:
    """Join a router to a subnet, or make a port an interface of it."""
    draft = _interface_in(call)
    return _show_interface(call.cloud.routers.add_interface(call.caller, _router_id(call), draft))


@operation(body=_INTERFACE_BODY, answer=_INTERFACE_SHOWN)
def _remove_interface(call: Call) -> Reply:
    """Take a router out of a subnet."""
    draft = _interface_in(call)
    gone = call.cloud.routers.remove_interface(call.caller, _router_id(call), draft)
    return _show_interface(gone)


@operation(body=_ROUTES_BODY, answer=_ROUTER_SHOWN)
def _add_extraroutes(call: Call) -> Reply:
    """Let a router have more routes."""
    return _change_routes(call, call.cloud.routers.add_routes)


@operation(body=_ROUTES_BODY, answer=_ROUTER_SHOWN)
def _remove_extraroutes(call: Call) -> Reply:
    """Let a router have fewer routes."""
    return _change_routes(call, call.cloud.routers.remove_routes)


def _change_routes(call: Call, change: RoutesVerb) -> Reply:
    document = envelope(call.document(), "router")
    if document.keys() != {"routes"}:
        raise BadRequestError("The router must be an object with the one key 'routes'.")
    router = change(call.caller, _router_id(call), _HOPS("routes", document["routes"]))
    (rendered,) = _render(call.cloud, call.caller, [router])
    return Reply(document={"router": rendered})


def _interface_in(call: Call) -> InterfaceDraft:
    document = call.document()
    unknown = sorted(document.keys() - _INTERFACE.keys())
    if unknown:
        raise BadRequestError(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    given = {name: _INTERFACE[name](name, raw) for name, raw in document.items()}
    subnet_id, port_id = given.get("subnet_id"), given.get("port_id")
    return InterfaceDraft(
        subnet_id=None if subnet_id is None else SubnetId(subnet_id),
        port_id=None if port_id is None else PortId(port_id),
    )


def _show_interface(interface: Interface) -> Reply:
    document: Json = {
        "id": interface.router.id,
        "project_id": interface.router.meta.project_id,
        "port_id": interface.port.id,
        "network_id": interface.port.network_id,
        "subnet_id": interface.subnet_ids[0],
        "subnet_ids": list(interface.subnet_ids),
    }
    return Reply(document=document)


def _router_id(call: Call) -> RouterId:
    return RouterId(call.path["id"])
