"""What a valid floating IP and a valid port forwarding are, and how drafts change them. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from portlight.core.changes import Birth, first_meta, given, next_meta, required
from portlight.core.drafts_routing import FloatingIpDraft, PortForwardingDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_routing import DuplicatePortForwardingError
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.port import OWNERS_OF_OURS, Port
from portlight.core.protocols import TCP, UDP
from portlight.core.router import PathStatus
from portlight.values.addresses import IpAddress
from portlight.values.ids import FloatingIpId, NetworkId, PortForwardingId, PortId, RouterId
from portlight.values.ranges import PortRange

FORWARDED_PROTOCOLS = (TCP, UDP)
_IPV4 = 4
_LABEL = re.compile(r"[A-Za-z0-9]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """What a floating IP leads to: an address of a port, through a router."""

    port_id: PortId
    address: IpAddress
    router_id: RouterId


def build_floating_ip(
    draft: FloatingIpDraft,
    *,
    network_id: NetworkId,
    address: IpAddress,
    port_id: PortId,
    birth: Birth,
) -> FloatingIp:
    """Return the new floating IP, which leads nowhere; `port_id` keeps its address."""
    return FloatingIp(
        id=FloatingIpId(birth.id),
        number=birth.number,
        meta=first_meta(draft, birth),
        floating_network_id=network_id,
        address=address,
        floating_port_id=port_id,
        label=_label(given(draft.label, "")),
        delete_protection=given(draft.delete_protection, default=False),
        drains=given(draft.drains, default=False),
    )


def change_floating_ip(one: FloatingIp, draft: FloatingIpDraft, *, now: float) -> FloatingIp:
    """Return the floating IP after the change; where it leads to is changed by `led_to`."""
    return replace(
        one,
        meta=next_meta(one.meta, draft, now),
        label=_label(given(draft.label, one.label)),
        delete_protection=given(draft.delete_protection, one.delete_protection),
        drains=given(draft.drains, one.drains),
    )


def led_to(one: FloatingIp, destination: Destination | None) -> FloatingIp:
    """Return the floating IP as it leads to a port, or nowhere; flows of before end or drain."""
    before = (one.port_id, one.fixed_ip_address, one.router_id)
    after = (
        (None, None, None)
        if destination is None
        else (destination.port_id, destination.address, destination.router_id)
    )
    if before == after:
        return one
    had_flows = one.router_id is not None
    return replace(
        one,
        port_id=after[0],
        fixed_ip_address=after[1],
        router_id=after[2],
        draining_router_id=one.router_id if destination is None and one.drains else None,
        cuts=one.cuts + 1 if had_flows and not one.drains else one.cuts,
        # that was said of this move, not of the next one
        drains=one.drains and destination is None,
        status=PathStatus.DOWN if destination is None else PathStatus.BUILD,
    )


def forwarding_by(one: FloatingIp, router_id: RouterId | None) -> FloatingIp:
    """Return the floating IP as its forwardings go through a router; None: there are none left."""
    if one.router_id == router_id:
        return one
    status = PathStatus.DOWN if router_id is None else PathStatus.BUILD
    drains = one.drains and router_id is None
    return replace(one, router_id=router_id, status=status, drains=drains)


def cut(one: FloatingIp, *, now: float) -> FloatingIp:
    """Return the floating IP with its flows ended, unless they drain."""
    meta = next_meta(one.meta, None, now)
    return replace(one, meta=meta, cuts=one.cuts if one.drains else one.cuts + 1)


def settled(one: FloatingIp, revision: int) -> FloatingIp:
    """Return the floating IP once a host has put this revision in place."""
    if one.status is not PathStatus.BUILD or revision < one.meta.revision_number:
        return one
    return replace(one, status=PathStatus.ACTIVE)


def private_address(port: Port, asked: IpAddress | None, field: str) -> IpAddress:
    """Return the IPv4 address of a port that a public one shall stand for.

    Raise InvalidRequestError when the port has none, or several and none was chosen.
    """
    if port.device_owner in OWNERS_OF_OURS:
        raise InvalidRequestError(
            "port_id", f"Port {port.id} is unable to be assigned a floating IP"
        )
    candidates = [ip.address for ip in port.fixed_ips if ip.address.version == _IPV4]
    if asked is not None:
        if asked.version != _IPV4:
            raise InvalidRequestError(field, f"{asked} is no IPv4 address")
        if asked not in candidates:
            raise InvalidRequestError(field, f"Port {port.id} does not have fixed ip {asked}")
        return asked
    if not candidates:
        raise InvalidRequestError(
            "port_id",
            f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses",
        )
    if len(candidates) > 1:
        raise InvalidRequestError(
            field,
            f"Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 "
            "address when assigning a floating IP",
        )
    return candidates[0]


def build_port_forwarding(
    draft: PortForwardingDraft, floating_ip: FloatingIp, address: IpAddress, birth: Birth
) -> PortForwarding:
    """Return the new forwarding to an address; raise InvalidRequestError when a rule is broken."""
    forwarding = PortForwarding(
        id=PortForwardingId(birth.id),
        meta=first_meta(draft, birth),
        floating_ip_id=floating_ip.id,
        protocol=required(draft.protocol, "protocol"),
        external_ports=required(draft.external_ports, "external_port"),
        internal_ports=required(draft.internal_ports, "internal_port"),
        internal_port_id=required(draft.internal_port_id, "internal_port_id"),
        internal_address=address,
    )
    _check_port_forwarding(forwarding)
    return forwarding


def change_port_forwarding(
    forwarding: PortForwarding, draft: PortForwardingDraft, *, now: float
) -> PortForwarding:
    """Return the forwarding after the change."""
    changed = replace(
        forwarding,
        meta=next_meta(forwarding.meta, draft, now),
        protocol=given(draft.protocol, forwarding.protocol),
        external_ports=given(draft.external_ports, forwarding.external_ports),
        internal_ports=given(draft.internal_ports, forwarding.internal_ports),
        internal_port_id=given(draft.internal_port_id, forwarding.internal_port_id),
        internal_address=given(draft.internal_address, forwarding.internal_address),
    )
    _check_port_forwarding(changed)
    return changed


def check_no_twin(forwarding: PortForwarding, others: Iterable[PortForwarding]) -> None:
    """Raise DuplicatePortForwardingError when another one has the same ports, outside or inside."""
    for other in others:
        if other.id == forwarding.id or other.protocol != forwarding.protocol:
            continue
        if other.external_ports.overlaps(forwarding.external_ports):
            raise DuplicatePortForwardingError(
                other.id, f"external port {_words(forwarding.external_ports)}"
            )
        same_guest = (other.internal_port_id, other.internal_address) == (
            forwarding.internal_port_id,
            forwarding.internal_address,
        )
        if same_guest and other.internal_ports.overlaps(forwarding.internal_ports):
            raise DuplicatePortForwardingError(
                other.id, f"internal port {_words(forwarding.internal_ports)}"
            )


def _check_port_forwarding(forwarding: PortForwarding) -> None:
    if forwarding.protocol not in FORWARDED_PROTOCOLS:
        raise InvalidRequestError("protocol", f"{forwarding.protocol} is neither tcp nor udp")
    if forwarding.external_ports.first < 1 or forwarding.internal_ports.first < 1:
        raise InvalidRequestError("external_port", "ports begin at 1")
    if len(forwarding.internal_ports) not in (1, len(forwarding.external_ports)):
        raise InvalidRequestError(
            "internal_port_range",
            "it is neither as long as external_port_range nor one port for all of them",
        )


def _words(ports: PortRange) -> str:
    return str(ports.first) if ports.first == ports.last else f"{ports.first}:{ports.last}"


def _label(label: str) -> str:
    if not _LABEL.fullmatch(label):
        raise InvalidRequestError("label", "it is not at most 64 letters and digits")
    return label
