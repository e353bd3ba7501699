"""Public addresses that stand for addresses of ports: the links between the two.

Every floating IP and forwarding is written here, whoever changes it.
"""

from collections.abc import Sequence
from dataclasses import replace

from portlight.core.changes import next_meta
from portlight.core.errors import Blocker
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.floating_ips import Destination, cut, forwarding_by, led_to
from portlight.core.port import FixedIp, Port
from portlight.core.router import Router
from portlight.service import address_uses
from portlight.service.work import Work, blocker_of
from portlight.values.ids import FloatingIpId, PortId, RouterId, SubnetId


def save(work: Work, old: FloatingIp, new: FloatingIp) -> FloatingIp:
    """Keep a changed floating IP."""
    if new != old:
        work.tx.update(old, new)
        address_uses.noted(work, new, in_use=new.router_id is not None)
    return new


def lead(work: Work, one: FloatingIp, destination: Destination | None) -> FloatingIp:
    """Let a floating IP lead to a port, or nowhere."""
    led = led_to(one, destination)
    if led is one:
        return one
    return save(work, one, replace(led, meta=next_meta(one.meta, None, work.now)))


def forwardings_of(work: Work, floating_ip_id: FloatingIpId) -> list[PortForwarding]:
    """Return the forwardings of a floating IP."""
    return work.tx.find(PortForwarding, {"floating_ip_id": [floating_ip_id]})


def insert_forwarding(
    work: Work, one: FloatingIp, forwarding: PortForwarding, router_id: RouterId
) -> None:
    """Keep a new forwarding."""
    work.tx.insert(forwarding)
    led = forwarding_by(one, router_id)
    save(work, one, replace(led, meta=next_meta(one.meta, None, work.now)))


def delete_forwarding(work: Work, forwarding: PortForwarding) -> None:
    """Remove a forwarding; its flows end."""
    work.tx.delete(forwarding)
    one = work.tx.get(FloatingIp, forwarding.floating_ip_id)
    if one is None:
        return
    left = forwardings_of(work, one.id)
    changed = cut(one, now=work.now)
    save(work, one, changed if left else forwarding_by(changed, None))


def change_forwarding(work: Work, old: PortForwarding, new: PortForwarding) -> None:
    """Keep a changed forwarding; its flows of before end."""
    work.tx.update(old, new)
    one = work.tx.get(FloatingIp, new.floating_ip_id)
    if one is not None:
        save(work, one, cut(one, now=work.now))


def leave_port(work: Work, port_id: PortId) -> None:
    """Let nothing lead to a port that goes."""
    for one in work.tx.find(FloatingIp, {"port_id": [port_id]}):
        lead(work, one, None)
    for forwarding in work.tx.find(PortForwarding, {"internal_port_id": [port_id]}):
        delete_forwarding(work, forwarding)


def users_of_port(
    work: Work, port_id: PortId, gone: Sequence[FixedIp] | None = None
) -> list[Blocker]:
    """Return what leads to a port, or only to those of its addresses that are to go."""
    addresses = None if gone is None else {ip.address for ip in gone}
    found = [
        blocker_of(one, str(one.address))
        for one in work.tx.find(FloatingIp, {"port_id": [port_id]})
        if addresses is None or one.fixed_ip_address in addresses
    ]
    return found + [
        blocker_of(one, f"floating IP {one.floating_ip_id}")
        for one in work.tx.find(PortForwarding, {"internal_port_id": [port_id]})
        if addresses is None or one.internal_address in addresses
    ]


def users_of_router(work: Work, router: Router, subnet_id: SubnetId | None = None) -> list[Blocker]:
    """Return what is led through a router (to a subnet): floating IPs with or without ports."""
    return [
        blocker_of(one, str(one.address))
        for one in work.tx.find(FloatingIp, {"router_id": [router.id]})
        if subnet_id is None or subnet_id in _subnets_of(work, one)
    ]


def _subnets_of(work: Work, one: FloatingIp) -> set[SubnetId]:
    """Return the subnets that a floating IP leads to."""
    ends = {(one.port_id, one.fixed_ip_address)}
    ends |= {(f.internal_port_id, f.internal_address) for f in forwardings_of(work, one.id)}
    ids = {port_id for port_id, _ in ends if port_id is not None}
    return {
        ip.subnet_id
        for port in work.tx.find(Port, {"id": list(ids)})
        for ip in port.fixed_ips
        if (port.id, ip.address) in ends
    }
