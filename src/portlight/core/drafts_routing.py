"""What a caller asks for about routers and public addresses. `UNSET` is as in `drafts`."""

from dataclasses import dataclass

from portlight.core.drafts import UNSET, FixedIpRequest, Unset
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import FloatingIpId, NetworkId, PortId, ProjectId, SubnetId
from portlight.values.ranges import PortRange


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDraft:
    """A router's leg on an external network."""

    network_id: NetworkId
    enable_snat: bool | Unset = UNSET
    """UNSET: yes."""
    fixed_ips: tuple[FixedIpRequest, ...] | Unset = UNSET
    """UNSET: those that it has on this network, or one of each family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A route by the address of its next hop, as plain routers have them."""

    destination: IpPrefix
    address: IpAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterDraft:
    """Create or change a router."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    admin_state_up: bool | Unset = UNSET
    cidrs: tuple[IpPrefix, ...] | Unset = UNSET
    """An address space makes it a VPC."""
    gateway: GatewayDraft | Unset | None = UNSET
    """None: no gateway (any more)."""
    hops: tuple[Hop, ...] | Unset = UNSET
    """All routes of its default table that go to an address; the others stay."""
    availability_zone_hints: tuple[str, ...] | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceDraft:
    """An interface of a router: by its subnet, or by its port."""

    subnet_id: SubnetId | None = None
    port_id: PortId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIpDraft:
    """Take a public address, or change what it leads to."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    floating_network_id: NetworkId | Unset = UNSET
    subnet_id: SubnetId | Unset | None = UNSET
    """Of the external network; only at creation."""
    address: IpAddress | Unset | None = UNSET
    """This very one; only at creation."""
    port_id: PortId | Unset | None = UNSET
    """None: leads nowhere (any more)."""
    fixed_ip_address: IpAddress | Unset | None = UNSET
    """Which address of the port; needed when it has several of IPv4."""
    label: str | Unset = UNSET
    delete_protection: bool | Unset = UNSET
    drains: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class PortForwardingDraft:
    """Lead ports of a floating IP to ports of a guest, or somewhere else from now on."""

    floating_ip_id: FloatingIpId | Unset = UNSET
    """Only at creation."""
    description: str | Unset = UNSET
    name: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    protocol: int | Unset = UNSET
    external_ports: PortRange | Unset = UNSET
    internal_ports: PortRange | Unset = UNSET
    internal_port_id: PortId | Unset = UNSET
    internal_address: IpAddress | Unset = UNSET
