"""The routers of one host: docs/design/routing.md.

A NAT gateway is a small router of its own. Everything is remembered by what it came from, so that
a change of one route or one floating IP costs that one.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from portlight.compiler.hops import Surroundings
from portlight.compiler.legs import (
    connected,
    gateway_port,
    inside_leg,
    outside_leg,
    outside_of,
)
from portlight.compiler.parts import join_parts
from portlight.compiler.public import PublicAddresses, nat_gateway_address, router_addresses
from portlight.compiler.routes import Content, base_routes, router_routes, table_routes
from portlight.compiler.rules import router_rules
from portlight.compiler.view import HostView
from portlight.core.gateways import NatGateway, Peering, PeeringStatus
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.core.route_table import RouteTable
from portlight.core.router import Router
from portlight.plan.routers import (
    FloatingIpPlan,
    HopPlan,
    PeeringPlan,
    RouteKey,
    RoutePlan,
    RouterPlan,
    UplinkPlan,
    peer_ifname,
    peer_mac,
)
from portlight.values.addresses import IpPrefix
from portlight.values.ids import NetworkId, PeeringId, SubnetId


@dataclass(slots=True, kw_only=True)
class HostRouters:
    """Everything about routing on one host."""

    routers: dict[int, RouterPlan] = field(default_factory=dict)
    revisions: dict[int, int] = field(default_factory=dict)
    peerings: dict[int, PeeringPlan] = field(default_factory=dict)
    routes: Mapping[RouteKey, RoutePlan] = field(default_factory=dict)
    addresses: PublicAddresses = field(default_factory=dict)
    floating_ips: dict[int, FloatingIpPlan] = field(default_factory=dict)
    uplinks: dict[int, UplinkPlan] = field(default_factory=dict)


def compile_routers(view: HostView) -> HostRouters:
    """Return the routers of this host, what they lead to, and the uplinks of their networks."""
    made = HostRouters(
        revisions={
            router.number: router.meta.revision_number for router in view.topology.routers.values()
        },
        floating_ips={
            one.number: FloatingIpPlan(key=None, revision=one.meta.revision_number)
            for one in view.topology.floating_ips.values()
            if one.router_id is not None
        },
    )
    parts: dict[Hashable, Content] = {}
    peerings = _peerings(view)
    for router in view.routers.values():
        _add_router(view, router, peerings, made, parts)
    for gateway in view.nat_gateways.values():
        _add_nat_gateway(view, gateway, made, parts)
    for peering in peerings:
        ends = view.routers[peering.router_id], view.routers[peering.peer_router_id]
        made.peerings[peering.number] = PeeringPlan(routers=(ends[0].number, ends[1].number))
    made.routes = join_parts(view.memo, "routes", parts)
    made.uplinks = {network.number: _uplink(view, network) for network in _external_networks(view)}
    return made


def _add_router(
    view: HostView,
    router: Router,
    peerings: tuple[Peering, ...],
    made: HostRouters,
    parts: dict[Hashable, Content],
) -> None:
    interfaces = [
        port for port in view.interfaces_of(router.id) if port.network_id in view.networks
    ]
    gateway = router.gateway
    outer = gateway_port(view, gateway.port_id) if gateway is not None else None
    inside = connected(view, interfaces)
    peers = _peers(router, peerings)
    around = Surroundings(
        router=router.number,
        inside=inside,
        outside=outside_of(view, outer) if outer is not None else None,
        leads_out=outer is not None and not router.cidrs,
        peers=tuple(peers.items()),
    )
    tables = view.tables_of(router.id)
    public = _first_ipv4(outer) if outer is not None else None
    legs = [inside_leg(view, port) for port in interfaces]
    legs += [outside_leg(view, outer)] if outer is not None else []
    made.routers[router.number] = RouterPlan(
        legs=tuple(sorted(legs, key=lambda leg: leg.port_number)),
        rules=router_rules(
            interfaces=[leg_ for leg_ in legs if not leg_.is_outside],
            inside=inside,
            outside=around.outside.ifname if around.outside is not None else None,
            peers=[hop.ifname for hop in peers.values()],
            tables=_tables(tables),
        ),
        peers=tuple(sorted(hop.ifname for hop in peers.values())),
        snat=public if gateway is not None and gateway.enable_snat else None,
        public=public,
    )
    parts["router", router.id] = router_routes(view, around)
    for table in tables:
        parts["table", table.id] = table_routes(view, table, around)
    if not any(table.is_default for table in tables):
        parts["base", router.id] = base_routes(view, around, {})
    if outer is not None:
        router_addresses(view, router, outer, made.addresses, made.floating_ips)


def _add_nat_gateway(
    view: HostView, gateway: NatGateway, made: HostRouters, parts: dict[Hashable, Content]
) -> None:
    """Add a NAT gateway: one leg in its subnet, one that has only the public address."""
    topology = view.topology
    inner = gateway_port(view, gateway.port_id)
    address = topology.floating_ips.get(gateway.floating_ip_id)
    outer = gateway_port(view, address.floating_port_id) if address is not None else None
    if inner is None or outer is None or address is None:
        return
    inside = connected(view, [inner])
    around = Surroundings(
        router=gateway.number, inside=inside, outside=outside_of(view, outer), leads_out=True
    )
    public = address.address if isinstance(address.address, IPv4Address) else None
    legs = (inside_leg(view, inner), outside_leg(view, outer, addressed=False))
    made.routers[gateway.number] = RouterPlan(
        legs=tuple(sorted(legs, key=lambda leg: leg.port_number)),
        rules=router_rules(
            interfaces=[legs[0]], inside=inside, outside=legs[1].ifname, peers=[], tables=(0, {})
        ),
        snat=public,
        public=public,
    )
    parts["router", gateway.id] = router_routes(view, around)
    parts["base", gateway.id] = base_routes(view, around, _ways_back(view, gateway, around))
    nat_gateway_address(gateway, address, legs[1], made.addresses, made.floating_ips)


def _ways_back(
    view: HostView, gateway: NatGateway, around: Surroundings
) -> dict[IpPrefix, RoutePlan]:
    """Return the routes of a NAT gateway to the other subnets of its VPC: through its router."""
    router = view.routers[gateway.router_id]
    interfaces = view.interfaces_of(router.id)
    own = [one.cidr for one in connected(view, interfaces)]
    entry = [
        fixed.address
        for port in interfaces
        for fixed in port.fixed_ips
        if fixed.subnet_id == gateway.subnet_id
    ]
    if not entry:
        return {}
    hop = around.hop_to(entry[0])
    hops = (hop,) if hop is not None else ()
    return {
        prefix: RoutePlan(hops=hops)
        for prefix in (*router.cidrs, *own)
        if prefix.version == entry[0].version
    }


def _tables(tables: list[RouteTable]) -> tuple[int, Mapping[SubnetId, int]]:
    """Return the default table, and that of each subnet which has another one."""
    default = next((table.number for table in tables if table.is_default), 0)
    return default, {subnet: table.number for table in tables for subnet in table.subnet_ids}


def _peerings(view: HostView) -> tuple[Peering, ...]:
    """Return the active peerings between routers of this host."""
    found = [
        one
        for one in view.topology.peerings.values()
        if one.status is PeeringStatus.ACTIVE
        and one.router_id in view.routers
        and one.peer_router_id in view.routers
    ]
    return tuple(sorted(found, key=lambda one: one.number))


def _peers(router: Router, peerings: tuple[Peering, ...]) -> dict[PeeringId, HopPlan]:
    """Return the way across each peering of a router: the other end's link-local address."""
    return {
        one.id: HopPlan(
            ifname=peer_ifname(one.number),
            address=peer_mac(one.number, 1 if one.router_id == router.id else 0).link_local,
        )
        for one in peerings
        if router.id in (one.router_id, one.peer_router_id)
    }


def _external_networks(view: HostView) -> Iterator[Network]:
    """Yield the networks of this host that somebody has used to reach the outside."""
    topology = view.topology
    named: set[NetworkId] = {
        router.gateway.network_id for router in topology.routers.values() if router.gateway
    }
    named |= {one.external_network_id for one in topology.internet_gateways.values()}
    named |= {one.floating_network_id for one in topology.floating_ips.values()}
    for key, network in view.networks.items():
        if key in named and network.admin_state_up:
            yield network


def _uplink(view: HostView, network: Network) -> UplinkPlan:
    return UplinkPlan(
        mtu=network.mtu,
        addresses=tuple(
            (subnet.gateway_ip, subnet.cidr.prefixlen)
            for subnet in view.subnets_of(network.id)
            if subnet.gateway_ip is not None
        ),
    )


def _first_ipv4(port: Port) -> IPv4Address | None:
    found = (one.address for one in port.fixed_ips if isinstance(one.address, IPv4Address))
    return next(found, None)
