"""What happens to a frame at a port: the specification, in the words of the API.

Pure, and as plain as it can be: the compiled plan and the kernel program are compared with it, so
it shares nothing with them. What the data path remembers, the time and the number of the rules in
force are arguments; what it would remember is part of the result. Forwarding and the receiver's
MTU (sections 4.5 and 7 of docs/design/packet-path.md) are not judged here.
"""

from dataclasses import dataclass, replace

from portlight.core import wire
from portlight.core.claims import is_held_by_another, judge_claims
from portlight.core.packet import VRRP, Arp, Ip, Packet, parse_packet
from portlight.core.path_state import (
    FragmentKey,
    FragmentWrite,
    Judgement,
    OwnerWrite,
    Situation,
    Write,
)
from portlight.core.port import OWNER_DHCP, OWNER_ROUTER_GATEWAY, OWNER_ROUTER_INTERFACE, Port
from portlight.core.security_group import Direction
from portlight.core.source_binding import (
    DHCP_SERVER,
    ND_HOP_LIMIT,
    ROUTER_MESSAGES,
    check_source,
    holds,
    is_dhcp,
    is_neighbour_discovery,
)
from portlight.core.topology import Topology
from portlight.core.tracking import Scene, judge_flow
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.ids import PortId, RouterId
from portlight.values.verdict import Allow, Drop, DropReason, Verdict

FRAGMENT_LIFE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Bytes from the Ethernet header on, and whether the network card took a VLAN tag out."""

    data: bytes
    vlan_tagged: bool = False


def verdict(
    topology: Topology, port_id: PortId, direction: Direction, frame: Frame, situation: Situation
) -> Judgement:
    """Judge a frame that the guest sent (egress) or is about to receive (ingress)."""
    port = topology.ports.get(port_id)
    if port is None:
        return _drop(DropReason.PORT_UNKNOWN)
    if not (port.admin_state_up and topology.networks[port.network_id].admin_state_up):
        return _drop(DropReason.PORT_DOWN)
    if not port.port_security_enabled:
        return Judgement(verdict=Allow())
    packet = parse_packet(frame.data, vlan_tagged=frame.vlan_tagged)
    if isinstance(packet, DropReason):
        return _drop(packet)
    check = _check_sent if direction is Direction.EGRESS else _check_delivery
    settled, claimed = check(topology, port, packet, situation)
    if isinstance(settled, Drop) or isinstance(packet.content, Arp):
        return Judgement(verdict=settled or Allow(), writes=claimed)
    scene = Scene(
        topology=topology,
        port=port,
        direction=direction,
        packet=packet.content,
        situation=situation,
    )
    judgement = Judgement(verdict=settled) if settled is not None else _judge_content(scene)
    return _with_fragment(scene, replace(judgement, writes=(*claimed, *judgement.writes)))


def _drop(reason: DropReason) -> Judgement:
    return Judgement(verdict=Drop(reason))


def _check_sent(
    topology: Topology, port: Port, packet: Packet, situation: Situation
) -> tuple[Verdict | None, tuple[Write, ...]]:
    """Judge the source and the claims of a packet; None leaves it to the groups."""
    settled, content = check_source(topology, port, packet), packet.content
    if isinstance(settled, Drop):
        return settled, ()
    if settled is None and is_held_by_another(topology, port, _source(packet), situation):
        return Drop(DropReason.VIRTUAL_IP_NOT_OWNER), ()
    claims = tuple(judge_claims(topology, port, packet, situation))
    is_vrrp = isinstance(content, Ip) and content.protocol == VRRP
    if not is_vrrp and any(claim.owner is None for claim in claims):
        return Drop(DropReason.VIRTUAL_IP_NOT_OWNER), ()
    taken: tuple[Write, ...] = tuple(
        OwnerWrite((claim.vip.network_id, claim.vip.address), claim.owner)
        for claim in claims
        if claim.owner is not None
    )
    return settled, taken


def _source(packet: Packet) -> IpAddress:
    content = packet.content
    return content.sender_ip if isinstance(content, Arp) else content.source


def _check_delivery(
    topology: Topology, port: Port, packet: Packet, situation: Situation
) -> tuple[Verdict | None, tuple[Write, ...]]:
    """Judge what the groups do not; None leaves it to them."""
    content = packet.content
    if isinstance(content, Arp) or is_neighbour_discovery(content):
        return Allow(), ()
    servers, routers = _dhcp_macs(topology, port), _router_macs(topology, port)
    if content.family == wire.IPV6 and content.icmp_type in ROUTER_MESSAGES:
        # A router carries packets of others with its own MAC, but never with this hop limit.
        is_its_own = content.hop_limit == ND_HOP_LIMIT and packet.source_mac in servers | routers
        rogue = Drop(DropReason.ROGUE_ROUTER_ADVERTISEMENT)
        return (Allow() if is_its_own else rogue), ()
    if packet.source_mac in servers and is_dhcp(content, DHCP_SERVER):
        return Allow(), ()
    if is_held_by_another(topology, port, content.destination, situation):
        return Drop(DropReason.VIRTUAL_IP_NOT_OWNER), ()
    is_checked = port.source_destination_check and not packet.destination_mac.is_multicast
    if is_checked and not holds(topology, port, content.destination):
        return Drop(DropReason.DESTINATION_NOT_OWN), ()
    return None, ()


def _judge_content(scene: Scene) -> Judgement:
    """Judge a later fragment by its first, everything else by flows and rules."""
    if not scene.packet.is_later_fragment:
        return judge_flow(scene)
    allowed_at = scene.situation.state.fragments.get(_fragment_key(scene))
    if allowed_at is None or scene.situation.now - allowed_at > FRAGMENT_LIFE_SECONDS:
        return _drop(DropReason.FRAGMENT_UNMATCHED)
    return Judgement(verdict=Allow())


def _with_fragment(scene: Scene, judgement: Judgement) -> Judgement:
    """Remember an allowed first fragment: the later ones are judged by it."""
    fragment = scene.packet.fragment
    if fragment is None or not fragment.is_first or isinstance(judgement.verdict, Drop):
        return judgement
    seen = FragmentWrite(_fragment_key(scene), scene.situation.now)
    return replace(judgement, writes=(*judgement.writes, seen))


def _fragment_key(scene: Scene) -> FragmentKey:
    packet = scene.packet
    fragment = packet.fragment
    return FragmentKey(
        port_id=scene.port.id,
        direction=scene.direction,
        source=packet.source,
        destination=packet.destination,
        protocol=fragment.protocol if fragment else packet.protocol,
        identification=fragment.identification if fragment else 0,
    )


def _router_macs(topology: Topology, port: Port) -> set[MacAddress]:
    """Return the MACs of the routers that are up and have a leg in the network."""
    return {
        leg.mac
        for leg in topology.ports.values()
        if leg.network_id == port.network_id
        and leg.device_owner in {OWNER_ROUTER_INTERFACE, OWNER_ROUTER_GATEWAY}
        and leg.device_id in topology.routers
        and topology.routers[RouterId(leg.device_id)].admin_state_up
    }


def _dhcp_macs(topology: Topology, port: Port) -> set[MacAddress]:
    """Return the MAC of the network's DHCP server, where a subnet wants it."""
    is_served = any(
        subnet.enable_dhcp
        for subnet in topology.subnets.values()
        if subnet.network_id == port.network_id
    )
    servers = [
        (server.number, server.mac)
        for server in topology.ports.values()
        if server.network_id == port.network_id and server.device_owner == OWNER_DHCP
    ]
    return {min(servers)[1]} if servers and is_served else set()
