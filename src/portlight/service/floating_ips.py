"""Use cases of floating IPs: public addresses, and the port that each leads to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portlight.core.changes import given, required
from portlight.core.drafts import FixedIpRequest
from portlight.core.drafts_routing import FloatingIpDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_routing import (
    ExternalAddressExhaustedError,
    ExternalGatewayForFloatingIpNotFoundError,
    FloatingIpForwardsError,
    FloatingIpInUseError,
    FloatingIpPortAlreadyAssociatedError,
    FloatingIpProtectedError,
)
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.floating_ips import (
    Destination,
    build_floating_ip,
    change_floating_ip,
    led_to,
    private_address,
)
from portlight.core.gateways import NatGateway
from portlight.core.host import NOBODY
from portlight.core.ipam import is_for
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_FLOATING_IP, OWNER_ROUTER_INTERFACE, Port
from portlight.core.router import Router
from portlight.service import (
    address_uses,
    addresses,
    ports,
    router_gateways,
    router_ports,
    translations,
)
from portlight.service.policy import check_action
from portlight.service.work import (
    Work,
    blocker_of,
    check_revision,
    is_set,
    load,
    load_own,
    owner_of,
)
from portlight.store.protocol import Reading, Where
from portlight.values.addresses import IpAddress
from portlight.values.ids import FloatingIpId, NetworkId, PortId, RouterId

_IPV4 = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIpDetails:
    """What belongs to a floating IP and is kept elsewhere."""

    port: Port | None = None
    """What it leads to."""
    forwardings: tuple[PortForwarding, ...] = ()


def create(work: Work, draft: FloatingIpDraft) -> FloatingIp:
    """Take a public address, and let it lead to a port if one is named."""
    check_action(work.caller, "create_floatingip")
    owner = owner_of(work.caller, draft.project_id)
    network_id = required(draft.floating_network_id, "floating_network_id")
    network = router_gateways.external_network(work, network_id, "floating_network_id")
    birth = work.birth(owner, "floating_ips")
    port = router_ports.insert(
        work,
        network,
        owner=(OWNER_FLOATING_IP, birth.id),
        project_id=NOBODY,
        fixed_ips=(_place(work, network, draft),),
    )
    one = build_floating_ip(
        draft,
        network_id=network.id,
        address=port.fixed_ips[0].address,
        port_id=port.id,
        birth=birth,
    )
    work.tx.insert(one)
    address_uses.allocated(work, one)
    changed = led_to(one, _destination(work, one, draft))
    return translations.save(work, one, changed)


def update(
    work: Work, floating_ip_id: FloatingIpId, draft: FloatingIpDraft, if_revision: int | None
) -> FloatingIp:
    """Change a floating IP; with `port_id` it leads there from now on, in one step (row H147)."""
    one = load_own(work, FloatingIp, floating_ip_id, "update_floatingip")
    check_revision(one, floating_ip_id, if_revision)
    changed = change_floating_ip(one, draft, now=work.now)
    if is_set(draft.port_id) or given(draft.fixed_ip_address, None) is not None:
        changed = led_to(changed, _destination(work, changed, draft))
    return translations.save(work, one, changed)


def delete(work: Work, floating_ip_id: FloatingIpId) -> None:
    """Give the address back; raise FloatingIpProtectedError, or name what else has it."""
    one = load_own(work, FloatingIp, floating_ip_id, "delete_floatingip")
    if one.delete_protection:
        raise FloatingIpProtectedError(floating_ip_id)
    check_free(work, one)
    release(work, one)


def release(work: Work, one: FloatingIp) -> None:
    """Give an address back, without asking who uses it."""
    for forwarding in translations.forwardings_of(work, one.id):
        work.tx.delete(forwarding)
    work.tx.delete(one)
    address_uses.released(work, one)
    port = work.tx.get(Port, one.floating_port_id)
    if port is not None:
        ports.discard(work, port)


def router_to(work: Work, network_id: NetworkId, port: Port, address: IpAddress) -> RouterId:
    """Return the router between an external network and an address of a port.

    Of several, the one that the subnet's guests send to. Raise
    ExternalGatewayForFloatingIpNotFoundError when there is none.
    """
    subnet_id = next(ip.subnet_id for ip in port.fixed_ips if ip.address == address)
    subnet = work.tx.get(Subnet, subnet_id)
    gateway = None if subnet is None else subnet.gateway_ip
    where: Where = {"subnet_id": [subnet_id], "device_owner": [OWNER_ROUTER_INTERFACE]}
    legs = sorted(
        work.tx.find(Port, where),
        key=lambda leg: (all(ip.address != gateway for ip in leg.fixed_ips), leg.number),
    )
    for leg in legs:
        router = work.tx.get(Router, leg.device_id)
        if router is not None and router.gateway and router.gateway.network_id == network_id:
            return router.id
    raise ExternalGatewayForFloatingIpNotFoundError(network_id, subnet_id, port.id)


def details(tx: Reading, found: Iterable[FloatingIp]) -> Mapping[FloatingIpId, FloatingIpDetails]:
    """Return what belongs to floating IPs and is kept elsewhere, at the cost of two look-ups."""
    known = tuple(found)
    if not known:
        return {}
    wanted = {one.port_id for one in known if one.port_id is not None}
    ports = {port.id: port for port in tx.find(Port, {"id": list(wanted)})} if wanted else {}
    forwardings: dict[FloatingIpId, list[PortForwarding]] = {one.id: [] for one in known}
    for one in tx.find(PortForwarding, {"floating_ip_id": list(forwardings)}):
        forwardings[one.floating_ip_id].append(one)
    return {
        one.id: FloatingIpDetails(
            port=None if one.port_id is None else ports.get(one.port_id),
            forwardings=tuple(forwardings[one.id]),
        )
        for one in known
    }


def guest_port(work: Work, one: FloatingIp, port_id: PortId) -> Port:
    """Return the port that a floating IP shall lead to: of its own project, or by an admin."""
    port = load(work, Port, port_id)
    if port.meta.project_id != one.meta.project_id and not work.caller.is_admin:
        raise InvalidRequestError(
            "port_id",
            f"Port {port_id} is associated with a different tenant than Floating IP {one.id} and "
            "therefore cannot be bound",
        )
    return port


def check_free(work: Work, one: FloatingIp) -> None:
    """Raise FloatingIpInUseError when a NAT gateway or forwardings have the address."""
    forwardings = translations.forwardings_of(work, one.id)
    if forwardings:
        raise FloatingIpForwardsError(one.id, [blocker_of(user) for user in forwardings])
    check_no_nat(work, one)


def check_no_nat(work: Work, one: FloatingIp) -> None:
    """Raise FloatingIpInUseError when a NAT gateway has the address."""
    nats = work.tx.find(NatGateway, {"floating_ip_id": [one.id]})
    if nats:
        raise FloatingIpInUseError(one.id, [blocker_of(nat) for nat in nats])


def _destination(work: Work, one: FloatingIp, draft: FloatingIpDraft) -> Destination | None:
    """Return what the draft lets the floating IP lead to."""
    port_id = given(draft.port_id, None)
    asked = given(draft.fixed_ip_address, None)
    if port_id is None:
        if asked is not None:
            raise InvalidRequestError(
                "fixed_ip_address", "fixed_ip_address cannot be specified without a port_id"
            )
        return None
    check_free(work, one)
    port = guest_port(work, one, port_id)
    address = private_address(port, asked, "fixed_ip_address")
    for other in work.tx.find(FloatingIp, {"stands_for": [f"{port_id} {address}"]}):
        if other.id != one.id:
            raise FloatingIpPortAlreadyAssociatedError(other.id, port_id, address)
    router_id = router_to(work, one.floating_network_id, port, address)
    return Destination(port_id=port_id, address=address, router_id=router_id)


def _place(work: Work, network: Network, draft: FloatingIpDraft) -> FixedIpRequest:
    """Return where the address comes from: what the draft says, or the first subnet with room."""
    address, asked = given(draft.address, None), given(draft.subnet_id, None)
    if address is not None:
        check_action(work.caller, "floatingip:floating_ip_address")
        if address.version != _IPV4:
            raise InvalidRequestError("floating_ip_address", f"{address} is no IPv4 address")
        request = FixedIpRequest(subnet_id=asked, address=address)
        router_ports.check_not_hosts_own(work, network, [request], "floating_ip_address")
        return request
    candidates = [
        subnet
        for subnet in addresses.subnets_of(work.tx, network.id)
        if subnet.cidr.version == _IPV4
        and is_for(subnet, OWNER_FLOATING_IP)
        and asked in (None, subnet.id)
    ]
    if not candidates:
        raise InvalidRequestError(
            "floating_network_id", f"Network {network.id} does not contain any IPv4 subnet"
        )
    free = [subnet.id for subnet in _special_first(candidates) if work.tx.lowest_free(subnet.id)]
    if not free:
        raise ExternalAddressExhaustedError(network.id)
    return FixedIpRequest(subnet_id=free[0])


def _special_first(subnets: list[Subnet]) -> list[Subnet]:
    return sorted(subnets, key=lambda subnet: not subnet.service_types)
