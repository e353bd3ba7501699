"""Use cases of port forwardings: ports of a floating IP, led to ports of guests (row P12)."""

from dataclasses import replace

from portlight.core.changes import given, required
from portlight.core.drafts import Unset
from portlight.core.drafts_routing import PortForwardingDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_routing import PortHasBindingFloatingIpError
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.floating_ips import (
    build_port_forwarding,
    change_port_forwarding,
    check_no_twin,
    private_address,
)
from portlight.core.port import Port
from portlight.service import floating_ips, translations
from portlight.service.policy import check_action
from portlight.service.work import Work, check_revision, load_own
from portlight.values.addresses import IpAddress
from portlight.values.ids import PortForwardingId, RouterId


def create(work: Work, draft: PortForwardingDraft) -> PortForwarding:
    """Lead ports of a floating IP, which is not associated, to ports of a guest."""
    check_action(work.caller, "create_floatingip_port_forwarding")
    one = _floating_ip(work, draft, "create_floatingip_port_forwarding")
    port = floating_ips.guest_port(work, one, required(draft.internal_port_id, "internal_port_id"))
    birth = work.birth(one.meta.project_id)
    forwarding = build_port_forwarding(draft, one, _address(draft, port), birth)
    router_id = _check(work, one, forwarding, port)
    translations.insert_forwarding(work, one, forwarding, router_id)
    return forwarding


def update(
    work: Work,
    forwarding_id: PortForwardingId,
    draft: PortForwardingDraft,
    if_revision: int | None,
) -> PortForwarding:
    """Change a forwarding: all fields of the draft at once, or none."""
    forwarding = load_own(work, PortForwarding, forwarding_id, "update_floatingip_port_forwarding")
    check_revision(forwarding, forwarding_id, if_revision)
    one = load_own(work, FloatingIp, forwarding.floating_ip_id, "update_floatingip_port_forwarding")
    port = floating_ips.guest_port(
        work, one, given(draft.internal_port_id, forwarding.internal_port_id)
    )
    if port.id != forwarding.internal_port_id:
        draft = replace(draft, internal_address=_address(draft, port))
    changed = change_port_forwarding(forwarding, draft, now=work.now)
    _check(work, one, changed, port)
    translations.change_forwarding(work, forwarding, changed)
    return changed


def delete(work: Work, forwarding_id: PortForwardingId) -> None:
    """End a forwarding."""
    forwarding = load_own(work, PortForwarding, forwarding_id, "delete_floatingip_port_forwarding")
    translations.delete_forwarding(work, forwarding)


def _floating_ip(work: Work, draft: PortForwardingDraft, action: str) -> FloatingIp:
    identifier = required(draft.floating_ip_id, "floatingip_id")
    return load_own(work, FloatingIp, identifier, action)


def _address(draft: PortForwardingDraft, port: Port) -> IpAddress:
    """Return the address that the draft names, or the port's only one."""
    if isinstance(draft.internal_address, Unset):
        return private_address(port, None, "internal_ip_address")
    return draft.internal_address


def _check(work: Work, one: FloatingIp, forwarding: PortForwarding, port: Port) -> RouterId:
    """Return the router of a forwarding; raise a DomainError when it cannot be."""
    address = private_address(port, forwarding.internal_address, "internal_ip_address")
    floating_ips.check_no_nat(work, one)
    if one.port_id is not None:
        raise PortHasBindingFloatingIpError(one.id, one.port_id, address)
    for other in work.tx.find(FloatingIp, {"stands_for": [f"{port.id} {address}"]}):
        raise PortHasBindingFloatingIpError(other.id, port.id, address)
    check_no_twin(forwarding, translations.forwardings_of(work, one.id))
    router_id = floating_ips.router_to(work, one.floating_network_id, port, address)
    if one.router_id not in (None, router_id):
        raise InvalidRequestError(
            "internal_port_id",
            f"it is behind router {router_id}; floating IP {one.id} is with {one.router_id}",
        )
    return router_id
