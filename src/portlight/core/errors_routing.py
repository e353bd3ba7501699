"""Refusals about routers, routes and public addresses. The words follow Neutron's."""

from collections.abc import Sequence

from portlight.core.drafts_routing import Hop
from portlight.core.errors import (
    Blocker,
    ConflictError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    named,
)
from portlight.core.network import Subnet
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import FloatingIpId, NetworkId, PortId, RouterId, SubnetId


class RouterRequestError(InvalidRequestError):
    """What is asked of a router cannot be, whatever the field."""

    def __init__(self, rule: str) -> None:
        super().__init__("router", rule)


class RouterInUseError(InUseError):
    """The router still has interfaces, or others need it."""

    def __init__(self, router_id: RouterId, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"Router {router_id} still has ports: {named(blockers)}.", blockers)
        self.router_id = router_id


class RouterSubnetOverlapError(InvalidRequestError):
    """Two subnets of one router share addresses (row H143)."""

    def __init__(self, subnet: Subnet, other: Subnet) -> None:
        super().__init__(
            "router",
            f"Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {other.cidr} of subnet "
            f"{other.id}",
        )
        self.subnet = subnet
        self.other = other


class PeerOverlapError(ConflictError):
    """A subnet shares addresses with what a peering leads to."""

    def __init__(self, cidr: IpPrefix, peer_id: RouterId, other: IpPrefix) -> None:
        super().__init__(f"{cidr} overlaps with {other} of router {peer_id}, which is a peer.")
        self.cidr = cidr
        self.peer_id = peer_id
        self.other = other


class SubnetOutsideAddressSpaceError(InvalidRequestError):
    """A subnet of a VPC lies within its address space."""

    def __init__(self, cidr: IpPrefix, router_id: RouterId, space: Sequence[IpPrefix]) -> None:
        super().__init__(
            "cidr", f"{cidr} is not within {', '.join(map(str, space))} of VPC {router_id}"
        )
        self.cidr = cidr
        self.router_id = router_id
        self.space = tuple(space)


class RouterInterfaceNotFoundError(NotFoundError):
    """The port is no interface of the router."""

    def __init__(self, router_id: RouterId, port_id: PortId) -> None:
        super().__init__(
            "RouterInterface",
            port_id,
            f"Router {router_id} does not have an interface with id {port_id}",
        )
        self.router_id = router_id


class RouterInterfaceNotFoundForSubnetError(NotFoundError):
    """The router has no interface in the subnet."""

    def __init__(self, router_id: RouterId, subnet_id: SubnetId) -> None:
        super().__init__(
            "RouterInterface",
            subnet_id,
            f"Router {router_id} has no interface on subnet {subnet_id}",
        )
        self.router_id = router_id


class SubnetMismatchForPortError(InvalidRequestError):
    """The port has no address in the subnet that was named with it."""

    def __init__(self, port_id: PortId, subnet_id: SubnetId) -> None:
        super().__init__(
            "subnet_id",
            f"Subnet on port {port_id} does not match the requested subnet {subnet_id}",
        )
        self.port_id = port_id
        self.subnet_id = subnet_id


class RouterInterfaceInUseError(InUseError):
    """Something needs the router's interface in a subnet: what is said in `by`."""

    def __init__(
        self, router_id: RouterId, subnet_id: SubnetId, by: str, blockers: Sequence[Blocker]
    ) -> None:
        super().__init__(
            f"Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as "
            f"it is required by one or more {by}: {named(blockers)}.",
            blockers,
        )
        self.router_id = router_id
        self.subnet_id = subnet_id


class RouterInterfaceInUseByRouteError(RouterInterfaceInUseError):
    """The next hop of a route is reached by the interface."""

    def __init__(
        self, router_id: RouterId, subnet_id: SubnetId, blockers: Sequence[Blocker]
    ) -> None:
        super().__init__(router_id, subnet_id, "routes", blockers)


class RouterInterfaceInUseByFloatingIpError(RouterInterfaceInUseError):
    """What a floating IP stands for is reached by the interface."""

    def __init__(
        self, router_id: RouterId, subnet_id: SubnetId, blockers: Sequence[Blocker]
    ) -> None:
        super().__init__(router_id, subnet_id, "floating IPs", blockers)


class RouterGatewayInUseError(InUseError):
    """Floating IPs are reached by the gateway, or something else of ours keeps it."""

    def __init__(
        self, router_id: RouterId, network_id: NetworkId, blockers: Sequence[Blocker]
    ) -> None:
        super().__init__(
            f"Gateway cannot be updated for router {router_id}, since a gateway to external "
            f"network {network_id} is required by one or more floating IPs: {named(blockers)}.",
            blockers,
        )
        self.router_id = router_id
        self.network_id = network_id


class InvalidRoutesError(InvalidRequestError):
    """A route cannot be one of this router."""

    def __init__(self, hops: Sequence[Hop], rule: str) -> None:
        words = ", ".join(f"{hop.destination} via {hop.address}" for hop in hops)
        super().__init__("routes", f"Invalid format for routes: [{words}], {rule}")
        self.hops = tuple(hops)


class RoutesExhaustedError(InvalidRequestError):
    """The table is full."""

    def __init__(self, router_id: RouterId, limit: int) -> None:
        super().__init__(
            "routes",
            f"Unable to complete operation for {router_id}. The number of routes exceeds the "
            f"maximum {limit}",
        )
        self.router_id = router_id
        self.limit = limit


class RouteExistsError(ConflictError):
    """The table has another way to the same destination that cannot share it."""

    def __init__(self, destination: IpPrefix, route_id: str) -> None:
        super().__init__(f"There is a route to {destination} already: {route_id}.")
        self.destination = destination
        self.route_id = route_id


class ExternalGatewayAddressError(InvalidRequestError):
    """The host itself has the gateway address of an external network."""

    def __init__(self, field: str, address: IpAddress) -> None:
        super().__init__(field, f"External IP {address} is the same as the gateway IP")
        self.address = address


class NotExternalError(InvalidRequestError):
    """The network is none to the outside."""

    def __init__(self, field: str, network_id: NetworkId) -> None:
        super().__init__(field, f"Network {network_id} is not a valid external network")
        self.network_id = network_id


class ExternalNetworkInUseError(InUseError):
    """Routers have their gateway, or public addresses are held, on the network."""

    def __init__(self, network_id: NetworkId, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"External network {network_id} cannot be updated to be made non-external, since it "
            f"has existing gateway ports: {named(blockers)}.",
            blockers,
        )
        self.network_id = network_id


class ExternalAddressExhaustedError(InvalidRequestError):
    """Every address of the external network is taken."""

    def __init__(self, network_id: NetworkId) -> None:
        super().__init__(
            "floating_network_id",
            f"Unable to find any IP address on external network {network_id}",
        )
        self.network_id = network_id


class ExternalGatewayForFloatingIpNotFoundError(NotFoundError):
    """No router leads from the external network to the subnet of the port."""

    def __init__(self, network_id: NetworkId, subnet_id: SubnetId, port_id: PortId) -> None:
        super().__init__(
            "ExternalGatewayForFloatingIP",
            port_id,
            f"External network {network_id} is not reachable from subnet {subnet_id}.  "
            f"Therefore, cannot associate Port {port_id} with a Floating IP.",
        )
        self.network_id = network_id
        self.subnet_id = subnet_id


class FloatingIpPortAlreadyAssociatedError(ConflictError):
    """Another floating IP stands for the same address of the port."""

    def __init__(self, floating_ip_id: FloatingIpId, port_id: PortId, address: IpAddress) -> None:
        super().__init__(
            f"Cannot associate floating IP with port {port_id} using fixed IP {address}, as that "
            f"fixed IP already has a floating IP: {floating_ip_id}."
        )
        self.floating_ip_id = floating_ip_id
        self.port_id = port_id
        self.address = address


class FloatingIpProtectedError(ConflictError):
    """Its owner has protected the address from deletion (row P17)."""

    def __init__(self, floating_ip_id: FloatingIpId) -> None:
        super().__init__(
            f"Floating IP {floating_ip_id} is protected from deletion. "
            "Set delete_protection to false first."
        )
        self.floating_ip_id = floating_ip_id


class FloatingIpInUseError(InUseError):
    """A NAT gateway or port forwardings have the address."""

    def __init__(self, floating_ip_id: FloatingIpId, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"Floating IP {floating_ip_id} is used by {named(blockers)}.", blockers)
        self.floating_ip_id = floating_ip_id


class FloatingIpForwardsError(FloatingIpInUseError):
    """The address has port forwardings."""


class PortHasFloatingIpError(InUseError):
    """A floating IP stands for an address of the port (rows N18, N20)."""

    def __init__(self, port_id: PortId, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"Unable to complete the operation on port {port_id} because the port still has an "
            f"associated floating IP: {named(blockers)}.",
            blockers,
        )
        self.port_id = port_id


class PortHasBindingFloatingIpError(ConflictError):
    """The floating IP, or the address behind it, is associated: no single ports can be led."""

    def __init__(self, floating_ip_id: FloatingIpId, port_id: PortId, address: IpAddress) -> None:
        super().__init__(
            f"Cannot create port forwarding to floating IP {floating_ip_id} with port {port_id} "
            f"using fixed IP {address}, as that port already has a binding floating IP."
        )
        self.floating_ip_id = floating_ip_id
        self.port_id = port_id
        self.address = address


class DuplicatePortForwardingError(InvalidRequestError):
    """Another forwarding has the same ports of the floating IP, or of the guest."""

    def __init__(self, other: str, conflict: str) -> None:
        super().__init__(
            "port_forwarding",
            "A duplicate port forwarding entry with same attributes already exists, "
            f"conflicting values are {conflict} ({other})",
        )
        self.other = other
