"""The legs of routers: ports that no guest holds, on internal and external networks."""

from collections.abc import Collection, Iterable

from portlight.core.drafts import UNSET, FixedIpRequest, PortDraft, Unset
from portlight.core.errors_routing import ExternalGatewayAddressError
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_FLOATING_IP, OWNER_ROUTER_INTERFACE, Port
from portlight.core.route_table import RouteTable
from portlight.core.route_tables import own_space
from portlight.core.router import Router
from portlight.service import ports
from portlight.service.work import Work
from portlight.store.protocol import Reading, Where
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import ProjectId, RouterId, SubnetId


def insert(
    work: Work,
    network: Network,
    *,
    owner: tuple[str, str],
    project_id: ProjectId,
    fixed_ips: tuple[FixedIpRequest, ...] | Unset,
) -> Port:
    """Make a port of the network's own; `owner` is its `device_owner` and `device_id`."""
    device_owner, device_id = owner
    is_leg = device_owner != OWNER_FLOATING_IP
    draft = PortDraft(
        project_id=project_id,
        fixed_ips=fixed_ips,
        security_groups=(),
        port_security_enabled=False,
        device_owner=device_owner,
        device_id=device_id,
        host=work.host if is_leg else UNSET,
    )
    return ports.insert(work, draft, network)


def check_not_hosts_own(
    work: Work, network: Network, requests: Iterable[FixedIpRequest], field: str
) -> None:
    """Raise ExternalGatewayAddressError for an address that the host itself has on the network."""
    subnets = work.tx.find(Subnet, {"network_id": [network.id]})
    own = {subnet.gateway_ip for subnet in subnets}
    for request in requests:
        if request.address is not None and request.address in own:
            raise ExternalGatewayAddressError(field, request.address)


def interfaces_of(tx: Reading, router_id: RouterId) -> list[Port]:
    """Return the interfaces of a router, the oldest first."""
    where: Where = {"device_id": [router_id], "device_owner": [OWNER_ROUTER_INTERFACE]}
    return sorted(tx.find(Port, where), key=lambda port: (port.meta.created_at, port.number))


def of_routers(tx: Reading, routers: Collection[RouterId]) -> list[Port]:
    """Return the interfaces of several routers."""
    if not routers:
        return []
    return tx.find(Port, {"device_id": list(routers), "device_owner": [OWNER_ROUTER_INTERFACE]})


def in_subnets(tx: Reading, subnets: Collection[SubnetId]) -> list[Port]:
    """Return the interfaces of any routers in these subnets."""
    if not subnets:
        return []
    return tx.find(Port, {"subnet_id": list(subnets), "device_owner": [OWNER_ROUTER_INTERFACE]})


def tables_of(tx: Reading, router_id: RouterId) -> list[RouteTable]:
    """Return the route tables of a router, the oldest first."""
    found = tx.find(RouteTable, {"router_id": [router_id]})
    return sorted(found, key=lambda table: table.number)


def space_of(tx: Reading, router: Router) -> tuple[IpPrefix, ...]:
    """Return the addresses of a router: a VPC's blocks, or the subnets that it is in."""
    legs = () if router.cidrs else interfaces_of(tx, router.id)
    return own_space(router, [subnet.cidr for subnet in subnets_of(tx, legs)])


def subnets_of(tx: Reading, legs: Iterable[Port]) -> list[Subnet]:
    """Return the subnets that ports have addresses in."""
    ids = {ip.subnet_id for port in legs for ip in port.fixed_ips}
    return tx.find(Subnet, {"id": list(ids)}) if ids else []


def gateway_of(tx: Reading, router: Router) -> Port | None:
    """Return the port of a router's gateway."""
    return None if router.gateway is None else tx.get(Port, router.gateway.port_id)


def joined(tx: Reading, router: Router) -> list[Subnet]:
    """Return every subnet that a router is in, those of the network of its gateway too."""
    found = subnets_of(tx, interfaces_of(tx, router.id))
    if router.gateway is not None:
        found += tx.find(Subnet, {"network_id": [router.gateway.network_id]})
    return found


def reach(tx: Reading, router: Router) -> tuple[list[IpPrefix], set[IpAddress]]:
    """Return the prefixes that a router is connected to, and its addresses there."""
    legs = interfaces_of(tx, router.id)
    gateway = gateway_of(tx, router)
    legs += [] if gateway is None else [gateway]
    own = {ip.address for port in legs for ip in port.fixed_ips}
    return [subnet.cidr for subnet in subnets_of(tx, legs)], own
