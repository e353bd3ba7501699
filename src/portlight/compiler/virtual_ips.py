"""Virtual IPs of this host's networks: who may announce them and who wins."""

from portlight.compiler.view import HostView
from portlight.core.virtual_ip import VirtualIp, VirtualIpMember
from portlight.plan.host import VirtualIpMemberPlan, VirtualIpPlan
from portlight.plan.shortcuts import StationKey, VirtualMacKey
from portlight.values.addresses import IpAddress, MacAddress, virtual_router_mac


def compile_virtual_ips(view: HostView) -> dict[tuple[int, IpAddress], VirtualIpPlan]:
    """Return the virtual IPs of every network with a port on this host."""
    return {
        (network.number, vip.address): _virtual_ip(view, vip)
        for network in view.networks.values()
        for vip in view.virtual_ips_of(network.id)
    }


def compile_virtual_macs(view: HostView) -> dict[VirtualMacKey, StationKey]:
    """Return the virtual IPs of these networks by the MACs that they have of their own."""
    ports = view.topology.ports
    return {
        (network.number, ports[vip.port_id].mac): (network.number, vip.address)
        for network in view.networks.values()
        for vip in view.virtual_ips_of(network.id)
        if vip.port_id in ports
    }


def members_of(view: HostView, vip: VirtualIp) -> tuple[VirtualIpMember, ...]:
    """Return the members of a virtual IP that are (still) ports of its network."""
    ports = view.topology.ports
    return tuple(
        member
        for member in vip.members
        if member.port_id in ports and ports[member.port_id].network_id == vip.network_id
    )


def _virtual_ip(view: HostView, vip: VirtualIp) -> VirtualIpPlan:
    ports = view.topology.ports
    pinned = ports.get(vip.pinned_owner) if vip.pinned_owner is not None else None
    members = [
        VirtualIpMemberPlan(port=ports[member.port_id].number, virtual_mac=_mac(vip, member))
        for member in members_of(view, vip)
    ]
    return VirtualIpPlan(
        members=tuple(sorted(members, key=lambda member: member.port)),
        claim_policy=vip.claim_policy.value,
        pinned_owner=pinned.number if pinned is not None else 0,
    )


def _mac(vip: VirtualIp, member: VirtualIpMember) -> MacAddress | None:
    if member.virtual_router_id is None:
        return None
    return virtual_router_mac(member.virtual_router_id, vip.address.version)
