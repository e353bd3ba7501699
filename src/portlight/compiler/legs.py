"""The interfaces of routers, and what each of them is connected to."""

from collections.abc import Iterable
from dataclasses import dataclass

from portlight.compiler.view import HostView
from portlight.core.ipam import served_mode
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.plan.routers import AdvertisedPrefix, HopPlan, LegPlan, leg_ifname
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import NetworkId, PortId, SubnetId

_IPV6 = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A subnet that a router is in."""

    subnet_id: SubnetId
    cidr: IpPrefix
    ifname: str
    port_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A leg on an external network: the way to everything."""

    ifname: str
    prefixes: tuple[IpPrefix, ...]
    """On the network itself."""
    gateways: tuple[IpAddress, ...]
    """At most one of each family; behind them is the rest of the world."""

    def hop_to(self, version: int) -> HopPlan | None:
        """Return the hop to everything of a family; None when nothing leads there."""
        for address in self.gateways:
            if address.version == version:
                return HopPlan(ifname=self.ifname, address=address)
        return None


def inside_leg(view: HostView, port: Port) -> LegPlan:
    """Return the leg of an interface of a router."""
    network, subnets = view.networks[port.network_id], view.subnets_of(port.network_id)
    return view.memo.recall(("leg", port.id), _inside_leg, port, network, subnets)


def outside_leg(view: HostView, port: Port, *, addressed: bool = True) -> LegPlan:
    """Return the leg of a gateway; its addresses may be kept elsewhere."""
    network, subnets = view.networks[port.network_id], view.subnets_of(port.network_id)
    return view.memo.recall(("leg", port.id), _outside_leg, port, network, subnets, addressed)


def gateway_port(view: HostView, port_id: PortId | None) -> Port | None:
    """Return a port on an external network of this host, if it is there."""
    port = view.topology.ports.get(port_id) if port_id is not None else None
    return port if port is not None and port.network_id in view.networks else None


def outside_of(view: HostView, port: Port) -> Outside:
    """Return what is reached by a port on an external network."""
    subnets = view.subnets_of(port.network_id)
    gateways: dict[int, IpAddress] = {}
    for subnet in subnets:
        if subnet.gateway_ip is not None:
            gateways.setdefault(subnet.cidr.version, subnet.gateway_ip)
    return Outside(
        ifname=leg_ifname(port.number),
        prefixes=tuple(subnet.cidr for subnet in subnets),
        gateways=tuple(gateways.values()),
    )


def connected(view: HostView, ports: Iterable[Port]) -> tuple[Connected, ...]:
    """Return the subnets that these interfaces are in, in the order of the interfaces."""
    found: dict[SubnetId, Connected] = {}
    for port in ports:
        for fixed in port.fixed_ips:
            subnet = view.topology.subnets.get(fixed.subnet_id)
            if subnet is not None:
                found.setdefault(
                    subnet.id,
                    Connected(
                        subnet_id=subnet.id,
                        cidr=subnet.cidr,
                        ifname=leg_ifname(port.number),
                        port_number=port.number,
                    ),
                )
    return tuple(found.values())


def advertising_routers(view: HostView, network: NetworkId) -> bool:
    """Whether a router of this host tells the guests of a network that it is one (IPv6)."""
    return any(
        fixed.address.version == _IPV6
        for port in view.routers_in(network)
        for fixed in port.fixed_ips
    )


def _inside_leg(port: Port, network: Network, subnets: tuple[Subnet, ...]) -> LegPlan:
    speaks_ipv6 = any(fixed.address.version == _IPV6 for fixed in port.fixed_ips)
    return _leg(
        port,
        network,
        subnets,
        advertised=tuple(
            AdvertisedPrefix(
                cidr=subnet.cidr, mode=mode.value, dns_nameservers=subnet.dns_nameservers
            )
            for subnet in subnets
            if speaks_ipv6 and (mode := served_mode(subnet)) is not None
        ),
    )


def _outside_leg(
    port: Port,
    network: Network,
    subnets: tuple[Subnet, ...],
    addressed: bool,  # noqa: FBT001 -- an input to remember by
) -> LegPlan:
    return _leg(port, network, subnets if addressed else (), is_outside=True)


def _leg(
    port: Port,
    network: Network,
    subnets: tuple[Subnet, ...],
    *,
    is_outside: bool = False,
    advertised: tuple[AdvertisedPrefix, ...] = (),
) -> LegPlan:
    lengths = {subnet.id: subnet.cidr.prefixlen for subnet in subnets}
    return LegPlan(
        port_number=port.number,
        network=network.number,
        ifname=leg_ifname(port.number),
        mac=port.mac,
        mtu=network.mtu,
        addresses=tuple(
            (fixed.address, lengths[fixed.subnet_id])
            for fixed in port.fixed_ips
            if fixed.subnet_id in lengths
        ),
        up=port.admin_state_up and network.admin_state_up,
        is_outside=is_outside,
        advertised=advertised,
    )
