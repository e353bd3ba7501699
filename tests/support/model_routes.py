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
from portlight.core.route_table import RouteTable
from portlight.core.topology import Topology
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.ids import NetworkId, RouterId

EXTENSIONS = (0, 43, 44, 60)
LOOPBACK = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True, slots=True)
class Routed:
    """Who gets a frame, and the frame as it is there."""

    port: Port
    data: bytes


def route(
    topology: Topology, sender: Port, data: bytes, packet: Ip, situation: Situation
) -> Routed | None:
    """Follow a frame to a router's MAC; None: the router itself (or the bridge) has to see it."""
    entry = _leg(topology, sender.network_id, data[:6])
    if entry is None or not _is_plain(data, packet):
        return None
    way_out = _way_out(topology, entry, packet.destination)
    if way_out is None:
        return None
    found = _station(topology, way_out.network_id, packet.destination, situation)
    if found is None:
        return None
    port, mac = found
    ttl = 22 if packet.source.version == 4 else 21
    body = data[12:ttl] + bytes((packet.hop_limit - 1,)) + data[ttl + 1 :]
    return Routed(port, mac.packed + way_out.mac.packed + body)


def _leg(topology: Topology, network: NetworkId, mac: bytes) -> Port | None:
    return next((leg for leg in _legs(topology, network) if leg.mac.packed == mac), None)


def _legs(topology: Topology, network: NetworkId | None, router: str = "") -> Iterator[Port]:
    """Yield the interfaces of routers, as far as they are up."""
    for port in topology.ports.values():
        if port.device_owner != OWNER_ROUTER_INTERFACE or port.device_id not in topology.routers:
            continue
        is_up = (
            topology.routers[RouterId(port.device_id)].admin_state_up
            and port.admin_state_up
            and topology.networks[port.network_id].admin_state_up
        )
        if is_up and network in (None, port.network_id) and router in ("", port.device_id):
            yield port


def _is_plain(data: bytes, packet: Ip) -> bool:
    if packet.hop_limit <= 1 or packet.source.is_multicast:
        return False
    if packet.source.version == 6:
        nowhere = packet.source.is_unspecified or packet.source.is_link_local
        return data[20] not in EXTENSIONS and not nowhere
    first = int(packet.source) >> 24
    return data[14] & 15 == 5 and 0 < first < 224 and packet.source not in LOOPBACK


def _subnets(topology: Topology, leg: Port) -> list[Subnet]:
    return [topology.subnets[one.subnet_id] for one in leg.fixed_ips]


def _way_out(topology: Topology, entry: Port, destination: IpAddress) -> Port | None:
    tables = {_table(topology, entry.device_id, one).id for one in _subnets(topology, entry)}
    near = [
        (subnet.cidr.prefixlen, leg)
        for leg in _legs(topology, None, entry.device_id)
        for subnet in _subnets(topology, leg)
        if destination.version == subnet.cidr.version and destination in subnet.cidr
    ]
    if len(tables) != 1 or not near:
        return None
    length, leg = max(near, key=lambda one: one[0])
    takes_away = any(
        route.route_table_id in tables
        and route.destination.version == destination.version
        and destination in route.destination
        and route.destination.prefixlen > length
        for route in topology.routes.values()
    )
    return None if takes_away else leg


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
            if owner is None or owner.mac is None:
                return None
            return topology.ports[owner.port_id], owner.mac
    for port in topology.ports.values():
        if port.network_id == network and address in {one.address for one in port.fixed_ips}:
            return port, port.mac
    return None
