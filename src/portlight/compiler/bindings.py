"""Which sources a port may use.

Pure: core values in, plan values out. The rule is the one at the head of
docs/design/packet-path.md.
"""

from collections.abc import Iterator

from portlight.compiler.view import HostView
from portlight.compiler.virtual_ips import members_of
from portlight.core.port import Port
from portlight.core.virtual_ip import VirtualIp, VirtualIpMember
from portlight.plan.host import SourceBinding
from portlight.values.addresses import (
    IpAddress,
    IpPrefix,
    MacAddress,
    host_prefix,
    virtual_router_mac,
)

Source = tuple[MacAddress, IpPrefix]
Membership = tuple[VirtualIp, VirtualIpMember]


def compile_bindings(view: HostView) -> frozenset[SourceBinding]:
    """Return the bindings of every secured port of this host."""
    held = _memberships(view)
    parts = [
        view.memo.recall(("bindings", port.id), _port_bindings, port, held.get(port.id, ()))
        for port, _ in view.attached()
        if port.port_security_enabled
    ]
    return frozenset().union(*parts)


def _memberships(view: HostView) -> dict[str, tuple[Membership, ...]]:
    held: dict[str, tuple[Membership, ...]] = {}
    for network in view.networks:
        for vip in view.virtual_ips_of(network):
            for member in members_of(view, vip):
                held[member.port_id] = (*held.get(member.port_id, ()), (vip, member))
    return held


def _port_bindings(port: Port, held: tuple[Membership, ...]) -> frozenset[SourceBinding]:
    sources = {
        *_own_sources(port),
        *((pair.mac or port.mac, pair.prefix) for pair in port.allowed_address_pairs),
        *(source for vip, member in held for source in _virtual_sources(port, vip, member)),
    }
    macs = {port.mac, *(mac for mac, _ in sources)}
    sources |= {(mac, host_prefix(mac.link_local)) for mac in macs}
    return frozenset(
        SourceBinding(port=port.number, mac=mac, prefix=prefix) for mac, prefix in sources
    )


def _own_sources(port: Port) -> Iterator[Source]:
    for address in _own_addresses(port):
        yield port.mac, host_prefix(address)


def _own_addresses(port: Port) -> Iterator[IpAddress]:
    for fixed in port.fixed_ips:
        yield fixed.address
    for retired in port.retired_ips:
        yield retired.fixed_ip.address


def _virtual_sources(port: Port, vip: VirtualIp, member: VirtualIpMember) -> Iterator[Source]:
    """Yield what membership adds: the address; with VRRP also what the virtual MAC sends from.

    keepalived sends adverts from the virtual MAC with the member's own address.
    """
    yield port.mac, host_prefix(vip.address)
    if member.virtual_router_id is not None:
        mac = virtual_router_mac(member.virtual_router_id, vip.address.version)
        yield mac, host_prefix(vip.address)
        yield mac, host_prefix(port.mac.link_local)
        for address in _own_addresses(port):
            yield mac, host_prefix(address)
