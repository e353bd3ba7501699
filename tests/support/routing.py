"""Routers in a cloud to test with, and what they join."""

from tests.support.clouds import MEMBER, World, a_network, a_subnet

from portlight.core.drafts_routing import GatewayDraft, Hop, InterfaceDraft, RouterDraft
from portlight.core.network import Network, Subnet
from portlight.core.router import Router
from portlight.service.router_interfaces import Interface
from portlight.values.addresses import parse_ip, parse_prefix


def a_router(world: World, **fields: object) -> Router:
    return world.cloud.routers.create(MEMBER, RouterDraft(name="r", **fields))  # type: ignore[arg-type]


def join(world: World, router: Router, subnet: Subnet) -> Interface:
    return world.cloud.routers.add_interface(MEMBER, router.id, InterfaceDraft(subnet_id=subnet.id))


def leave(world: World, router: Router, subnet: Subnet) -> Interface:
    return world.cloud.routers.remove_interface(
        MEMBER, router.id, InterfaceDraft(subnet_id=subnet.id)
    )


def a_joined_subnet(world: World, router: Router, cidr: str = "10.0.0.0/24") -> Subnet:
    subnet = a_subnet(world, a_network(world), cidr)
    join(world, router, subnet)
    return subnet


def via(destination: str, address: str) -> Hop:
    return Hop(destination=parse_prefix(destination), address=parse_ip(address))


def gateway_to(network: Network) -> GatewayDraft:
    return GatewayDraft(network_id=network.id)
