"""Refusals about VPCs, route tables, ways out and peerings."""

from collections.abc import Sequence

from portlight.core.errors import Blocker, ConflictError, InUseError, InvalidRequestError, named
from portlight.values.addresses import IpPrefix
from portlight.values.ids import (
    InternetGatewayId,
    NetworkId,
    PeeringId,
    PortId,
    RouterId,
    RouteTableId,
    SubnetId,
)


class VpcCidrError(InvalidRequestError):
    """The block cannot be (a part of) the address space of a VPC."""

    def __init__(self, field: str, cidr: IpPrefix, rule: str) -> None:
        super().__init__(field, f"{cidr} {rule}")
        self.cidr = cidr


class CidrInUseError(InUseError):
    """Subnets lie in the block that is to leave the address space."""

    def __init__(self, cidr: IpPrefix, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"{cidr} has subnets: {named(blockers)}. Delete them first.", blockers)
        self.cidr = cidr


class VpcInUseError(InUseError):
    """Something in the VPC is in use."""

    def __init__(self, router_id: RouterId, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"VPC {router_id} is in use by {named(blockers)}.", blockers)
        self.router_id = router_id


class VpcSubnetInUseError(InUseError):
    """Guests or gateways use the subnet."""

    def __init__(self, subnet_id: SubnetId, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"Subnet {subnet_id} is in use by {named(blockers)}.", blockers)
        self.subnet_id = subnet_id


class NotInRouterError(ConflictError):
    """The thing is not in the router that it is to be used with."""

    def __init__(self, what: Blocker, router_id: RouterId) -> None:
        super().__init__(f"{what} is not in router {router_id}.")
        self.what = what
        self.router_id = router_id


class DefaultTableError(ConflictError):
    """A router always has a default route table."""

    def __init__(self, table_id: RouteTableId) -> None:
        super().__init__(
            f"Route table {table_id} is its router's default one. Make another one that first."
        )
        self.table_id = table_id


class RouteTableInUseError(InUseError):
    """Subnets follow the table, or an internet gateway is attached to it."""

    def __init__(self, table_id: RouteTableId, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"Route table {table_id} is used by {named(blockers)}.", blockers)
        self.table_id = table_id


class FixedRouteError(ConflictError):
    """The route is the router's own, or comes and goes with an internet gateway."""

    def __init__(self, route_id: str, why: str) -> None:
        super().__init__(f"Route {route_id} cannot be changed or deleted: {why}.")
        self.route_id = route_id


class NextHopError(InvalidRequestError):
    """Nothing in the router's reach is this next hop."""

    def __init__(self, rule: str) -> None:
        super().__init__("gateway", rule)


class GatewayAttachedError(ConflictError):
    """The table has an internet gateway, or the gateway has a table."""

    def __init__(self, gateway_id: InternetGatewayId, table_id: RouteTableId) -> None:
        super().__init__(f"Internet gateway {gateway_id} is attached to route table {table_id}.")
        self.gateway_id = gateway_id
        self.table_id = table_id


class NoGatewayAttachedError(ConflictError):
    """The table has no internet gateway that could be detached."""

    def __init__(self, table_id: RouteTableId) -> None:
        super().__init__(f"Route table {table_id} has no internet gateway.")
        self.table_id = table_id


class InternetGatewayInUseError(InUseError):
    """Floating IPs or routes need the gateway."""

    def __init__(self, gateway_id: InternetGatewayId, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"Internet gateway {gateway_id} is used by {named(blockers)}.", blockers)
        self.gateway_id = gateway_id


class OtherExternalNetworkError(ConflictError):
    """A router has one way out, on one external network."""

    def __init__(self, router_id: RouterId, present: NetworkId, asked: NetworkId) -> None:
        super().__init__(
            f"Router {router_id} has its gateway on network {present}, not on {asked}."
        )
        self.router_id = router_id
        self.present = present
        self.asked = asked


class GatewayRoutesError(InUseError):
    """Routes lead to the gateway or through the peering."""

    def __init__(self, what: Blocker, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"{what} is the next hop of {named(blockers)}.", blockers)
        self.what = what


class PeeringOverlapError(ConflictError):
    """Both sides have the same addresses: nobody could tell where a packet goes."""

    def __init__(self, own: IpPrefix) -> None:
        super().__init__(f"The address spaces overlap: {own} is in use on both sides.")
        self.own = own


class PeeringExistsError(ConflictError):
    """The two routers are joined, or about to be."""

    def __init__(self, peering_id: PeeringId) -> None:
        super().__init__(f"Peering {peering_id} joins these two already.")
        self.peering_id = peering_id


class PeeringStateError(ConflictError):
    """Only a pending peering can be accepted or rejected."""

    def __init__(self, peering_id: PeeringId, status: str) -> None:
        super().__init__(f"Peering {peering_id} is {status}, not PENDING_ACCEPTANCE.")
        self.peering_id = peering_id
        self.status = status


class NotOnInterfaceError(ConflictError):
    """The public address is not on this interface."""

    def __init__(self, public_ip_id: str, port_id: PortId) -> None:
        which = f"Public IP {public_ip_id} is not" if public_ip_id else "No public IP is"
        super().__init__(f"{which} on interface {port_id}.")
        self.public_ip_id = public_ip_id
        self.port_id = port_id
