"""Refusals about networks, subnets and addresses. The words follow Neutron's."""

from collections.abc import Sequence

from portlight.core.errors import (
    Blocker,
    ConflictError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    named,
)
from portlight.values.addresses import AddressRange, IpAddress, IpPrefix, MacAddress
from portlight.values.ids import HostId, HostName, NetworkId, SubnetId


class SubnetOverlapError(InvalidRequestError):
    """The new subnet shares addresses with another one of its network."""

    def __init__(self, cidr: IpPrefix, subnet_id: SubnetId, other: IpPrefix) -> None:
        super().__init__("cidr", f"{cidr} overlaps with subnet {subnet_id} ({other})")
        self.cidr = cidr
        self.subnet_id = subnet_id
        self.other = other


class SubnetServiceTypeError(InvalidRequestError):
    """No port can have this as its `device_owner`."""

    def __init__(self, service_type: str) -> None:
        super().__init__(
            "service_types",
            f"Subnet service type {service_type} does not correspond to a valid device owner",
        )
        self.service_type = service_type


class NoServiceSubnetError(ConflictError):
    """Every subnet of the network is for ports of other owners."""

    def __init__(self, network_id: NetworkId, device_owner: str) -> None:
        super().__init__(
            f"No valid service subnet for the given device owner, network {network_id}, "
            f"service type {device_owner}."
        )
        self.network_id = network_id
        self.device_owner = device_owner


class AvailabilityZoneNotFoundError(NotFoundError):
    """No host is in the zone."""

    def __init__(self, zone: str) -> None:
        super().__init__("AvailabilityZone", zone)


class HostAliveError(ConflictError):
    """The agent of the host that is to be forgotten still reports."""

    def __init__(self, host_id: HostId, name: HostName) -> None:
        super().__init__(f"Agent {host_id} of host {name} is alive. Stop it first.")
        self.host_id = host_id
        self.name = name


class DnsDomainError(InvalidRequestError):
    """The text is no fully qualified domain name."""

    def __init__(self, domain: str, rule: str) -> None:
        super().__init__("dns_domain", f"'{domain}' is not a valid FQDN: {rule}")
        self.domain = domain


class InvalidIpForSubnetError(InvalidRequestError):
    """The address is no host address of the subnet."""

    def __init__(self, address: IpAddress, cidr: IpPrefix) -> None:
        super().__init__(
            "fixed_ips",
            f"IP address {address} is not a valid IP for the specified subnet ({cidr})",
        )
        self.address = address
        self.cidr = cidr


class InvalidIpForNetworkError(InvalidRequestError):
    """No subnet of the network has this address."""

    def __init__(self, address: IpAddress, network_id: NetworkId) -> None:
        super().__init__(
            "fixed_ips",
            f"IP address {address} is not a valid IP for any of the subnets on the specified "
            f"network ({network_id})",
        )
        self.address = address
        self.network_id = network_id


class AutoAddressSubnetError(InvalidRequestError):
    """The guest makes its own address in this subnet (SLAAC), so none can be chosen."""

    def __init__(self, address: IpAddress, subnet_id: SubnetId) -> None:
        super().__init__(
            "fixed_ips",
            f"IPv6 address {address} can not be directly assigned to a port on subnet "
            f"{subnet_id} as the subnet is configured for automatic addresses",
        )
        self.address = address
        self.subnet_id = subnet_id


class AllocationPoolOutOfBoundsError(InvalidRequestError):
    """A pool is not wholly inside the subnet."""

    def __init__(self, pool: AddressRange, cidr: IpPrefix) -> None:
        super().__init__(
            "allocation_pools",
            f"the allocation pool {pool.first}-{pool.last} spans beyond the subnet cidr {cidr}",
        )
        self.pool = pool
        self.cidr = cidr


class AllocationPoolsOverlapError(ConflictError):
    """Two pools of a subnet share addresses."""

    def __init__(self, first: AddressRange, second: AddressRange) -> None:
        super().__init__(
            f"Found overlapping allocation pools: {first.first}-{first.last} "
            f"and {second.first}-{second.last}."
        )
        self.first = first
        self.second = second


class GatewayInAllocationPoolError(ConflictError):
    """A pool holds the gateway address, which no port may be given by chance."""

    def __init__(self, gateway: IpAddress, pool: AddressRange) -> None:
        super().__init__(
            f"Gateway ip {gateway} conflicts with allocation pool {pool.first}-{pool.last}."
        )
        self.gateway = gateway
        self.pool = pool


class GatewayInUseError(ConflictError):
    """A port already has the address that is to become the gateway."""

    def __init__(self, gateway: IpAddress, port_id: str) -> None:
        super().__init__(
            f"Current gateway ip {gateway} already in use by port {port_id}. Unable to update."
        )
        self.gateway = gateway
        self.port_id = port_id


class NetworkInUseError(InUseError):
    """The network still has ports."""

    def __init__(self, network_id: NetworkId, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"Unable to complete operation on network {network_id}. There are one or more ports "
            f"still in use on the network: {named(blockers)}.",
            blockers,
        )
        self.network_id = network_id


class NetworkSharedInUseError(InUseError):
    """Other projects have ports on the network, so it cannot become private."""

    def __init__(self, network_id: NetworkId, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"Unable to reconfigure sharing settings for network {network_id}. "
            f"Multiple tenants are using it: {named(blockers)}.",
            blockers,
        )
        self.network_id = network_id


class SubnetInUseError(InUseError):
    """Ports still have addresses of the subnet."""

    def __init__(self, subnet_id: SubnetId, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"Unable to complete operation on subnet {subnet_id}: One or more ports have an IP "
            f"allocation from this subnet: {named(blockers)}.",
            blockers,
        )
        self.subnet_id = subnet_id


class IpAddressInUseError(ConflictError):
    """Another port has the address."""

    def __init__(self, network_id: NetworkId, address: IpAddress) -> None:
        super().__init__(
            f"Unable to complete operation for network {network_id}. "
            f"The IP address {address} is in use."
        )
        self.network_id = network_id
        self.address = address


class NoFreeAddressError(ConflictError):
    """Every address of the pools is taken."""

    def __init__(self, network_id: NetworkId, subnet_ids: Sequence[SubnetId]) -> None:
        super().__init__(
            f"No more IP addresses available on network {network_id} "
            f"(subnets {', '.join(subnet_ids) or 'none'})."
        )
        self.network_id = network_id
        self.subnet_ids = tuple(subnet_ids)


class MacAddressInUseError(ConflictError):
    """Another port of the network has the MAC address."""

    def __init__(self, network_id: NetworkId, mac: MacAddress) -> None:
        super().__init__(
            f"Unable to complete operation for network {network_id}. "
            f"The mac address {mac} is in use."
        )
        self.network_id = network_id
        self.mac = mac
