"""What the service does about routers: legs, gateways, routes, and who keeps them."""

from collections.abc import Sequence

import pytest
from tests.support.clouds import (
    ADMIN,
    HOST,
    MEMBER,
    STRANGER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    addresses_of,
    an_external_network,
)
from tests.support.routing import a_joined_subnet, a_router, gateway_to, join, leave, via

from portlight.core.drafts import FixedIpRequest, NetworkDraft, PortDraft, SubnetDraft
from portlight.core.drafts_routing import (
    FloatingIpDraft,
    GatewayDraft,
    Hop,
    InterfaceDraft,
    RouterDraft,
)
from portlight.core.errors import ForbiddenError, InUseError, NotFoundError
from portlight.core.errors_network import (
    GatewayInUseError,
    IpAddressInUseError,
    NetworkInUseError,
    SubnetInUseError,
)
from portlight.core.errors_port import ServicePortError
from portlight.core.errors_routing import (
    ExternalGatewayAddressError,
    ExternalNetworkInUseError,
    InvalidRoutesError,
    NotExternalError,
    RouterGatewayInUseError,
    RouterInterfaceInUseByFloatingIpError,
    RouterInterfaceInUseByRouteError,
    RouterInterfaceNotFoundError,
    RouterInterfaceNotFoundForSubnetError,
    RouterInUseError,
    RouterRequestError,
    RouterSubnetOverlapError,
    SubnetMismatchForPortError,
    SubnetOutsideAddressSpaceError,
)
from portlight.core.network import Ipv6Mode
from portlight.core.port import OWNER_ROUTER_GATEWAY, OWNER_ROUTER_INTERFACE
from portlight.core.route_table import RouteTable
from portlight.core.router import PathStatus, Router
from portlight.service.report import AgentReport, WayReport
from portlight.values.addresses import parse_ip, parse_prefix


def named(error: InUseError) -> set[str]:
    return {blocker.kind for blocker in error.blockers}


def hops_of(world: World, router: Router) -> Sequence[Hop]:
    present = world.cloud.routers.get(MEMBER, router.id)
    return world.cloud.routers.details([present])[router.id].hops


def test_a_router_has_a_default_table_that_goes_with_it() -> None:
    world = a_world()
    router = a_router(world)

    with world.store.reading() as tx:
        (table,) = tx.find(RouteTable)
    world.cloud.routers.delete(MEMBER, router.id)
    with world.store.reading() as tx:
        left = tx.find(RouteTable)

    assert (table.router_id, table.is_default, left) == (router.id, True, [])


def test_an_interface_takes_the_gateway_address_and_belongs_to_the_router() -> None:
    world = a_world()
    router = a_router(world)

    interface = join(world, router, a_subnet(world, a_network(world)))

    port = world.cloud.ports.get(MEMBER, interface.port.id)
    assert addresses_of(port) == ["10.0.0.1"]
    assert (port.device_id, port.device_owner) == (router.id, OWNER_ROUTER_INTERFACE)
    assert (port.security_groups, port.port_security_enabled) == ((), False)
    assert port.host == HOST
    assert interface.router.meta.revision_number > router.meta.revision_number


def test_a_port_of_the_callers_becomes_an_interface_and_is_gone_with_it() -> None:
    world = a_world()
    router, network = a_router(world), a_network(world)
    a_subnet(world, network)
    port = a_port(world, network)

    world.cloud.routers.add_interface(MEMBER, router.id, InterfaceDraft(port_id=port.id))
    owner = world.cloud.ports.get(MEMBER, port.id).device_owner
    world.cloud.routers.remove_interface(MEMBER, router.id, InterfaceDraft(port_id=port.id))

    assert owner == OWNER_ROUTER_INTERFACE
    assert world.cloud.ports.find(MEMBER, {"id": [port.id]}) == []


def test_ipv6_subnets_of_one_network_share_an_interface() -> None:
    world = a_world()
    router, network = a_router(world), a_network(world)
    first = a_subnet(world, network, "fd00:1::/64")
    second = world.cloud.subnets.create(
        MEMBER,
        SubnetDraft(
            network_id=network.id,
            cidr=parse_prefix("fd00:2::/64"),
            ipv6_address_mode=Ipv6Mode.SLAAC,
            ipv6_ra_mode=Ipv6Mode.SLAAC,
        ),
    )

    one, other = join(world, router, first), join(world, router, second)
    left = leave(world, router, first)
    rest = world.cloud.ports.get(MEMBER, one.port.id)

    assert one.port.id == other.port.id
    assert (left.subnet_ids, addresses_of(rest)) == ((first.id,), ["fd00:2::1"])


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (InterfaceDraft(), "Either subnet_id or port_id"),
        (InterfaceDraft(subnet_id="s", port_id="p"), "Cannot specify both"),  # type: ignore[arg-type]
    ],
)
def test_an_interface_is_named_by_its_subnet_or_its_port(draft: InterfaceDraft, words: str) -> None:
    world = a_world()
    router = a_router(world)

    with pytest.raises(RouterRequestError, match=words):
        world.cloud.routers.add_interface(MEMBER, router.id, draft)


@pytest.mark.covers("H143")
def test_subnets_of_one_router_never_overlap_and_those_of_two_may() -> None:
    world = a_world()
    router, other = a_router(world), a_router(world)
    a_joined_subnet(world, router)
    same = a_subnet(world, a_network(world), "10.0.0.128/25")

    with pytest.raises(RouterSubnetOverlapError):
        join(world, router, same)

    assert join(world, other, same).subnet_ids == (same.id,)


def test_a_subnet_is_joined_once_and_has_one_router_at_its_gateway() -> None:
    world = a_world()
    router, other = a_router(world), a_router(world)
    subnet = a_joined_subnet(world, router)

    with pytest.raises(RouterRequestError, match="already has a port on subnet"):
        join(world, router, subnet)
    with pytest.raises(IpAddressInUseError):
        join(world, other, subnet)


def test_a_subnet_without_gateway_cannot_be_joined() -> None:
    world = a_world()
    subnet = world.cloud.subnets.create(
        MEMBER,
        SubnetDraft(
            network_id=a_network(world).id, cidr=parse_prefix("10.0.0.0/24"), gateway_ip=None
        ),
    )

    with pytest.raises(RouterRequestError, match="must have a gateway IP"):
        join(world, a_router(world), subnet)


@pytest.mark.covers("H143")
def test_the_subnets_of_a_vpc_lie_within_its_address_space() -> None:
    world = a_world()
    vpc = a_router(world, cidrs=(parse_prefix("10.0.0.0/16"),))
    outside = a_subnet(world, a_network(world), "10.1.0.0/24")
    a_joined_subnet(world, vpc, "10.0.7.0/24")

    with pytest.raises(SubnetOutsideAddressSpaceError):
        join(world, vpc, outside)
    with pytest.raises(SubnetOutsideAddressSpaceError):
        world.cloud.routers.update(MEMBER, vpc.id, RouterDraft(cidrs=(outside.cidr,)))


def test_a_gateway_takes_an_address_and_is_seen_by_administrators_only() -> None:
    world = a_world()
    public = an_external_network(world)

    router = a_router(world, gateway=gateway_to(public))

    assert router.gateway is not None
    port = world.cloud.ports.get(ADMIN, router.gateway.port_id)
    assert addresses_of(port) == ["203.0.113.2"]
    assert (port.device_owner, port.meta.project_id) == (OWNER_ROUTER_GATEWAY, "")
    with pytest.raises(NotFoundError):
        world.cloud.ports.get(MEMBER, port.id)


def test_a_gateway_is_cleared_moved_and_needs_an_external_network() -> None:
    world = a_world()
    first, second = an_external_network(world), an_external_network(world, "198.51.100.0/24")
    router = a_router(world, gateway=gateway_to(first))

    moved = world.cloud.routers.update(MEMBER, router.id, RouterDraft(gateway=gateway_to(second)))
    cleared = world.cloud.routers.update(MEMBER, router.id, RouterDraft(gateway=None))
    with pytest.raises(NotExternalError):
        world.cloud.routers.update(
            MEMBER, router.id, RouterDraft(gateway=gateway_to(a_network(world)))
        )

    assert moved.gateway is not None
    assert moved.gateway.network_id == second.id
    assert cleared.gateway is None
    assert world.cloud.ports.find(ADMIN, {"device_owner": [OWNER_ROUTER_GATEWAY]}) == []


def test_only_administrators_switch_translation_off_or_choose_the_gateways_address() -> None:
    world = a_world()
    public = an_external_network(world)
    plain = GatewayDraft(network_id=public.id, enable_snat=False)

    with pytest.raises(ForbiddenError):
        a_router(world, gateway=plain)
    router = world.cloud.routers.create(ADMIN, RouterDraft(gateway=plain))

    assert router.gateway is not None
    assert router.gateway.enable_snat is False


def test_the_address_of_the_host_on_an_external_network_is_nobody_elses() -> None:
    world = a_world()
    public = an_external_network(world)
    hosts_own = FixedIpRequest(address=parse_ip("203.0.113.1"))
    gateway = GatewayDraft(network_id=public.id, fixed_ips=(hosts_own,))
    floating = FloatingIpDraft(floating_network_id=public.id, address=hosts_own.address)

    with pytest.raises(ExternalGatewayAddressError):
        world.cloud.routers.create(ADMIN, RouterDraft(gateway=gateway))
    with pytest.raises(ExternalGatewayAddressError):
        world.cloud.floating_ips.create(MEMBER, floating)


def test_routes_are_set_as_a_whole_and_changed_one_by_one() -> None:
    world = a_world()
    router = a_router(world)
    a_joined_subnet(world, router)
    first, second = via("10.9.0.0/16", "10.0.0.9"), via("10.8.0.0/16", "10.0.0.8")
    twin = via("10.9.0.0/16", "10.0.0.7")

    world.cloud.routers.update(MEMBER, router.id, RouterDraft(hops=(first, second)))
    world.cloud.routers.add_routes(MEMBER, router.id, [twin, first])
    three = hops_of(world, router)
    world.cloud.routers.remove_routes(MEMBER, router.id, [second, second])
    two = hops_of(world, router)
    world.cloud.routers.update(MEMBER, router.id, RouterDraft(hops=()))

    assert three == (second, twin, first)
    assert two == (twin, first)
    assert hops_of(world, router) == ()


@pytest.mark.parametrize(
    ("hop", "words"),
    [
        (via("10.9.0.0/16", "10.7.0.1"), "not connected"),
        (via("10.9.0.0/16", "10.0.0.1"), "used by router"),
        (via("fd00::/64", "10.0.0.9"), "two families"),
    ],
)
def test_a_next_hop_is_another_ones_address_in_a_subnet_of_the_router(hop: Hop, words: str) -> None:
    world = a_world()
    router = a_router(world)
    a_joined_subnet(world, router)

    with pytest.raises(InvalidRoutesError, match=words):
        world.cloud.routers.update(MEMBER, router.id, RouterDraft(hops=(hop,)))


def test_no_more_routes_lead_to_one_destination_than_a_router_can_have() -> None:
    world = a_world()
    router = a_router(world)
    a_joined_subnet(world, router)
    hops = tuple(via("10.9.0.0/16", f"10.0.0.{last}") for last in range(10, 27))

    world.cloud.routers.update(MEMBER, router.id, RouterDraft(hops=hops[:16]))
    with pytest.raises(InvalidRoutesError, match=r"more than 16 routes lead to 10\.9\.0\.0/16"):
        world.cloud.routers.add_routes(MEMBER, router.id, hops[16:])

    assert set(hops_of(world, router)) == set(hops[:16])


@pytest.mark.covers("H145", "N20")
def test_what_is_in_use_stays_and_the_refusal_names_every_user() -> None:
    world = a_world()
    public = an_external_network(world)
    router = a_router(world, gateway=gateway_to(public))
    subnet = a_joined_subnet(world, router)
    port = a_port(world, world.cloud.networks.get(MEMBER, subnet.network_id))
    draft = FloatingIpDraft(floating_network_id=public.id, port_id=port.id)
    floating = world.cloud.floating_ips.create(MEMBER, draft)
    world.cloud.routers.update(
        MEMBER, router.id, RouterDraft(hops=(via("10.9.0.0/16", "10.0.0.9"),))
    )

    with pytest.raises(RouterInUseError) as of_router:
        world.cloud.routers.delete(MEMBER, router.id)
    with pytest.raises(RouterInterfaceInUseByRouteError) as of_route:
        leave(world, router, subnet)
    world.cloud.routers.update(MEMBER, router.id, RouterDraft(hops=()))
    with pytest.raises(RouterInterfaceInUseByFloatingIpError):
        leave(world, router, subnet)
    with pytest.raises(RouterGatewayInUseError) as of_gateway:
        world.cloud.routers.update(MEMBER, router.id, RouterDraft(gateway=None))
    with pytest.raises(SubnetInUseError):
        world.cloud.subnets.delete(MEMBER, subnet.id)
    with pytest.raises(NetworkInUseError) as of_network:
        world.cloud.networks.delete(ADMIN, public.id)
    with pytest.raises(ExternalNetworkInUseError):
        world.cloud.networks.update(ADMIN, public.id, NetworkDraft(external=False))

    assert named(of_router.value) == {"Port", "FloatingIP"}
    assert named(of_route.value) == {"Route"}
    assert [one.id for one in of_gateway.value.blockers] == [floating.id]
    assert len(of_network.value.blockers) == 2


def test_an_interface_is_found_by_what_names_it() -> None:
    world = a_world()
    router = a_router(world)
    interface = join(world, router, a_subnet(world, a_network(world)))
    other = a_subnet(world, a_network(world), "10.7.0.0/24")
    stray = a_port(world, world.cloud.networks.get(MEMBER, other.network_id))
    remove = world.cloud.routers.remove_interface

    with pytest.raises(RouterInterfaceNotFoundForSubnetError):
        leave(world, router, other)
    with pytest.raises(RouterInterfaceNotFoundError):
        remove(MEMBER, router.id, InterfaceDraft(port_id=stray.id))
    draft = InterfaceDraft(port_id=interface.port.id, subnet_id=other.id)
    with pytest.raises(SubnetMismatchForPortError):
        remove(MEMBER, router.id, draft)


def test_the_ports_of_a_router_are_changed_by_the_router_only() -> None:
    world = a_world()
    port = join(world, a_router(world), a_subnet(world, a_network(world))).port

    for change in (PortDraft(device_id=""), PortDraft(fixed_ips=())):
        with pytest.raises(ServicePortError):
            world.cloud.ports.update(MEMBER, port.id, change)
    with pytest.raises(ServicePortError):
        world.cloud.ports.delete(MEMBER, port.id)


def test_the_gateway_address_of_a_subnet_stays_while_a_router_has_it() -> None:
    world = a_world()
    subnet = a_joined_subnet(world, a_router(world))

    with pytest.raises(GatewayInUseError):
        world.cloud.subnets.update(MEMBER, subnet.id, SubnetDraft(gateway_ip=None))


def test_routers_of_others_are_not_there_for_anybody_else() -> None:
    world = a_world()
    router = a_router(world)
    subnet = a_subnet(world, a_network(world))

    with pytest.raises(NotFoundError):
        world.cloud.routers.get(STRANGER, router.id)
    with pytest.raises(NotFoundError):
        world.cloud.routers.add_interface(STRANGER, router.id, InterfaceDraft(subnet_id=subnet.id))


def test_a_router_is_active_once_its_host_has_said_so() -> None:
    world = a_world()
    router = a_router(world)

    way = WayReport(number=router.number, revision=router.meta.revision_number)
    world.cloud.report(HOST, AgentReport(host=HOST, routers=(way,)))

    assert router.status is PathStatus.BUILD
    assert world.cloud.routers.get(MEMBER, router.id).status is PathStatus.ACTIVE
