"""What a route can lead to: whether it is there and in the router's reach, and how it fares.

A hop that goes away does not take its routes along: they stay, and are blackholes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from portlight.core.drafts_vpc import NextHop
from portlight.core.errors import Blocker, NotFoundError
from portlight.core.errors_vpc import NextHopError, NotInRouterError
from portlight.core.gateways import InternetGateway, NatGateway, Peering, PeeringStatus
from portlight.core.instance import Instance
from portlight.core.network import Subnet
from portlight.core.port import FixedIp, Port
from portlight.core.route_table import HopKind, RouteTable
from portlight.core.route_tables import is_default
from portlight.core.router import Router
from portlight.core.virtual_ip import VirtualIp
from portlight.service import ports
from portlight.service.router_ports import interfaces_of, reach, subnets_of
from portlight.service.sharing import Owned
from portlight.service.work import LABELS, Work, load
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import RouterId, SubnetId

KINDS: Mapping[HopKind, type[Owned]] = {
    HopKind.PORT: Port,
    HopKind.VIRTUAL_IP: VirtualIp,
    HopKind.INSTANCE: Instance,
    HopKind.NAT_GATEWAY: NatGateway,
    HopKind.PEERING: Peering,
    HopKind.INTERNET_GATEWAY: InternetGateway,
}
"""What the target of each kind of hop is; in this order an id alone is looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a router can hand packets to."""

    router_id: RouterId
    subnets: Mapping[SubnetId, Subnet]
    connected: tuple[IpPrefix, ...]
    """Where it has neighbours, on its external network too."""
    own_addresses: frozenset[IpAddress]

    def has(self, fixed_ips: Sequence[FixedIp], version: int) -> bool:
        """Whether one of the addresses is of this family and in a subnet of the router."""
        return any(
            ip.subnet_id in self.subnets and ip.address.version == version for ip in fixed_ips
        )


def reach_of(work: Work, router: Router) -> Reach:
    """Return the reach of a router."""
    connected, own = reach(work.tx, router)
    legs = interfaces_of(work.tx, router.id)
    return Reach(
        router_id=router.id,
        subnets={subnet.id: subnet for subnet in subnets_of(work.tx, legs)},
        connected=tuple(connected),
        own_addresses=frozenset(own),
    )


def settle(work: Work, reach: Reach, destination: IpPrefix, hop: NextHop) -> NextHop:
    """Return the hop with its kind; raise a domain error when a route cannot lead there."""
    if hop.address is not None:
        _check_address(reach, hop.address)
        return NextHop(kind=HopKind.ADDRESS, address=hop.address)
    if not hop.target:
        return NextHop(kind=hop.kind)
    kind = _kind_of(work, hop.target) if hop.kind is None else hop.kind
    if kind not in KINDS:
        raise NextHopError(f"{kind} has no id")
    entity = load(work, KINDS[kind], hop.target)
    virtual_ip = _virtual_ip_of(work, entity)
    if virtual_ip is not None:
        kind, entity = HopKind.VIRTUAL_IP, virtual_ip
    _CHECKS[kind](work, reach, destination, entity)
    return NextHop(kind=kind, target=hop.target if virtual_ip is None else virtual_ip.id)


def _kind_of(work: Work, target: str) -> HopKind:
    for kind, entity in KINDS.items():
        if work.tx.get(entity, target) is not None:
            return kind
    raise NotFoundError("NextHop", target)


def _virtual_ip_of(work: Work, entity: Owned) -> VirtualIp | None:
    """Return the virtual IP that a port keeps the address of: its owner is then the hop."""
    if not isinstance(entity, Port):
        return None
    found = work.tx.find(VirtualIp, {"port_id": [entity.id]})
    return found[0] if found else None


def _check_address(reach: Reach, address: IpAddress) -> None:
    if not any(address in prefix for prefix in reach.connected):
        raise NextHopError(f"{address} is in no subnet of the router")
    if address in reach.own_addresses:
        raise NextHopError(f"{address} is the router's own address")


def _refuse(reach: Reach, entity: Owned, identifier: str) -> None:
    what = Blocker(kind=LABELS[type(entity)], id=identifier)
    raise NotInRouterError(what, reach.router_id)


def _check_port(_work: Work, reach: Reach, destination: IpPrefix, port: Port) -> None:
    if not reach.has(port.fixed_ips, destination.version):
        _refuse(reach, port, port.id)


def _check_virtual_ip(
    _work: Work, reach: Reach, destination: IpPrefix, virtual_ip: VirtualIp
) -> None:
    if virtual_ip.subnet_id not in reach.subnets:
        _refuse(reach, virtual_ip, virtual_ip.id)
    if virtual_ip.address.version != destination.version:
        raise NextHopError(f"{virtual_ip.address} is not of the family of {destination}")


def _check_instance(work: Work, reach: Reach, destination: IpPrefix, instance: Instance) -> None:
    interfaces = ports.interfaces_of(work, instance.id)
    if not any(reach.has(port.fixed_ips, destination.version) for port in interfaces):
        _refuse(reach, instance, instance.id)


def _check_nat_gateway(
    _work: Work, reach: Reach, destination: IpPrefix, gateway: NatGateway
) -> None:
    if gateway.router_id != reach.router_id:
        _refuse(reach, gateway, gateway.id)
    if destination.version != 4:  # noqa: PLR2004 -- IPv4
        raise NextHopError("a NAT gateway translates IPv4 only")


def _check_peering(_work: Work, reach: Reach, _destination: IpPrefix, peering: Peering) -> None:
    if reach.router_id not in (peering.router_id, peering.peer_router_id):
        _refuse(reach, peering, peering.id)
    if peering.status is PeeringStatus.REJECTED:
        raise NextHopError(f"peering {peering.id} was rejected")


def _check_internet_gateway(
    work: Work, reach: Reach, destination: IpPrefix, gateway: InternetGateway
) -> None:
    table = gateway.route_table_id and work.tx.get(RouteTable, gateway.route_table_id)
    if not table or table.router_id != reach.router_id:
        _refuse(reach, gateway, gateway.id)
    if is_default(destination):
        raise NextHopError("this route comes with attaching the internet gateway to the table")


_CHECKS: Mapping[HopKind, Callable[..., None]] = {
    HopKind.PORT: _check_port,
    HopKind.VIRTUAL_IP: _check_virtual_ip,
    HopKind.INSTANCE: _check_instance,
    HopKind.NAT_GATEWAY: _check_nat_gateway,
    HopKind.PEERING: _check_peering,
    HopKind.INTERNET_GATEWAY: _check_internet_gateway,
}
