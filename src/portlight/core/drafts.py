"""What a caller asks for, before it is an entity: drafts to create, changes to update.

`UNSET` in a draft or a change means "not given": the domain chooses, or leaves as it is.
Values are already parsed (addresses, ranges); whether they are allowed here is the domain's word.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from portlight.core.instance import InstanceKind
from portlight.core.network import HostRoute, Ipv6Mode
from portlight.core.port import AddressPair, ExtraDhcpOption
from portlight.core.security_group import Direction, EstablishedFlows, EtherType
from portlight.core.virtual_ip import ClaimPolicy, VirtualIpMember
from portlight.values.addresses import (
    AddressRange,
    IpAddress,
    IpInterface,
    IpPrefix,
    MacAddress,
)
from portlight.values.ids import (
    AddressGroupId,
    NetworkId,
    PortId,
    ProjectId,
    SecurityGroupId,
    SubnetId,
    SubnetPoolId,
)

UNSET: Final = msgspec.UNSET
Unset = msgspec.UnsetType


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDraft:
    """Create or change a network."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    admin_state_up: bool | Unset = UNSET
    shared: bool | Unset = UNSET
    """With everyone: the same as an RBAC policy for `*`."""
    mtu: int | Unset = UNSET
    port_security_enabled: bool | Unset = UNSET
    external: bool | Unset = UNSET
    dns_domain: str | Unset = UNSET
    availability_zone_hints: tuple[str, ...] | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetDraft:
    """Create a subnet, or change what can change (not network, prefix, pool or the IPv6 modes)."""

    network_id: NetworkId | Unset = UNSET
    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    ip_version: int | Unset = UNSET
    cidr: IpPrefix | Unset = UNSET
    """UNSET at creation: a prefix of `prefixlen`, or of the usual length, from a pool."""
    prefixlen: int | Unset = UNSET
    subnetpool_id: SubnetPoolId | Unset | None = UNSET
    use_default_subnetpool: bool | Unset = UNSET
    gateway_ip: IpAddress | Unset | None = UNSET
    """None: no gateway. UNSET at creation: the first address."""
    allocation_pools: tuple[AddressRange, ...] | Unset = UNSET
    enable_dhcp: bool | Unset = UNSET
    dns_nameservers: tuple[IpAddress, ...] | Unset = UNSET
    host_routes: tuple[HostRoute, ...] | Unset = UNSET
    ipv6_address_mode: Ipv6Mode | Unset | None = UNSET
    ipv6_ra_mode: Ipv6Mode | Unset | None = UNSET
    service_types: tuple[str, ...] | Unset = UNSET
    dns_publish_fixed_ip: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIpRequest:
    """Ask for an address: of this subnet, this very address, or both."""

    subnet_id: SubnetId | None = None
    address: IpAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedDhcpOption:
    """A DHCP option that the port shall have no more."""

    name: str
    ip_version: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PortDraft:
    """Create or change a port."""

    network_id: NetworkId | Unset = UNSET
    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    mac: MacAddress | Unset = UNSET
    fixed_ips: tuple[FixedIpRequest, ...] | Unset = UNSET
    """UNSET at creation: one address of the first subnet of each family. Empty: none."""
    allowed_address_pairs: tuple[AddressPair, ...] | Unset = UNSET
    security_groups: tuple[SecurityGroupId, ...] | Unset = UNSET
    """UNSET at creation: the project's default group, unless port security is off."""
    port_security_enabled: bool | Unset = UNSET
    port_security_reason: str | Unset = UNSET
    """Why it is off."""
    port_security_seconds: int | Unset | None = UNSET
    """After how long it comes on again; None: never."""
    source_destination_check: bool | Unset = UNSET
    admin_state_up: bool | Unset = UNSET
    device_id: str | Unset = UNSET
    device_owner: str | Unset = UNSET
    delete_on_termination: bool | Unset = UNSET
    extra_dhcp_options: tuple[ExtraDhcpOption | DroppedDhcpOption, ...] | Unset = UNSET
    """Merged by name and IP version with those that the port has."""
    propagate_uplink_status: bool | Unset = UNSET
    binding_profile: str | Unset = UNSET
    dns_name: str | Unset = UNSET
    host: str | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupDraft:
    """Create or change a security group."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    stateful: bool | Unset = UNSET
    established_flows: EstablishedFlows | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupRuleDraft:
    """Create a rule. `port_range_*` are ports, or ICMP type and code, as in Neutron."""

    security_group_id: SecurityGroupId
    direction: Direction
    project_id: ProjectId | Unset = UNSET
    description: str = ""
    tags: frozenset[str] | Unset = UNSET
    ethertype: EtherType = EtherType.IPV4
    protocol: str | None = None
    """Name or number, as the client wrote it."""
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_prefix: IpInterface | None = None
    remote_group_id: SecurityGroupId | None = None
    remote_address_group_id: AddressGroupId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupRuleChange:
    """What can change of a rule."""

    description: str | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpDraft:
    """Reserve a virtual IP (with the subnet, or with one of its addresses), or change it."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    subnet_id: SubnetId | Unset = UNSET
    address: IpAddress | Unset = UNSET
    members: tuple[VirtualIpMember, ...] | Unset = UNSET
    claim_policy: ClaimPolicy | Unset = UNSET
    pinned_owner: PortId | Unset | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceRequest:
    """One interface of a new instance: an existing port, or a new one on a network or subnet."""

    port_id: PortId | None = None
    network_id: NetworkId | None = None
    subnet_id: SubnetId | None = None
    address: IpAddress | None = None
    security_groups: tuple[SecurityGroupId, ...] | Unset = UNSET
    delete_on_termination: bool | Unset = UNSET
    """UNSET: a port made with the instance goes with it, an existing one stays (rows N14, N15)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceDraft:
    """Create an instance."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    kind: InstanceKind = InstanceKind.NAMESPACE
    interfaces: tuple[InterfaceRequest, ...] = ()
    policy_routing: bool | Unset = UNSET
