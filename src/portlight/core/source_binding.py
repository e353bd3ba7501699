"""Whether a port may send a packet as whom it says it is.

Written from section 2 of docs/design/packet-path.md. A check returns Allow when nothing further is
asked, a Drop, or None to go on.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from portlight.core import wire
from portlight.core.packet import UDP, Arp, Ip, Packet
from portlight.core.port import Port
from portlight.core.topology import Topology
from portlight.core.virtual_ip import VirtualIp, VirtualIpMember
from portlight.values.addresses import IpAddress, MacAddress, virtual_router_mac
from portlight.values.verdict import Allow, Drop, DropReason, Verdict

ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136
ROUTER_MESSAGES = frozenset({ROUTER_ADVERTISEMENT, 137})
"""Router advertisement and redirect: what only a router says."""
_GUEST_ND = frozenset({ROUTER_SOLICITATION, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT})
_MLD = frozenset({130, 131, 132, 143})
ND_HOP_LIMIT = 255
_ND_BYTES = 24
_LINK_LAYER_OPTION = {NEIGHBOUR_SOLICITATION: 1, NEIGHBOUR_ADVERTISEMENT: 2}
"""Source and target link-layer address (RFC 4861, section 4.6.1)."""

DHCP_CLIENT = {4: (68, 67), 6: (546, 547)}
DHCP_SERVER = {4: (67, 68), 6: (547, 546)}
_UNSPECIFIED_IPV4, _BROADCAST = IPv4Address(0), IPv4Address(0xFFFFFFFF)
_UNSPECIFIED_IPV6 = IPv6Address(0)

Membership = tuple[VirtualIp, VirtualIpMember]


def memberships(topology: Topology, port: Port) -> Iterator[Membership]:
    """Yield the virtual IPs that a port may hold."""
    for vip in topology.virtual_ips.values():
        for member in vip.members:
            if member.port_id == port.id and vip.network_id == port.network_id:
                yield vip, member


def member_mac(vip: VirtualIp, member: VirtualIpMember) -> MacAddress | None:
    """Return the VRRP virtual MAC of a member, if it has one."""
    if member.virtual_router_id is None:
        return None
    return virtual_router_mac(member.virtual_router_id, vip.address.version)


def macs_of(topology: Topology, port: Port) -> set[MacAddress]:
    """Return every MAC that a port may send from."""
    lent = {pair.mac for pair in port.allowed_address_pairs}
    virtual = {member_mac(vip, member) for vip, member in memberships(topology, port)}
    return {mac for mac in {port.mac, *lent, *virtual} if mac is not None}


def is_bound(topology: Topology, port: Port, mac: MacAddress, address: IpAddress) -> bool:
    """Whether a port may use this address with this MAC."""
    own = {
        *(fixed.address for fixed in port.fixed_ips),
        *(retired.fixed_ip.address for retired in port.retired_ips),
    }
    if mac == port.mac and address in own:
        return True
    if any(
        mac == (pair.mac or port.mac) and address in pair.prefix
        for pair in port.allowed_address_pairs
    ):
        return True
    for vip, member in memberships(topology, port):
        if mac == port.mac and address == vip.address:
            return True
        # keepalived sends adverts from the virtual MAC with the member's own address.
        if mac == member_mac(vip, member) and address in {vip.address, port.mac.link_local, *own}:
            return True
    return address == mac.link_local and mac in macs_of(topology, port)


def holds(topology: Topology, port: Port, address: IpAddress) -> bool:
    """Whether an address is one of the port's, with any of its MACs."""
    return any(is_bound(topology, port, mac, address) for mac in macs_of(topology, port))


def check_source(topology: Topology, port: Port, packet: Packet) -> Verdict | None:
    """Judge who a packet says it is from."""
    mac = packet.source_mac
    if mac.is_multicast or mac not in macs_of(topology, port):
        return Drop(DropReason.SPOOFED_MAC)
    if isinstance(packet.content, Arp):
        return _check_arp(topology, port, mac, packet.content)
    if is_dhcp(packet.content, DHCP_SERVER):
        return Drop(DropReason.ROGUE_DHCP_SERVER)
    if packet.content.icmp_type in ROUTER_MESSAGES and packet.content.family == wire.IPV6:
        return Drop(DropReason.ROGUE_ROUTER_ADVERTISEMENT)
    if packet.content.family == wire.IPV4:
        return _check_ipv4(topology, port, mac, packet.content)
    return _check_ipv6(topology, port, mac, packet.content)


def is_dhcp(packet: Ip, ports: dict[int, tuple[int, int]]) -> bool:
    """Whether it is UDP between the DHCP ports of its family, in this order."""
    pair = (packet.source_port, packet.destination_port)
    return packet.protocol == UDP and pair == ports[packet.family]


def is_neighbour_discovery(packet: Ip) -> bool:
    """Whether it is what guests say to each other to find themselves: ND and MLD."""
    if packet.family != wire.IPV6 or packet.fragment is not None:
        return False
    if packet.icmp_type in _MLD:
        return True
    is_genuine = packet.hop_limit == ND_HOP_LIMIT and packet.icmp_type is not None
    return packet.icmp_type in _GUEST_ND and is_genuine and packet.icmp_code == 0


def _check_arp(topology: Topology, port: Port, mac: MacAddress, arp: Arp) -> Verdict:
    is_probe = arp.sender_ip == _UNSPECIFIED_IPV4
    is_own = is_probe or is_bound(topology, port, mac, arp.sender_ip)
    return Allow() if arp.sender_mac == mac and is_own else Drop(DropReason.SPOOFED_ARP)


def _check_ipv4(topology: Topology, port: Port, mac: MacAddress, packet: Ip) -> Verdict | None:
    is_own = is_bound(topology, port, mac, packet.source)
    if is_dhcp(packet, DHCP_CLIENT):
        seeks = packet.source == _UNSPECIFIED_IPV4 and packet.destination == _BROADCAST
        if seeks or is_own:
            return Allow()
    return None if is_own or not port.source_destination_check else Drop(DropReason.SPOOFED_IPV4)


def _check_ipv6(topology: Topology, port: Port, mac: MacAddress, packet: Ip) -> Verdict | None:
    is_own = is_bound(topology, port, mac, packet.source)
    if is_neighbour_discovery(packet):
        needs_source = packet.icmp_type == NEIGHBOUR_ADVERTISEMENT
        if not is_own and (needs_source or packet.source != _UNSPECIFIED_IPV6):
            return Drop(DropReason.SPOOFED_IPV6)
        return _check_neighbour(topology, port, mac, packet)
    if not is_own:
        return Drop(DropReason.SPOOFED_IPV6) if port.source_destination_check else None
    return Allow() if is_dhcp(packet, DHCP_CLIENT) else None


def _check_neighbour(topology: Topology, port: Port, mac: MacAddress, packet: Ip) -> Verdict:
    """Judge what a solicitation or advertisement says about its target and about MACs."""
    kind = packet.icmp_type
    if kind not in _LINK_LAYER_OPTION:
        return Allow()
    if len(packet.payload) < _ND_BYTES:
        return Drop(DropReason.MALFORMED)
    target = neighbour_target(packet)
    # Who asks from `::` wants the address for itself (duplicate address detection).
    is_about_itself = kind == NEIGHBOUR_ADVERTISEMENT or packet.source == _UNSPECIFIED_IPV6
    if is_about_itself and not is_bound(topology, port, mac, target):
        return Drop(DropReason.SPOOFED_ND)
    return _check_option(packet.payload[_ND_BYTES:], _LINK_LAYER_OPTION[kind], mac)


def neighbour_target(packet: Ip) -> IPv6Address:
    """Return the target of a solicitation or advertisement."""
    return IPv6Address(packet.payload[8:24])


def _check_option(options: bytes, kind: int, mac: MacAddress) -> Verdict:
    """Judge the first option; the others are not looked at."""
    if not options:
        return Allow()
    length = options[1] * 8 if len(options) > 1 else 0
    if not 0 < length <= len(options):
        return Drop(DropReason.MALFORMED)
    if options[0] == kind and options[2:8] != mac.packed:
        return Drop(DropReason.SPOOFED_ND)
    return Allow()
