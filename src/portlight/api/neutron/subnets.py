"""Subnets on the wire."""

from collections.abc import Sequence

from portlight.api.attributes import STANDARD, Attribute, Attributes, at_creation, settable
from portlight.api.errors import BadRequestError
from portlight.api.parser import refuse
from portlight.api.resource import Resource
from portlight.api.standard import render_standard
from portlight.api.wire import (
    Json,
    address,
    address_range,
    boolean,
    identifier,
    integer,
    list_or_null,
    network_prefix,
    nullable,
    one_number,
    one_of,
    only,
    prefix,
    record,
    text,
)
from portlight.core.drafts import SubnetDraft
from portlight.core.network import HostRoute, Ipv6Mode, Subnet
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.addresses import IpAddress, IpPrefix, parse_prefix
from portlight.values.ids import SubnetId


def _host_route(destination: IpPrefix, nexthop: IpAddress) -> HostRoute:
    if destination.version != nexthop.version:
        refuse("host_routes", f"{destination} and {nexthop} are of different IP versions")
    return HostRoute(destination=destination, nexthop=nexthop)


_POOLS = list_or_null(record(address_range, {"start": address, "end": address}))
_ROUTES = list_or_null(record(_host_route, {"destination": prefix, "nexthop": address}))

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "network_id": at_creation("network_id", identifier, required=True),
    "cidr": at_creation("cidr", network_prefix),
    "prefixlen": Attribute(
        parse=integer(0, 128), draft="prefixlen", on_update=False, is_rendered=False
    ),
    "subnetpool_id": at_creation("subnetpool_id", nullable(identifier)),
    "use_default_subnetpool": Attribute(
        parse=boolean, draft="use_default_subnetpool", on_update=False, is_rendered=False
    ),
    "ip_version": at_creation("ip_version", one_number(4, 6)),
    "gateway_ip": settable("gateway_ip", nullable(address)),
    "allocation_pools": settable("allocation_pools", _POOLS),
    "enable_dhcp": settable("enable_dhcp", boolean),
    "dns_nameservers": settable("dns_nameservers", list_or_null(address)),
    "host_routes": settable("host_routes", _ROUTES),
    "ipv6_address_mode": at_creation("ipv6_address_mode", nullable(one_of(Ipv6Mode))),
    "ipv6_ra_mode": at_creation("ipv6_ra_mode", nullable(one_of(Ipv6Mode))),
    "service_types": settable("service_types", list_or_null(text())),
    "dns_publish_fixed_ip": settable("dns_publish_fixed_ip", boolean),
    "segment_id": settable(None, only(None, why="a network is one segment")),
}


def _check_ip_version(document: Json) -> None:
    version = document.get("ip_version")
    if "cidr" not in document:
        return
    cidr = parse_prefix(str(document["cidr"]), strict=False)
    if version is not None and int(str(version)) != cidr.version:
        raise BadRequestError(
            f"Invalid input for cidr. Reason: {cidr} does not match the ip_version '{version}'."
        )


def _render(_cloud: Cloud, _caller: Caller, subnets: Sequence[Subnet]) -> list[Json]:
    return [_render_one(subnet) for subnet in subnets]


def _render_one(subnet: Subnet) -> Json:
    return {
        **render_standard(subnet.id, subnet.meta),
        "network_id": subnet.network_id,
        "cidr": str(subnet.cidr),
        "ip_version": subnet.cidr.version,
        "gateway_ip": None if subnet.gateway_ip is None else str(subnet.gateway_ip),
        "allocation_pools": [
            {"start": str(pool.first), "end": str(pool.last)} for pool in subnet.allocation_pools
        ],
        "enable_dhcp": subnet.enable_dhcp,
        "dns_nameservers": [str(server) for server in subnet.dns_nameservers],
        "host_routes": [
            {"destination": str(route.destination), "nexthop": str(route.nexthop)}
            for route in subnet.host_routes
        ],
        "ipv6_address_mode": subnet.ipv6_address_mode,
        "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "subnetpool_id": subnet.subnetpool_id,
        "service_types": list(subnet.service_types),
        "dns_publish_fixed_ip": subnet.dns_publish_fixed_ip,
        "segment_id": None,
    }


SUBNETS: Resource[Subnet, SubnetId, SubnetDraft, SubnetDraft] = Resource(
    name="subnet",
    plural="subnets",
    attributes=_ATTRIBUTES,
    identifier=SubnetId,
    draft=SubnetDraft,
    change=SubnetDraft,
    use=lambda cloud: cloud.subnets,
    render=_render,
    where={"network_id": "network_id", "subnetpool_id": "subnetpool_id"},
    check=_check_ip_version,
)
