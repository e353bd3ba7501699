"""Who gets a copy of a packet: the specification, in the words of the API.

Pure. Written from sections 1 and 2 of docs/design/mirroring.md; the compiled plan and the kernel
program are compared with it, so it shares nothing with them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from portlight.core import wire
from portlight.core.gateways import PeeringStatus
from portlight.core.mirror import MirrorAction, MirrorFilterRule, MirrorSession
from portlight.core.packet import ICMP, PORT_PROTOCOLS, UDP, Ip, parse_packet
from portlight.core.port import OWNER_ROUTER_INTERFACE, Port
from portlight.core.security_group import Direction, EtherType
from portlight.core.topology import Topology
from portlight.core.verdict import Frame
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import InstanceId, MirrorSessionId, NetworkId, PortId, RouterId
from portlight.values.ranges import PortRange
from portlight.values.verdict import Drop, DropReason, Verdict

METADATA_ADDRESS = IPv4Address("169.254.169.254")
VXLAN_PORT = 4789
_DHCP_PORTS = ({67, 68}, {546, 547})
_FAMILY = {EtherType.IPV4: wire.IPV4, EtherType.IPV6: wire.IPV6}
_DESTINATION_UNREACHABLE = 3
_IPV4_HEADER_BYTES = 20
_NOBODY_ASKS = (Drop(DropReason.PORT_UNKNOWN), Drop(DropReason.PORT_DOWN))
_QUOTE = 8
"""Bytes of an ICMP error before the packet that it quotes."""


def copies(
    topology: Topology, port_id: PortId, direction: Direction, frame: Frame, verdict: Verdict
) -> tuple[MirrorSessionId, ...]:
    """Return the sessions that want a copy of a frame which the port judged so, by priority."""
    if verdict in _NOBODY_ASKS:
        return ()
    packet = parse_packet(frame.data, vlan_tagged=frame.vlan_tagged)
    content = None if isinstance(packet, DropReason) else packet.content
    if not isinstance(content, Ip) or not _may_be_mirrored(content):
        return ()
    if _is_copy_outward(topology, port_id, content):
        return ()
    chosen = [
        session
        for session in _by_priority(topology.mirror_sessions.values())
        if session.enabled
        and (session.target_port_id or session.target_ip)
        and port_id in session.source_port_ids
        and session.copies_drops == isinstance(verdict, Drop)
    ]
    return tuple(session.id for session in _wanting(topology, chosen, direction, content))


def _wanting(
    topology: Topology, sessions: Iterable[MirrorSession], direction: Direction, packet: Ip
) -> Iterator[MirrorSession]:
    decided = False
    for session in sessions:
        if decided and not session.copies_all:
            continue
        rule = _first_match(topology, session, direction, packet)
        if rule is None:
            continue
        decided = decided or not session.copies_all
        if rule.action is MirrorAction.ACCEPT:
            yield session


def _by_priority(sessions: Iterable[MirrorSession]) -> list[MirrorSession]:
    return sorted(sessions, key=lambda session: (session.priority, session.number))


def _first_match(
    topology: Topology, session: MirrorSession, direction: Direction, packet: Ip
) -> MirrorFilterRule | None:
    for mirror_filter in session.mirror_filter_ids:
        rules = [
            rule
            for rule in topology.mirror_filter_rules.values()
            if rule.mirror_filter_id == mirror_filter and rule.direction is direction
        ]
        for rule in sorted(rules, key=lambda rule: rule.priority):
            if _matches(rule, packet):
                return rule
    return None


def _matches(rule: MirrorFilterRule, packet: Ip) -> bool:
    return (
        _FAMILY[rule.ethertype] == packet.family
        and rule.protocol in (None, packet.protocol)
        and _holds(rule.source_prefix, packet.source)
        and _holds(rule.destination_prefix, packet.destination)
        and _spans(rule.source_ports, packet, packet.source_port)
        and _spans(rule.destination_ports, packet, packet.destination_port)
    )


def _holds(prefix: IpPrefix | None, address: IpAddress) -> bool:
    return prefix is None or address in prefix


def _spans(ports: PortRange | None, packet: Ip, port: int) -> bool:
    return ports is None or (packet.protocol in PORT_PROTOCOLS and port in ports)


def _may_be_mirrored(packet: Ip) -> bool:
    ports = {packet.source_port, packet.destination_port}
    if packet.protocol == UDP and packet.has_ports:
        is_ours = _DHCP_PORTS[packet.family != wire.IPV4]
        if ports == is_ours:
            return False
    if METADATA_ADDRESS in (packet.source, packet.destination):
        return False
    return not _is_about_copy(packet)


def _is_copy_outward(topology: Topology, port_id: PortId, packet: Ip) -> bool:
    """Whether it may be a copy on its way to a target outside, which a port may forward."""
    if packet.protocol != UDP or packet.destination_port != VXLAN_PORT or not packet.has_ports:
        return False
    sources = {
        source
        for one in topology.mirror_sessions.values()
        if one.enabled and one.target_ip == packet.destination
        for source in one.source_port_ids
    }
    reach = _reach_of(topology, topology.ports[port_id].network_id) if sources else frozenset()
    ports = [topology.ports[source] for source in sources if source in topology.ports]
    return any(port.network_id in reach for port in ports)


def _reach_of(topology: Topology, network: NetworkId) -> frozenset[NetworkId]:
    """Return the networks that packets get to from this one, without an external one between.

    None, when nothing passes packets from this network to any other.
    """
    links = [
        {("network", port.network_id), ("device", port.device_id)} for port in _joints(topology)
    ]
    links += [
        {("device", one.router_id), ("device", one.peer_router_id)}
        for one in topology.peerings.values()
        if one.status is PeeringStatus.ACTIVE
        and topology.routers[one.router_id].admin_state_up
        and topology.routers[one.peer_router_id].admin_state_up
    ]
    reach, size = {("network", str(network))}, 0
    while size != len(reach):
        size = len(reach)
        reach |= {end for link in links if link & reach for end in link}
    return frozenset(NetworkId(key) for kind, key in reach if kind == "network" and size > 1)


def _joints(topology: Topology) -> Iterator[Port]:
    """Yield the ports of what may pass packets on: routers that are up, guests with several."""
    placed = [one for one in topology.ports.values() if one.device_index is not None]
    held = Counter(port.device_id for port in placed)
    for port in topology.ports.values():
        router = topology.routers.get(RouterId(port.device_id))
        if router is not None and port.device_owner == OWNER_ROUTER_INTERFACE:
            if router.admin_state_up:
                yield port
        elif InstanceId(port.device_id) in topology.instances and held[port.device_id] > 1:
            yield port


def _is_about_copy(packet: Ip) -> bool:
    if packet.family != wire.IPV4 or packet.protocol != ICMP or packet.is_later_fragment:
        return False
    quoted = packet.payload[_QUOTE:]
    if packet.icmp_type != _DESTINATION_UNREACHABLE or len(quoted) < _IPV4_HEADER_BYTES:
        return False
    after = (quoted[0] & 15) * 4
    ports = quoted[after : after + 4]
    return quoted[9] == UDP and ports[2:] == VXLAN_PORT.to_bytes(2, "big")
