"""What a caller asks for about VPCs, route tables, ways out and peerings."""

from dataclasses import dataclass

from portlight.core.drafts import UNSET, Unset
from portlight.core.route_table import HopKind
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import (
    FloatingIpId,
    NetworkId,
    ProjectId,
    RouterId,
    RouteTableId,
    SubnetId,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcDraft:
    """Create a VPC, or change its name or address space."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    cidrs: tuple[IpPrefix, ...] | Unset = UNSET
    """The whole address space; the first block stays what it is."""
    external_network_id: NetworkId | Unset = UNSET
    """At creation: give it an internet gateway there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcSubnetDraft:
    """Create a subnet of a VPC with its network and the VPC's interface, or change its name."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    router_id: RouterId | Unset = UNSET
    cidr: IpPrefix | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTableDraft:
    """Create a route table of a router, or change it."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    router_id: RouterId | Unset = UNSET
    distributed: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """Where a route leads, as it was asked for."""

    kind: HopKind | None = None
    """None: what `target` is the id of shows it."""
    target: str = ""
    address: IpAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDraft:
    """Create a route, or lead it elsewhere."""

    route_table_id: RouteTableId | Unset = UNSET
    destination: IpPrefix | Unset = UNSET
    hop: NextHop | Unset = UNSET
    description: str | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class InternetGatewayDraft:
    """Create an internet gateway, or rename it."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    external_network_id: NetworkId | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class NatGatewayDraft:
    """Create a NAT gateway, or rename it."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    router_id: RouterId | Unset = UNSET
    subnet_id: SubnetId | Unset = UNSET
    floating_ip_id: FloatingIpId | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class PeeringDraft:
    """Ask for a peering, or rename it."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    router_id: RouterId | Unset = UNSET
    peer_router_id: RouterId | Unset = UNSET
    peer_project_id: ProjectId | Unset = UNSET
    """UNSET: the requester's own."""
