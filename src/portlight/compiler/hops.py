"""Where a route leads: from what its next hop names to an address behind an interface.

A hop that is not there (deleted, stopped, a peering that is not active) leads nowhere: the route
stays, as a blackhole.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from portlight.compiler.legs import Connected, Outside
from portlight.compiler.view import HostView
from portlight.core.instance import PowerState
from portlight.core.port import SERVICE_OWNERS, Port
from portlight.core.route_table import HopKind
from portlight.plan.routers import HopPlan
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import (
    InstanceId,
    InternetGatewayId,
    NatGatewayId,
    PeeringId,
    PortId,
    VirtualIpId,
)

Target = tuple[HopKind, str, int]
"""Kind, id and IP version of a next hop that is no address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a router is in the middle of."""

    router: int
    inside: tuple[Connected, ...]
    outside: Outside | None = None
    leads_out: bool = False
    """Everything without a route of its own leaves by the gateway."""
    peers: tuple[tuple[PeeringId, HopPlan], ...] = ()

    def hop_to(self, address: IpAddress) -> HopPlan | None:
        """Return the hop to a neighbour; None when it is in none of the router's subnets."""
        for one in self.inside:
            if _is_in(address, one.cidr):
                return HopPlan(ifname=one.ifname, address=address)
        outside = self.outside
        if outside is not None and any(_is_in(address, prefix) for prefix in outside.prefixes):
            return HopPlan(ifname=outside.ifname, address=address)
        return None


def find_hop(view: HostView, around: Surroundings, target: Target) -> HopPlan | None:
    """Return where a target is; None when it is not there."""
    kind, name, version = target
    match kind:
        case HopKind.PEERING:
            return dict(around.peers).get(PeeringId(name))
        case HopKind.INTERNET_GATEWAY:
            return _through_gateway(view, around, name, version)
        case _:
            addresses = (one for one in _addresses(view, kind, name) if one.version == version)
            hops = (around.hop_to(address) for address in addresses)
            return next((hop for hop in hops if hop is not None), None)


def _addresses(view: HostView, kind: HopKind, name: str) -> Iterator[IpAddress]:
    """Yield the addresses that a target is known by, the first first."""
    topology = view.topology
    if kind is HopKind.VIRTUAL_IP:
        virtual_ip = topology.virtual_ips.get(VirtualIpId(name))
        if virtual_ip is not None:
            yield virtual_ip.address
        return
    for port in _ports(view, kind, name):
        for fixed in port.fixed_ips:
            yield fixed.address


def _ports(view: HostView, kind: HopKind, name: str) -> Iterator[Port]:
    """Yield the ports of a target behind which somebody forwards."""
    ports = view.topology.ports
    match kind:
        case HopKind.PORT:
            port = ports.get(PortId(name))
            if port is not None and (_is_service(port) or _runs(view, port.device_id)):
                yield port
        case HopKind.INSTANCE:
            if _runs(view, name):
                yield from view.held_by(name)
        case HopKind.NAT_GATEWAY:
            gateway = view.nat_gateways.get(NatGatewayId(name))
            if gateway is not None and gateway.port_id in ports:
                yield ports[gateway.port_id]
        case _:
            return


def _through_gateway(
    view: HostView, around: Surroundings, name: str, version: int
) -> HopPlan | None:
    is_there = InternetGatewayId(name) in view.topology.internet_gateways
    return around.outside.hop_to(version) if around.outside is not None and is_there else None


def _is_service(port: Port) -> bool:
    return port.device_owner.startswith(SERVICE_OWNERS)


def _runs(view: HostView, instance: str) -> bool:
    found = view.topology.instances.get(InstanceId(instance))
    return found is not None and found.power_state is PowerState.RUNNING


def _is_in(address: IpAddress, prefix: IpPrefix) -> bool:
    return address.version == prefix.version and address in prefix
