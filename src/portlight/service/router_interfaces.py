"""The legs of a router in its subnets: how they come and go."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from portlight.core.changes import next_meta
from portlight.core.drafts import FixedIpRequest, PortDraft
from portlight.core.drafts_routing import InterfaceDraft
from portlight.core.errors import Blocker
from portlight.core.errors_port import PortInUseError, ServicePortError
from portlight.core.errors_routing import (
    PeerOverlapError,
    PortHasFloatingIpError,
    RouterInterfaceInUseByFloatingIpError,
    RouterInterfaceInUseByRouteError,
    RouterInterfaceNotFoundError,
    RouterInterfaceNotFoundForSubnetError,
    RouterRequestError,
    SubnetMismatchForPortError,
)
from portlight.core.gateways import NatGateway, Peering, PeeringStatus
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_ROUTER_INTERFACE, SERVICE_OWNERS, FixedIp, Port
from portlight.core.ports import PortParts, change_port
from portlight.core.route_table import Route, RouteTable
from portlight.core.router import Router
from portlight.core.routers import (
    check_in_address_space,
    check_joinable,
    check_no_overlap,
    hop_of,
    overlap,
)
from portlight.service import ipam, ports, router_ports, translations
from portlight.service.route_tables import forget_subnet
from portlight.service.sharing import may_use
from portlight.service.work import Work, blocker_of, load, load_own
from portlight.values.addresses import IpPrefix
from portlight.values.ids import PortId, SubnetId

_IPV4, _IPV6 = 4, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A leg of a router in some of its subnets, as it came or went."""

    router: Router
    port: Port
    subnet_ids: tuple[SubnetId, ...]


def add(work: Work, router: Router, draft: InterfaceDraft) -> Interface:
    """Join a router to a subnet, at the subnet's gateway address, or by a port of the caller's."""
    if draft.port_id is not None and draft.subnet_id is not None:
        raise RouterRequestError("Cannot specify both subnet-id and port-id")
    if draft.port_id is not None:
        return _add_port(work, router, draft.port_id)
    if draft.subnet_id is not None:
        return _add_subnet(work, router, draft.subnet_id)
    raise RouterRequestError("Either subnet_id or port_id must be specified")


def remove(work: Work, router: Router, draft: InterfaceDraft) -> Interface:
    """Take a router out of a subnet; its port goes. Raise a ConflictError that names its users."""
    port = _interface(work, router, draft)
    by_subnet = draft.port_id is None and draft.subnet_id is not None
    leaving = tuple(
        dict.fromkeys(
            ip.subnet_id
            for ip in port.fixed_ips
            if not by_subnet or ip.subnet_id == draft.subnet_id
        )
    )
    for subnet_id in leaving:
        _check_unneeded(work, router, load(work, Subnet, subnet_id))
    kept = tuple(ip for ip in port.fixed_ips if ip.subnet_id not in leaving)
    if kept:
        _readdress(work, port, kept)
    else:
        ports.discard(work, port)
    for subnet_id in leaving:
        forget_subnet(work, router.id, subnet_id)
    return Interface(router=_touched(work, router), port=port, subnet_ids=leaving)


def check_space(work: Work, router: Router, cidrs: Iterable[IpPrefix]) -> None:
    """Raise PeerOverlapError when prefixes of a router share addresses with an active peer."""
    prefixes = tuple(cidrs)
    for peer in _peers(work, router):
        for other in router_ports.space_of(work.tx, peer):
            for cidr in prefixes:
                if overlap(cidr, other):
                    raise PeerOverlapError(cidr, peer.id, other)


def _add_subnet(work: Work, router: Router, subnet_id: SubnetId) -> Interface:
    subnet = load(work, Subnet, subnet_id)
    network = load(work, Network, subnet.network_id)
    if not work.caller.is_admin and not may_use(work.tx, work.caller.project_id, network):
        raise RouterRequestError(
            f"Cannot add interface to router because subnet {subnet_id} is not owned by project "
            "making the request"
        )
    if subnet.gateway_ip is None:
        raise RouterRequestError("Subnet for router interface must have a gateway IP")
    _check_new(work, router, [subnet])
    port = _leg(work, router, network, subnet)
    return Interface(router=_touched(work, router), port=port, subnet_ids=(subnet_id,))


def _leg(work: Work, router: Router, network: Network, subnet: Subnet) -> Port:
    """Give the router the subnet's gateway address: IPv6 subnets of a network share a port."""
    gateway = subnet.gateway_ip
    # a link-local gateway is every router's own: the address in the subnet is any
    address = gateway if gateway is not None and gateway in subnet.cidr else None
    if subnet.cidr.version == _IPV6:
        for port in router_ports.interfaces_of(work.tx, router.id):
            versions = {ip.address.version for ip in port.fixed_ips}
            if port.network_id == network.id and versions == {_IPV6}:
                fresh = (
                    ipam.take_any(work.tx, subnet, port.mac, port.id)
                    if address is None
                    else ipam.take_exact(work.tx, subnet, address, port.id)
                )
                return _readdress(work, port, (*port.fixed_ips, fresh))
    request = FixedIpRequest(subnet_id=subnet.id, address=address)
    return router_ports.insert(
        work,
        network,
        owner=(OWNER_ROUTER_INTERFACE, router.id),
        project_id=router.meta.project_id,
        fixed_ips=(request,),
    )


def _add_port(work: Work, router: Router, port_id: PortId) -> Interface:
    port = load_own(work, Port, port_id, "add_router_interface")
    if port.device_id:
        raise PortInUseError(port.id, port.device_id, port.device_owner)
    if port.device_owner.startswith(SERVICE_OWNERS):
        raise ServicePortError(port.id, port.device_owner, "It can be no interface of a router.")
    users = translations.users_of_port(work, port_id)
    if users:
        raise PortHasFloatingIpError(port_id, users)
    if not port.fixed_ips:
        raise RouterRequestError("Router port must have at least one fixed IP")
    if sum(ip.address.version == _IPV4 for ip in port.fixed_ips) > 1:
        raise RouterRequestError("Cannot have multiple IPv4 subnets on router port")
    subnets = router_ports.subnets_of(work.tx, [port])
    _check_new(work, router, subnets)
    ports.leave_all(work, port.id)
    changed = replace(
        port,
        meta=next_meta(port.meta, None, work.now),
        device_id=router.id,
        device_owner=OWNER_ROUTER_INTERFACE,
        security_groups=(),
        allowed_address_pairs=(),
        port_security_enabled=False,
        opening=None,
        host=work.host,
    )
    work.tx.update(port, changed)
    ids = tuple(dict.fromkeys(ip.subnet_id for ip in port.fixed_ips))
    return Interface(router=_touched(work, router), port=changed, subnet_ids=ids)


def _check_new(work: Work, router: Router, subnets: Sequence[Subnet]) -> None:
    """Raise an InvalidRequestError when the router cannot join the subnets."""
    joined = router_ports.joined(work.tx, router)
    known = {subnet.id for subnet in joined}
    for subnet in subnets:
        check_joinable(subnet)
        check_in_address_space(router, subnet)
        if subnet.id in known:
            raise RouterRequestError(f"Router already has a port on subnet {subnet.id}")
    check_no_overlap(subnets, joined)
    check_space(work, router, [subnet.cidr for subnet in subnets])


def _peers(work: Work, router: Router) -> Iterable[Router]:
    found = work.tx.find(Peering, {"router_id": [router.id]})
    found += work.tx.find(Peering, {"peer_router_id": [router.id]})
    for peering in found:
        # one that is only asked for holds nobody up, and tells nobody about the other
        if peering.status is not PeeringStatus.ACTIVE:
            continue
        other = peering.router_id if peering.peer_router_id == router.id else peering.peer_router_id
        peer = work.tx.get(Router, other)
        if peer is not None:
            yield peer


def _interface(work: Work, router: Router, draft: InterfaceDraft) -> Port:
    """Return the interface that a draft means."""
    present = router_ports.interfaces_of(work.tx, router.id)
    if draft.port_id is not None:
        port = next((port for port in present if port.id == draft.port_id), None)
        if port is None:
            raise RouterInterfaceNotFoundError(router.id, draft.port_id)
        if draft.subnet_id is not None and not _is_in(port, draft.subnet_id):
            raise SubnetMismatchForPortError(port.id, draft.subnet_id)
        return port
    if draft.subnet_id is None:
        raise RouterRequestError("Either subnet_id or port_id must be specified")
    for port in present:
        if _is_in(port, draft.subnet_id):
            return port
    raise RouterInterfaceNotFoundForSubnetError(router.id, draft.subnet_id)


def _check_unneeded(work: Work, router: Router, subnet: Subnet) -> None:
    """Raise RouterInterfaceInUseError when routes or public addresses need the subnet."""
    routes = _routes_through(work, router, subnet)
    if routes:
        raise RouterInterfaceInUseByRouteError(router.id, subnet.id, routes)
    users = translations.users_of_router(work, router, subnet.id)
    nats = work.tx.find(NatGateway, {"router_id": [router.id], "subnet_id": [subnet.id]})
    users += [blocker_of(nat) for nat in nats]
    if users:
        raise RouterInterfaceInUseByFloatingIpError(router.id, subnet.id, users)


def _routes_through(work: Work, router: Router, subnet: Subnet) -> list[Blocker]:
    tables = work.tx.find(RouteTable, {"router_id": [router.id]})
    routes = work.tx.find(Route, {"route_table_id": [table.id for table in tables]})
    hops = [(route, hop_of(route)) for route in routes]
    return [
        blocker_of(route, f"{hop.destination} via {hop.address}")
        for route, hop in hops
        if hop is not None and hop.address in subnet.cidr
    ]


def _readdress(work: Work, port: Port, fixed_ips: tuple[FixedIp, ...]) -> Port:
    parts = PortParts(mac=port.mac, fixed_ips=fixed_ips, security_groups=())
    changed = change_port(port, PortDraft(), parts=parts, now=work.now)
    ports.save(work, port, changed)
    return changed


def _touched(work: Work, router: Router) -> Router:
    changed = replace(router, meta=next_meta(router.meta, None, work.now))
    work.tx.update(router, changed)
    return changed


def _is_in(port: Port, subnet_id: SubnetId) -> bool:
    return any(ip.subnet_id == subnet_id for ip in port.fixed_ips)
