"""Who owns a virtual IP, as its members claim it.

Written from section 3 of docs/design/packet-path.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from portlight.core.packet import VRRP, Arp, Ip, Packet
from portlight.core.path_state import Owner, Situation
from portlight.core.port import Port
from portlight.core.source_binding import (
    NEIGHBOUR_ADVERTISEMENT,
    is_neighbour_discovery,
    member_mac,
    memberships,
    neighbour_target,
)
from portlight.core.topology import Topology
from portlight.core.virtual_ip import ClaimPolicy, VirtualIp
from portlight.values.addresses import IpAddress
from portlight.values.ids import PortId

SILENCE_SECONDS = 3.5
"""Three adverts of a VRRP master at the usual second, and a half."""
_MAX_VRRP_ADDRESSES = 20
_VRRP_HEADER_BYTES = 8
_VRRP_ADDRESS_BYTES = {(2, 4): 4, (3, 4): 4, (3, 6): 16}
"""By VRRP version and IP version."""
_SOLICITED = 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A packet by which a member says that it holds an address."""

    address: IpAddress
    is_announcement: bool
    """Made on one's own accord; else an answer to somebody's question."""
    priority: int | None = None
    """Of VRRP; None for ARP and neighbour advertisements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a claim: accepted with the owner that it makes, or refused."""

    vip: VirtualIp
    claim: Claim
    owner: Owner | None
    """None: refused."""


def owner_of(topology: Topology, situation: Situation, vip: VirtualIp) -> Owner | None:
    """Return the member that holds a virtual IP now; a port that is gone holds nothing."""
    owner = situation.state.owners.get((vip.network_id, vip.address))
    if vip.claim_policy is ClaimPolicy.FROZEN:
        is_pinned = owner is not None and owner.port_id == vip.pinned_owner
        pinned = Owner(port_id=vip.pinned_owner, seen_at=0) if vip.pinned_owner else None
        owner = owner if is_pinned else pinned
    port = topology.ports.get(owner.port_id) if owner is not None else None
    is_member = port is not None and any(
        held.id == vip.id for held, _ in memberships(topology, port)
    )
    return owner if is_member else None


def is_held_by_another(
    topology: Topology, port: Port, address: IpAddress, situation: Situation
) -> bool:
    """Whether `address` is a virtual IP that the port may hold and another member does."""
    for vip, _ in memberships(topology, port):
        if vip.address == address:
            owner = owner_of(topology, situation, vip)
            return owner is not None and owner.port_id != port.id
    return False


def judge_claims(
    topology: Topology, port: Port, packet: Packet, situation: Situation
) -> Iterator[Outcome]:
    """Yield what becomes of each claim that a packet makes on a virtual IP of its port."""
    held = {vip.address: (vip, member) for vip, member in memberships(topology, port)}
    for claim in claims_of(packet):
        if claim.address in held:
            vip, member = held[claim.address]
            mac = packet.source_mac
            if claim.priority is not None:
                mac = member_mac(vip, member) or mac
            owner = owner_of(topology, situation, vip)
            is_accepted = _is_accepted(vip, port.id, claim, owner, situation.now)
            # A claim without priority leaves the one that the owner announced last.
            known = owner.priority if owner is not None and owner.port_id == port.id else 0
            priority = claim.priority if claim.priority is not None else known
            fresh = Owner(port_id=port.id, seen_at=situation.now, mac=mac, priority=priority)
            yield Outcome(vip=vip, claim=claim, owner=fresh if is_accepted else None)


def _is_accepted(
    vip: VirtualIp, claimant: PortId, claim: Claim, owner: Owner | None, now: float
) -> bool:
    if vip.claim_policy is ClaimPolicy.FROZEN:
        return claimant == vip.pinned_owner
    if owner is None or owner.port_id == claimant or now - owner.seen_at >= SILENCE_SECONDS:
        return True
    if not claim.is_announcement:
        return False
    if vip.claim_policy is ClaimPolicy.PRIORITY:
        return (claim.priority or 0) > owner.priority
    return vip.claim_policy is ClaimPolicy.LATEST


def claims_of(packet: Packet) -> Iterator[Claim]:
    """Yield the addresses that a packet claims, whether or not they are virtual IPs."""
    match packet.content:
        case Arp() as arp:
            # A former owner answers a gratuitous request with sender = target, too: to the asker.
            to_all = packet.destination_mac.is_multicast
            is_announcement = to_all and arp.sender_ip == arp.target_ip
            yield Claim(address=arp.sender_ip, is_announcement=is_announcement)
        case Ip(protocol=protocol, fragment=None) as ip if protocol == VRRP:
            yield from _vrrp_claims(ip)
        case Ip() as ip if is_neighbour_discovery(ip) and ip.icmp_type == NEIGHBOUR_ADVERTISEMENT:
            is_announcement = not ip.payload[4] & _SOLICITED
            yield Claim(address=neighbour_target(ip), is_announcement=is_announcement)


def _vrrp_claims(packet: Ip) -> Iterator[Claim]:
    raw = packet.payload
    if len(raw) < _VRRP_HEADER_BYTES:
        return
    width = _VRRP_ADDRESS_BYTES.get((raw[0] >> 4, packet.family))
    priority, count = raw[2], raw[3]
    if width is None or raw[0] & 0x0F != 1 or not priority or count > _MAX_VRRP_ADDRESSES:
        return
    if len(raw) < _VRRP_HEADER_BYTES + count * width:
        return
    for number in range(count):
        start = _VRRP_HEADER_BYTES + number * width
        address = ip_address(raw[start : start + width])
        yield Claim(address=address, is_announcement=True, priority=priority)
