"""Networks and subnets."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.meta import Meta
from portlight.values.addresses import AddressRange, IpAddress, IpPrefix
from portlight.values.ids import NetworkId, ProjectId, SubnetId, SubnetPoolId


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One layer-2 domain."""

    id: NetworkId
    number: int
    """1..2^24-1, unique for ever within a deployment; the VNI between hosts."""
    meta: Meta
    admin_state_up: bool = True
    mtu: int = 1500
    port_security_enabled: bool = True
    """The default for new ports of this network."""
    dns_domain: str = ""
    """Fully qualified, with the final dot; empty: none."""
    availability_zone_hints: tuple[str, ...] = ()


class Ipv6Mode(StrEnum):
    """How guests learn IPv6 addresses (Neutron's `ipv6_address_mode`/`ipv6_ra_mode`)."""

    SLAAC = "slaac"
    DHCPV6_STATEFUL = "dhcpv6-stateful"
    DHCPV6_STATELESS = "dhcpv6-stateless"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRoute:
    """A route handed to guests by DHCP (option 121)."""

    destination: IpPrefix
    nexthop: IpAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A range of addresses of one family on a network."""

    id: SubnetId
    network_id: NetworkId
    meta: Meta
    cidr: IpPrefix
    gateway_ip: IpAddress | None
    allocation_pools: tuple[AddressRange, ...]
    """Sorted, disjoint, inside `cidr`, without the gateway."""
    network_owner: ProjectId | None = None
    """The project of the network, when it is another one than the subnet's."""
    enable_dhcp: bool = True
    dns_nameservers: tuple[IpAddress, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_address_mode: Ipv6Mode | None = None
    ipv6_ra_mode: Ipv6Mode | None = None
    subnetpool_id: SubnetPoolId | None = None
    """Where the cidr is from, and goes back to."""
    service_types: tuple[str, ...] = ()
    """Sorted. Only ports with one of these as `device_owner` get addresses; empty: all ports."""
    dns_publish_fixed_ip: bool = False
