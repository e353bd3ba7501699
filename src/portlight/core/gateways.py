"""Ways out of a VPC, and between VPCs. Meaning: docs/design/routing.md, sections 3 and 5."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.meta import Meta
from portlight.values.ids import (
    FloatingIpId,
    InternetGatewayId,
    NatGatewayId,
    NetworkId,
    PeeringId,
    PortId,
    ProjectId,
    RouterId,
    RouteTableId,
    SubnetId,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InternetGateway:
    """Gives the VPC of the route table that it is attached to a leg on an external network."""

    id: InternetGatewayId
    meta: Meta
    external_network_id: NetworkId
    route_table_id: RouteTableId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NatGateway:
    """Lets what is routed to it leave with the address of a floating IP of its own."""

    id: NatGatewayId
    number: int
    """From the sequence of routers: it is a small router of its own in the data plane."""
    meta: Meta
    router_id: RouterId
    subnet_id: SubnetId
    port_id: PortId
    """Its interface in the subnet (owner `network:nat_gateway`)."""
    floating_ip_id: FloatingIpId


class PeeringStatus(StrEnum):
    """Packets cross only an active peering."""

    PENDING_ACCEPTANCE = "PENDING_ACCEPTANCE"
    ACTIVE = "ACTIVE"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """Joins two routers; each side's routes say what crosses it."""

    id: PeeringId
    number: int
    """1..2^31-1, unique for ever within a deployment; names the link."""
    meta: Meta
    """Of the requester's project."""
    router_id: RouterId
    peer_router_id: RouterId
    peer_project_id: ProjectId
    status: PeeringStatus
