"""What the DHCP server of each network answers, and whom.

A lease is bound to its port, never to the clock: the server knows every port and nobody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from portlight.compiler.legs import advertising_routers
from portlight.compiler.view import HostView
from portlight.core.dns import names_of
from portlight.core.ipam import served_mode
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_DHCP, SERVICE_OWNERS, Port
from portlight.plan.delta import Delta, Edition, delta
from portlight.plan.host import DhcpHost, DhcpOption, DhcpPlan, DhcpSubnet
from portlight.values.addresses import IpAddress
from portlight.values.ids import SubnetId


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDhcp:
    """The server of one network, and what its hosts came from."""

    served: Mapping[SubnetId, Subnet]
    ports: Mapping[object, Port]
    hosts: Edition[object, DhcpHost]
    """By port id."""
    plan: DhcpPlan | None


def compile_dhcp(view: HostView) -> dict[int, DhcpPlan]:
    """Return the server of each network that has a DHCP port and a subnet that wants DHCP."""
    plans = {}
    for key, network in view.networks.items():
        ports = view.ports_of(key)
        part = view.memo.improve(
            ("dhcp", key),
            _network_dhcp,
            network,
            view.subnets_of(key),
            ports,
            not advertising_routers(view, key),
        )
        if part.plan is not None:
            plans[network.number] = part.plan
    return plans


def _network_dhcp(
    network: Network,
    subnets: tuple[Subnet, ...],
    ports: Mapping[object, Port],
    advertises: bool,  # noqa: FBT001 -- an input to remember by
    last: NetworkDhcp | None,
) -> NetworkDhcp:
    served = {subnet.id: subnet for subnet in subnets if subnet.enable_dhcp}
    servers = [port for port in ports.values() if port.device_owner == OWNER_DHCP]
    if not served or not servers:
        return NetworkDhcp(served={}, ports={}, hosts=Edition(), plan=None)
    hosts = _hosts(served, ports, last)
    server = min(servers, key=lambda port: port.number)
    lengths = {subnet.id: subnet.cidr.prefixlen for subnet in subnets}
    plan = DhcpPlan(
        port_number=server.number,
        mac=server.mac,
        addresses=tuple(
            (fixed.address, lengths[fixed.subnet_id])
            for fixed in server.fixed_ips
            if fixed.subnet_id in lengths
        ),
        subnets=tuple(_subnet(subnet) for subnet in served.values()),
        hosts=_in_order(hosts, last),
        mtu=network.mtu,
        domain=network.dns_domain.removesuffix("."),
        advertises=advertises,
    )
    if last is not None and last.plan == plan:
        # The same object says to the driver, too, that there is nothing to render.
        plan = last.plan
    return NetworkDhcp(served=served, ports=ports, hosts=hosts, plan=plan)


def _subnet(subnet: Subnet) -> DhcpSubnet:
    mode = served_mode(subnet)
    return DhcpSubnet(
        cidr=subnet.cidr,
        gateway_ip=subnet.gateway_ip,
        dns_nameservers=subnet.dns_nameservers,
        host_routes=tuple((route.destination, route.nexthop) for route in subnet.host_routes),
        ipv6_mode=mode.value if mode is not None else None,
    )


def _hosts(
    served: Mapping[SubnetId, Subnet], ports: Mapping[object, Port], last: NetworkDhcp | None
) -> Edition[object, DhcpHost]:
    """Return the hosts by port id; only those of changed ports are made anew."""
    same = last is not None and last.served == served
    change = delta(ports, last.ports if last is not None and same else {})
    hosts: Edition[object, DhcpHost] = last.hosts if last is not None and same else Edition()
    put, gone = {}, set(change.remove)
    for key, port in change.put.items():
        addresses = _served_addresses(port, served)
        if not addresses or port.device_owner.startswith(SERVICE_OWNERS):
            gone.add(key)
        elif hosts.get(key) != (host := _host(port, addresses)):
            put[key] = host
    return hosts.with_change(Delta(put=put, remove=frozenset(gone & hosts.keys())))


def _in_order(hosts: Edition[object, DhcpHost], last: NetworkDhcp | None) -> tuple[DhcpHost, ...]:
    if last is not None and last.plan is not None and hosts is last.hosts:
        return last.plan.hosts
    return tuple(sorted(hosts.values(), key=attrgetter("port_number")))


def _served_addresses(port: Port, served: Mapping[SubnetId, Subnet]) -> tuple[IpAddress, ...]:
    return tuple(fixed.address for fixed in port.fixed_ips if fixed.subnet_id in served)


def _host(port: Port, addresses: tuple[IpAddress, ...]) -> DhcpHost:
    names = {name.address: name.hostname for name in names_of(port)}
    return DhcpHost(
        port_number=port.number,
        mac=port.mac,
        hostname=_hostname(names, addresses),
        addresses=addresses,
        options=tuple(
            DhcpOption(name=option.name, value=option.value, ip_version=option.ip_version)
            for option in port.extra_dhcp_options
        ),
        names=tuple((address, names[address]) for address in addresses),
    )


def _hostname(names: Mapping[IpAddress, str], addresses: tuple[IpAddress, ...]) -> str:
    """Return the first label of the first address's name, IPv4 before IPv6."""
    first = min(addresses, key=lambda address: address.version)
    return names[first].partition(".")[0]
