"""The model of a routed frame: what a sender's program may do in the place of a router.

Written from section 7 of docs/design/packet-path.md and section 2 of docs/design/routing.md, from
the topology alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from portlight.core.claims import owner_of
from portlight.core.network import Subnet
from portlight.core.packet import Ip
from portlight.core.path_state import Situation
from portlight.core.port import OWNER_ROUTER_INTERFACE, Port
from portlight.core.route_table import HopKind, Route, RouteTable
from portlight.core.topology import Topology
from portlight.core.virtual_ip import VirtualIp
from portlight.values.addresses import IpAddress, IpPrefix, MacAddress, virtual_router_mac
from portlight.values.ids import NetworkId, RouterId, VirtualIpId

EXTENSIONS = (0, 43, 44, 60)
LOOPBACK = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True, slots=True)
class Routed:
    """Who gets a frame, and the frame as it is there."""

    port: Port
    data: bytes
    is_hop: bool
    """It is only the next hop on the way to the destination."""


def route(
    topology: Topology, sender: Port, data: bytes, packet: Ip, situation: Situation
) -> Routed | None:
    """Follow a frame to a router's MAC; None: the router itself (or the bridge) has to see it."""
    entry = _leg(topology, sender.network_id, data[:6])
    if entry is None or not _is_plain(data, packet):
        return None
    led = _way_out(topology, entry, packet.destination)
    if led is None:
        return None
    way_out, address = led
    found = _station(topology, way_out.network_id, address, situation)
    if found is None:
        return None
    port, mac = found
    ttl = 22 if packet.source.version == 4 else 21
    body = data[12:ttl] + bytes((packet.hop_limit - 1,)) + data[ttl + 1 :]
    return Routed(port, mac.packed + way_out.mac.packed + body, address != packet.destination)


def _leg(topology: Topology, network: NetworkId, mac: bytes) -> Port | None:
    return next((leg for leg in _legs(topology, network) if leg.mac.packed == mac), None)


def _legs(topology: Topology, network: NetworkId) -> Iterator[Port]:
    """Yield the interfaces of routers in a network, as far as they are up."""
    for router in topology.routers:
        for port in _interfaces(topology, router):
            if port.network_id == network and _is_up(topology, port):
                yield port


def _interfaces(topology: Topology, router: str) -> Iterator[Port]:
    for port in topology.ports.values():
        if port.device_owner == OWNER_ROUTER_INTERFACE and port.device_id == router:
            yield port


def _is_up(topology: Topology, leg: Port) -> bool:
    return (
        topology.routers[RouterId(leg.device_id)].admin_state_up
        and leg.admin_state_up
        and topology.networks[leg.network_id].admin_state_up
    )


def _is_plain(data: bytes, packet: Ip) -> bool:
    if packet.hop_limit <= 1 or not (
        _is_routable(packet.source) and _is_routable(packet.destination)
    ):
        return False
    return data[20] not in EXTENSIONS if packet.source.version == 6 else data[14] & 15 == 5


def _is_routable(address: IpAddress) -> bool:
    if address.version == 6:
        # The first half of all zeros: nobody, oneself, and IPv4 in disguise.
        return not (address.is_multicast or address.is_link_local) and int(address) >> 64 != 0
    return 0 < int(address) >> 24 < 224 and address not in LOOPBACK


def _subnets(topology: Topology, leg: Port) -> list[Subnet]:
    return [topology.subnets[one.subnet_id] for one in leg.fixed_ips]


def _way_out(
    topology: Topology, entry: Port, destination: IpAddress
) -> tuple[Port, IpAddress] | None:
    """Return where a packet comes out, and whose address is asked for there."""
    tables = {_table(topology, entry.device_id, one).id for one in _subnets(topology, entry)}
    near = [
        (subnet.cidr.prefixlen, leg)
        for leg in _interfaces(topology, entry.device_id)
        for subnet in _subnets(topology, leg)
        if destination.version == subnet.cidr.version and destination in subnet.cidr
    ]
    routes = [
        route
        for route in topology.routes.values()
        if route.route_table_id in tables
        and route.destination.version == destination.version
        and destination in route.destination
    ]
    longest = max((route.destination.prefixlen for route in routes), default=-1)
    if len(tables) != 1:
        return None
    if near:
        length, leg = max(near, key=lambda one: one[0])
        return (leg, destination) if longest <= length and _is_up(topology, leg) else None
    best = [route for route in routes if route.destination.prefixlen == longest]
    return _by_virtual_ip(topology, RouterId(entry.device_id), best)


def _by_virtual_ip(
    topology: Topology, router: RouterId, routes: list[Route]
) -> tuple[Port, IpAddress] | None:
    """Return the way to a virtual IP, if that is the only next hop of a router without outside."""
    hops = {hop for route in routes if (hop := _address_of(topology, route)) is not None}
    reached = {(_leg_to(topology, router, hop), hop) for hop in hops}
    there = [(leg, hop) for leg, hop in reached if leg is not None]
    if topology.routers[router].gateway is not None or len(there) != 1:
        return None
    leg, hop = there[0]
    is_virtual = any(
        (vip.network_id, vip.address) == (leg.network_id, hop)
        for vip in topology.virtual_ips.values()
    )
    return (leg, hop) if is_virtual and _is_up(topology, leg) else None


def _address_of(topology: Topology, route: Route) -> IpAddress | None:
    vip = topology.virtual_ips.get(VirtualIpId(route.target))
    if route.kind is HopKind.VIRTUAL_IP:
        is_there = vip is not None and vip.address.version == route.destination.version
        return vip.address if vip is not None and is_there else None
    return route.address


def _leg_to(topology: Topology, router: RouterId, address: IpAddress) -> Port | None:
    return next(
        (
            leg
            for leg in _interfaces(topology, router)
            if any(_is_in(address, subnet.cidr) for subnet in _subnets(topology, leg))
        ),
        None,
    )


def _is_in(address: IpAddress, prefix: IpPrefix) -> bool:
    return address.version == prefix.version and address in prefix


def _table(topology: Topology, router: str, subnet: Subnet) -> RouteTable:
    of_router = [one for one in topology.route_tables.values() if one.router_id == router]
    explicit = [one for one in of_router if subnet.id in one.subnet_ids]
    return explicit[0] if explicit else next(one for one in of_router if one.is_default)


def _station(
    topology: Topology, network: NetworkId, address: IpAddress, situation: Situation
) -> tuple[Port, MacAddress] | None:
    """Return who has an address, and by which MAC."""
    for vip in topology.virtual_ips.values():
        if (vip.network_id, vip.address) == (network, address):
            owner = owner_of(topology, situation, vip)
            if owner is None:
                return None
            port = topology.ports[owner.port_id]
            return port, owner.mac or _first_mac(vip, port)
    for port in topology.ports.values():
        if port.network_id == network and address in {one.address for one in port.fixed_ips}:
            return port, port.mac
    return None


def _first_mac(vip: VirtualIp, port: Port) -> MacAddress:
    """Return the MAC of an owner by order, until it claims with another."""
    router = next(one.virtual_router_id for one in vip.members if one.port_id == port.id)
    return port.mac if router is None else virtual_router_mac(router, vip.address.version)
