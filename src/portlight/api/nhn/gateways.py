"""Internet gateways and NAT gateways on the wire."""

from collections.abc import Mapping, Sequence

from portlight.api.attributes import Attributes, read_only, settable
from portlight.api.nhn.values import AVAILABLE, COMMON, named_at_creation, render_common
from portlight.api.resource import Resource
from portlight.api.schema import NULL, TEXT, one_word, or_null
from portlight.api.standard import related
from portlight.api.wire import Json, text
from portlight.core.drafts_vpc import InternetGatewayDraft, NatGatewayDraft
from portlight.core.gateway_rules import nat_gateway_status
from portlight.core.gateways import InternetGateway, NatGateway
from portlight.core.port import Port
from portlight.core.router import PathStatus
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import FloatingIpId, InternetGatewayId, NatGatewayId, PortId

_UNATTACHED = "unavailable"
_STATUS = {PathStatus.ACTIVE: "ACTIVE", PathStatus.BUILD: "BUILD", PathStatus.DOWN: "ERROR"}

_INTERNET: Attributes = {
    **COMMON,
    "external_network_id": named_at_creation("external_network_id"),
    "routingtable_id": read_only(or_null(TEXT)),
    "state": read_only(one_word(AVAILABLE, _UNATTACHED)),
    "migrate_status": read_only(NULL),
    "migrate_error": read_only(NULL),
}
_NAT: Attributes = {
    **COMMON,
    "description": settable("description", text()),
    "vpc_id": named_at_creation("router_id"),
    "subnet_id": named_at_creation("subnet_id"),
    "floatingips_id": named_at_creation("floating_ip_id"),
    "port_id": read_only(TEXT),
    "fixed_ip": read_only(TEXT),
    "floating_ip": read_only(TEXT),
    "status": read_only(one_word("ACTIVE", "BUILD", "ERROR")),
    "status_detail": read_only(TEXT),
}


def _render_internet(
    _cloud: Cloud, _caller: Caller, gateways: Sequence[InternetGateway]
) -> list[Json]:
    return [
        {
            **render_common(one.id, one.meta),
            "external_network_id": one.external_network_id,
            "routingtable_id": one.route_table_id,
            "state": _UNATTACHED if one.route_table_id is None else AVAILABLE,
            "migrate_status": None,
            "migrate_error": None,
        }
        for one in gateways
    ]


def _render_nat(cloud: Cloud, caller: Caller, gateways: Sequence[NatGateway]) -> list[Json]:
    ports, floating, states = _around(cloud, caller, gateways)
    fixed = {key: str(port.fixed_ips[0].address) for key, port in ports.items() if port.fixed_ips}
    return [
        {
            **render_common(one.id, one.meta),
            "description": one.meta.description,
            "vpc_id": one.router_id,
            "subnet_id": one.subnet_id,
            "floatingips_id": one.floating_ip_id,
            "port_id": one.port_id,
            "fixed_ip": fixed.get(one.port_id, ""),
            "floating_ip": floating.get(one.floating_ip_id, ""),
            "status": _STATUS[status],
            "status_detail": detail,
        }
        for one, (status, detail) in zip(gateways, states, strict=True)
    ]


def _around(
    cloud: Cloud, caller: Caller, gateways: Sequence[NatGateway]
) -> tuple[Mapping[PortId, Port], Mapping[FloatingIpId, str], list[tuple[PathStatus, str]]]:
    """Return interfaces and public addresses by their ids, and how each gateway is."""
    ports = related(cloud.ports, caller, "id", [one.port_id for one in gateways])
    floating = related(cloud.floating_ips, caller, "id", [one.floating_ip_id for one in gateways])
    routers = related(cloud.routers, caller, "id", [one.router_id for one in gateways])
    worlds = related(cloud.networks, caller, "id", [one.floating_network_id for one in floating])
    world = {one.id: one for one in worlds}
    outside = {one.id: world.get(one.floating_network_id) for one in floating}
    inside = {one.id: one for one in ports}
    of_vpc = {one.id: one for one in routers}
    states = [
        nat_gateway_status(
            of_vpc.get(one.router_id), inside.get(one.port_id), outside.get(one.floating_ip_id)
        )
        for one in gateways
    ]
    return inside, {one.id: str(one.address) for one in floating}, states


INTERNET_GATEWAYS: Resource[
    InternetGateway, InternetGatewayId, InternetGatewayDraft, InternetGatewayDraft
] = Resource(
    name="internetgateway",
    plural="internetgateways",
    attributes=_INTERNET,
    identifier=InternetGatewayId,
    draft=InternetGatewayDraft,
    change=InternetGatewayDraft,
    use=lambda cloud: cloud.internet_gateways,
    render=_render_internet,
    where={"external_network_id": "external_network_id", "routingtable_id": "route_table_id"},
)
NAT_GATEWAYS: Resource[NatGateway, NatGatewayId, NatGatewayDraft, NatGatewayDraft] = Resource(
    name="natgateway",
    plural="natgateways",
    attributes=_NAT,
    identifier=NatGatewayId,
    draft=NatGatewayDraft,
    change=NatGatewayDraft,
    use=lambda cloud: cloud.nat_gateways,
    render=_render_nat,
    where={
        "vpc_id": "router_id",
        "subnet_id": "subnet_id",
        "floatingips_id": "floating_ip_id",
        "port_id": "port_id",
    },
)
