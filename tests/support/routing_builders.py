"""Routers, routes and public addresses with defaults, like the entities of builders.py."""

# ruff: noqa: ANN401 -- a builder takes any field of its entity by keyword

from dataclasses import replace
from typing import Any

from tests.support.builders import META, a_network, a_port, a_subnet, an_id, ip, net, port_id

from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.gateways import InternetGateway, NatGateway, Peering, PeeringStatus
from portlight.core.port import (
    OWNER_NAT_GATEWAY,
    OWNER_ROUTER_GATEWAY,
    OWNER_ROUTER_INTERFACE,
    FixedIp,
    Port,
)
from portlight.core.route_table import HopKind, Route, RouteTable
from portlight.core.router import ExternalGateway, Router
from portlight.values.ids import (
    FloatingIpId,
    InternetGatewayId,
    NatGatewayId,
    PeeringId,
    PortForwardingId,
    RouteId,
    RouterId,
    RouteTableId,
    SubnetId,
)
from portlight.values.ranges import PortRange


def a_router(number: int = 1, gateway: Port | None = None, **fields: Any) -> Router:
    """Return a plain router; `gateway` is its port on an external network, with SNAT."""
    router = Router(
        id=RouterId(an_id(11, number)),
        number=number,
        meta=META,
        gateway=(
            ExternalGateway(network_id=gateway.network_id, port_id=gateway.id) if gateway else None
        ),
    )
    return replace(router, **fields)


def an_interface(number: int, router: int, network: int, *places: tuple[int, str]) -> Port:
    """Return the port of a router in a network; `places` are subnet numbers with addresses."""
    return a_service_port(
        number, network, *places, device_id=a_router(router).id, device_owner=OWNER_ROUTER_INTERFACE
    )


def a_gateway_port(number: int, router: int, network: int, *places: tuple[int, str]) -> Port:
    """Return the port of a router on an external network."""
    return a_service_port(
        number, network, *places, device_id=a_router(router).id, device_owner=OWNER_ROUTER_GATEWAY
    )


def a_nat_port(number: int, gateway: int, network: int, *places: tuple[int, str]) -> Port:
    """Return the interface of a NAT gateway."""
    nat = NatGatewayId(an_id(15, gateway))
    return a_service_port(number, network, *places, device_id=nat, device_owner=OWNER_NAT_GATEWAY)


def a_service_port(number: int, network: int, *places: tuple[int, str], **fields: Any) -> Port:
    """Return a port of a network's own services."""
    return a_port(
        number,
        network_id=a_network(network).id,
        fixed_ips=tuple(
            FixedIp(subnet_id=a_subnet(subnet).id, address=ip(address))
            for subnet, address in places
        ),
        device_index=None,
        security_groups=(),
        port_security_enabled=False,
        **fields,
    )


def a_route_table(number: int = 1, router: int = 1, *subnets: int, **fields: Any) -> RouteTable:
    """Return a table: the default one of its router, unless subnets follow it explicitly."""
    table = RouteTable(
        id=RouteTableId(an_id(12, number)),
        number=number,
        meta=META,
        router_id=a_router(router).id,
        is_default=not subnets,
        subnet_ids=tuple(sorted(SubnetId(an_id(2, one)) for one in subnets)),
    )
    return replace(table, **fields)


def a_route(number: int, table: int, destination: str, hop: str = "", **fields: Any) -> Route:
    """Return a route to an address; without one it is what the fields say (or a blackhole)."""
    route = Route(
        id=RouteId(an_id(13, number)),
        meta=META,
        route_table_id=a_route_table(table).id,
        destination=net(destination),
        kind=HopKind.ADDRESS if hop else HopKind.BLACKHOLE,
        address=ip(hop) if hop else None,
    )
    return replace(route, **fields)


def an_internet_gateway(number: int, network: int, table: int) -> InternetGateway:
    return InternetGateway(
        id=InternetGatewayId(an_id(14, number)),
        meta=META,
        external_network_id=a_network(network).id,
        route_table_id=a_route_table(table).id,
    )


def a_nat_gateway(number: int, router: int, port: Port, floating_ip: int) -> NatGateway:
    """Return a NAT gateway whose interface is this port."""
    return NatGateway(
        id=NatGatewayId(an_id(15, number)),
        number=number,
        meta=META,
        router_id=a_router(router).id,
        subnet_id=port.fixed_ips[0].subnet_id,
        port_id=port.id,
        floating_ip_id=FloatingIpId(an_id(17, floating_ip)),
    )


def a_peering(number: int, router: int, peer: int, **fields: Any) -> Peering:
    peering = Peering(
        id=PeeringId(an_id(16, number)),
        number=number,
        meta=META,
        router_id=a_router(router).id,
        peer_router_id=a_router(peer).id,
        peer_project_id=META.project_id,
        status=PeeringStatus.ACTIVE,
    )
    return replace(peering, **fields)


def a_floating_ip(
    number: int, address: str, network: int, to: Port | None = None, router: int = 1, **fields: Any
) -> FloatingIp:
    """Return a floating IP; `to` is the port whose first address it stands for."""
    floating_ip = FloatingIp(
        id=FloatingIpId(an_id(17, number)),
        number=number,
        meta=META,
        floating_network_id=a_network(network).id,
        address=ip(address),
        floating_port_id=port_id(2_000_000 + number),
        port_id=to.id if to else None,
        fixed_ip_address=to.fixed_ips[0].address if to else None,
        router_id=a_router(router).id if to else None,
    )
    return replace(floating_ip, **fields)


def a_forwarding(
    number: int, floating_ip: int, to: Port, external: range, internal: int
) -> PortForwarding:
    """Return a TCP forwarding of these ports to as many from `internal` on."""
    return PortForwarding(
        id=PortForwardingId(an_id(18, number)),
        meta=META,
        floating_ip_id=FloatingIpId(an_id(17, floating_ip)),
        protocol=6,
        external_ports=PortRange(first=external.start, last=external.stop - 1),
        internal_ports=PortRange(first=internal, last=internal + len(external) - 1),
        internal_port_id=to.id,
        internal_address=to.fixed_ips[0].address,
    )
