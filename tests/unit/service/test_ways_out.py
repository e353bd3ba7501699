"""Routes, ways out and peerings: where they may lead, and what keeps them."""

import pytest
from tests.support.clouds import (
    ADMIN,
    MEMBER,
    STRANGER,
    World,
    a_caller,
    a_network,
    a_port,
    a_subnet,
    a_world,
    an_external_network,
)
from tests.support.vpcs import (
    a_route,
    a_vpc,
    a_vpc_subnet,
    default_table,
    network_of,
    prefixes,
)

from portlight.core.drafts import InstanceDraft, InterfaceRequest, PortDraft, VirtualIpDraft
from portlight.core.drafts_routing import FloatingIpDraft, RouterDraft
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.drafts_vpc import (
    InternetGatewayDraft,
    NatGatewayDraft,
    NextHop,
    PeeringDraft,
    RouteDraft,
    VpcDraft,
)
from portlight.core.errors import (
    ConflictError,
    ForbiddenError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    QuotaExceededError,
)
from portlight.core.errors_vpc import (
    FixedRouteError,
    GatewayRoutesError,
    PeeringExistsError,
    PeeringOverlapError,
    PeeringStateError,
    VpcSubnetInUseError,
)
from portlight.core.gateways import PeeringStatus
from portlight.core.route_table import HopKind, LocalRoute, Route, RouteTable
from portlight.core.router import Router
from portlight.values.addresses import parse_ip, parse_prefix
from portlight.values.ids import ProjectId, RouteId, RouterId


@pytest.mark.covers("H57")
def test_the_way_to_the_vpc_itself_is_shown_and_fixed() -> None:
    world = a_world()
    vpc = a_vpc(world)
    table = default_table(world, vpc)

    (local,) = world.cloud.routes.find(MEMBER, {"route_table_id": [table.id]})

    assert isinstance(local, LocalRoute)
    assert local.destination == vpc.cidrs[0]
    assert world.cloud.routes.get(MEMBER, local.id) == local
    with pytest.raises(FixedRouteError):
        world.cloud.routes.delete(MEMBER, local.id)
    assert world.cloud.routes.find(STRANGER) == []


@pytest.mark.covers("H57", "N7")
def test_a_route_leads_to_what_its_id_means() -> None:
    world = a_world()
    vpc = a_vpc(world)
    subnet = a_vpc_subnet(world, vpc)
    network = network_of(world, subnet)
    table = default_table(world, vpc)
    port = a_port(world, network)
    request = InterfaceRequest(port_id=a_port(world, network).id)
    instance = world.cloud.instances.create(MEMBER, InstanceDraft(interfaces=(request,)))
    virtual_ip = world.cloud.virtual_ips.create(MEMBER, VirtualIpDraft(subnet_id=subnet.id))

    made = [
        a_route(world, table, f"172.20.{number}.0/24", hop)
        for number, hop in enumerate(
            (
                NextHop(target=port.id),
                NextHop(target=instance.id),
                NextHop(target=virtual_ip.id),
                NextHop(target=virtual_ip.port_id),
                NextHop(address=parse_ip("10.0.1.77")),
                NextHop(kind=HopKind.BLACKHOLE),
            )
        )
    ]

    assert [(route.kind, route.target) for route in made] == [
        (HopKind.PORT, port.id),
        (HopKind.INSTANCE, instance.id),
        (HopKind.VIRTUAL_IP, virtual_ip.id),
        (HopKind.VIRTUAL_IP, virtual_ip.id),
        (HopKind.ADDRESS, ""),
        (HopKind.BLACKHOLE, ""),
    ]


@pytest.mark.covers("H57")
def test_a_route_does_not_lead_beyond_the_reach_of_its_router() -> None:
    world = a_world()
    vpc = a_vpc(world)
    table = default_table(world, vpc)
    elsewhere = a_network(world)
    a_subnet(world, elsewhere, "10.0.0.0/24")
    port = a_port(world, elsewhere)

    with pytest.raises(Exception, match="is not in router"):
        a_route(world, table, "172.20.0.0/24", NextHop(target=port.id))
    with pytest.raises(InvalidRequestError, match="in no subnet"):
        a_route(world, table, "172.20.0.0/24", NextHop(address=parse_ip("192.0.2.1")))
    with pytest.raises(NotFoundError):
        a_route(world, table, "172.20.0.0/24", NextHop(target=str(vpc.id)))


@pytest.mark.covers("H57")
def test_two_ways_to_one_destination_are_equal_addresses_or_refused() -> None:
    world = a_world()
    vpc = a_vpc(world)
    a_vpc_subnet(world, vpc)
    table = default_table(world, vpc)
    a_route(world, table, "172.20.0.0/24", NextHop(address=parse_ip("10.0.1.7")))

    a_route(world, table, "172.20.0.0/24", NextHop(address=parse_ip("10.0.1.8")))

    for hop in (NextHop(kind=HopKind.BLACKHOLE), NextHop(address=parse_ip("10.0.1.8"))):
        with pytest.raises(Exception, match="already"):
            a_route(world, table, "172.20.0.0/24", hop)


def test_routes_come_all_or_none_and_not_beyond_the_limit() -> None:
    world = a_world()
    vpc = a_vpc(world)
    table = default_table(world, vpc)
    limits = QuotaDraft(hard={"route_table_routes": 2}, soft={})
    world.cloud.set_quota(ADMIN, MEMBER.project_id, limits)
    drafts = [
        RouteDraft(
            route_table_id=table.id,
            destination=parse_prefix(f"172.20.{number}.0/24"),
            hop=NextHop(kind=HopKind.BLACKHOLE),
        )
        for number in range(3)
    ]

    with pytest.raises(QuotaExceededError):
        world.cloud.routes.create_many(MEMBER, drafts)
    assert len(world.cloud.routes.find(MEMBER)) == 1
    world.cloud.routes.create_many(MEMBER, drafts[:2])


def attached(world: World) -> tuple[Router, RouteTable]:
    vpc = a_vpc(world)
    external = an_external_network(world)
    gateway = world.cloud.internet_gateways.create(
        MEMBER, InternetGatewayDraft(name="out", external_network_id=external.id)
    )
    table = world.cloud.route_tables.attach(MEMBER, default_table(world, vpc).id, gateway.id)
    return world.cloud.routers.get(MEMBER, vpc.id), table


def test_an_internet_gateway_gives_a_route_and_a_leg_that_translates_nothing() -> None:
    world = a_world()

    vpc, table = attached(world)

    assert vpc.gateway is not None
    assert not vpc.gateway.enable_snat
    (route,) = world.cloud.routes.find(MEMBER, {"target": [str(table.internet_gateway_id)]})[-1:]
    assert isinstance(route, Route)
    assert (str(route.destination), route.kind) == ("0.0.0.0/0", HopKind.INTERNET_GATEWAY)
    with pytest.raises(FixedRouteError):
        world.cloud.routes.delete(MEMBER, route.id)


@pytest.mark.covers("H145")
def test_an_internet_gateway_stays_while_floating_ips_need_it() -> None:
    world = a_world()
    vpc, table = attached(world)
    subnet = a_vpc_subnet(world, vpc)
    port = a_port(world, network_of(world, subnet))
    assert vpc.gateway is not None
    floating_ip = world.cloud.floating_ips.create(
        MEMBER, FloatingIpDraft(floating_network_id=vpc.gateway.network_id, port_id=port.id)
    )

    with pytest.raises(InUseError, match=floating_ip.id):
        world.cloud.route_tables.detach(MEMBER, table.id)
    world.cloud.floating_ips.delete(MEMBER, floating_ip.id)
    world.cloud.route_tables.detach(MEMBER, table.id)

    assert world.cloud.routers.get(MEMBER, vpc.id).gateway is None
    assert all(isinstance(one, LocalRoute) for one in world.cloud.routes.find(MEMBER))


def test_a_vpc_made_on_an_external_network_has_a_way_out_that_goes_with_it() -> None:
    world = a_world()
    external = an_external_network(world)
    draft = VpcDraft(name="vpc", cidrs=prefixes("10.0.0.0/16"), external_network_id=external.id)

    vpc = world.cloud.vpcs.create(MEMBER, draft)

    assert len(world.cloud.internet_gateways.find(MEMBER)) == 1
    world.cloud.vpcs.delete(MEMBER, RouterId(vpc.id))
    assert world.cloud.internet_gateways.find(MEMBER) == []
    assert world.cloud.vpcs.find(MEMBER, {"external": ["true"]}) == [external]


def test_a_nat_gateway_holds_its_floating_ip_and_the_routes_to_it_hold_the_gateway() -> None:
    world = a_world()
    vpc = a_vpc(world)
    subnet = a_vpc_subnet(world, vpc)
    external = an_external_network(world)
    floating_ip = world.cloud.floating_ips.create(
        MEMBER, FloatingIpDraft(floating_network_id=external.id)
    )
    draft = NatGatewayDraft(
        name="nat", router_id=vpc.id, subnet_id=subnet.id, floating_ip_id=floating_ip.id
    )

    gateway = world.cloud.nat_gateways.create(MEMBER, draft)
    route = a_route(world, default_table(world, vpc), "0.0.0.0/0", NextHop(target=gateway.id))

    assert route.kind is HopKind.NAT_GATEWAY
    assert world.cloud.routes.hop_states([route])[route.id].is_there
    world.cloud.routers.update(MEMBER, vpc.id, RouterDraft(admin_state_up=False))
    state = world.cloud.routes.hop_states([route])[route.id]
    assert (state.is_there, state.detail) == (False, "the router is down")
    world.cloud.routers.update(MEMBER, vpc.id, RouterDraft(admin_state_up=True))
    with pytest.raises(InUseError):
        world.cloud.floating_ips.delete(MEMBER, floating_ip.id)
    with pytest.raises(InUseError):
        world.cloud.nat_gateways.create(MEMBER, draft)
    with pytest.raises(GatewayRoutesError) as refusal:
        world.cloud.nat_gateways.delete(MEMBER, gateway.id)
    assert [one.id for one in refusal.value.blockers] == [route.id]
    with pytest.raises(VpcSubnetInUseError, match=gateway.id):
        world.cloud.vpc_subnets.delete(MEMBER, subnet.id)
    world.cloud.routes.delete(MEMBER, route.id)
    world.cloud.nat_gateways.delete(MEMBER, gateway.id)
    world.cloud.floating_ips.delete(MEMBER, floating_ip.id)


@pytest.mark.covers("H106")
def test_vpcs_of_one_project_are_peers_at_once_if_they_share_no_address() -> None:
    world = a_world()
    one, other, same = a_vpc(world), a_vpc(world, "10.9.0.0/16"), a_vpc(world, "10.0.4.0/22")
    peerings = world.cloud.peerings

    made = peerings.create(MEMBER, PeeringDraft(router_id=one.id, peer_router_id=other.id))

    assert made.status is PeeringStatus.ACTIVE
    with pytest.raises(PeeringOverlapError):
        peerings.create(MEMBER, PeeringDraft(router_id=one.id, peer_router_id=same.id))
    with pytest.raises(PeeringExistsError):
        peerings.create(MEMBER, PeeringDraft(router_id=other.id, peer_router_id=one.id))
    with pytest.raises(InvalidRequestError):
        peerings.create(MEMBER, PeeringDraft(router_id=one.id, peer_router_id=one.id))


@pytest.mark.covers("H106")
def test_a_peer_does_not_grow_into_the_other() -> None:
    world = a_world()
    one, other = a_vpc(world), a_vpc(world, "10.9.0.0/16")
    world.cloud.peerings.create(MEMBER, PeeringDraft(router_id=one.id, peer_router_id=other.id))

    with pytest.raises(ConflictError, match="overlaps"):
        world.cloud.vpcs.update(
            MEMBER, one.id, VpcDraft(cidrs=prefixes("10.0.0.0/16", "10.9.128.0/20"))
        )


@pytest.mark.covers("H106", "H107")
def test_a_peering_that_nobody_accepted_holds_up_no_vpc() -> None:
    world = a_world()
    one, other = a_vpc(world), a_vpc(world, "10.9.0.0/16", by=STRANGER)
    draft = PeeringDraft(
        router_id=other.id, peer_router_id=one.id, peer_project_id=MEMBER.project_id
    )
    asked = world.cloud.peerings.create(STRANGER, draft)

    grown = VpcDraft(cidrs=prefixes("10.0.0.0/16", "10.9.128.0/20"))
    world.cloud.vpcs.update(MEMBER, one.id, grown)

    with pytest.raises(PeeringOverlapError):
        world.cloud.peerings.accept(MEMBER, asked.id)


@pytest.mark.covers("H107")
def test_another_project_accepts_before_anything_crosses() -> None:
    world = a_world()
    one, other = a_vpc(world), a_vpc(world, "10.9.0.0/16", by=STRANGER)
    peerings = world.cloud.peerings
    draft = PeeringDraft(
        router_id=one.id, peer_router_id=other.id, peer_project_id=STRANGER.project_id
    )

    asked = peerings.create(MEMBER, draft)

    assert asked.status is PeeringStatus.PENDING_ACCEPTANCE
    assert peerings.find(STRANGER) == [asked]
    assert peerings.find(a_caller("p3")) == []
    with pytest.raises(ForbiddenError):
        peerings.accept(MEMBER, asked.id)
    with pytest.raises(NotFoundError):
        peerings.accept(a_caller("p3"), asked.id)
    assert peerings.accept(STRANGER, asked.id).status is PeeringStatus.ACTIVE
    with pytest.raises(PeeringStateError):
        peerings.reject(STRANGER, asked.id)


@pytest.mark.covers("H107")
def test_a_router_of_another_project_is_not_there_for_who_does_not_name_its_project() -> None:
    world = a_world()
    one, other = a_vpc(world), a_vpc(world, "10.9.0.0/16", by=STRANGER)

    for draft in (
        PeeringDraft(router_id=one.id, peer_router_id=other.id),
        PeeringDraft(router_id=one.id, peer_router_id=other.id, peer_project_id=ProjectId("p3")),
    ):
        with pytest.raises(NotFoundError):
            world.cloud.peerings.create(MEMBER, draft)


@pytest.mark.covers("H108", "H109")
def test_own_routes_hold_a_peering_and_those_of_the_other_side_become_blackholes() -> None:
    world = a_world()
    one, other = a_vpc(world), a_vpc(world, "10.9.0.0/16", by=STRANGER)
    peerings = world.cloud.peerings
    draft = PeeringDraft(
        router_id=one.id, peer_router_id=other.id, peer_project_id=STRANGER.project_id
    )
    peering = peerings.accept(STRANGER, peerings.create(MEMBER, draft).id)
    mine = a_route(world, default_table(world, one), "10.9.0.0/16", NextHop(target=peering.id))
    theirs = world.cloud.routes.create(
        STRANGER,
        RouteDraft(
            route_table_id=default_table(world, other, STRANGER).id,
            destination=parse_prefix("10.0.0.0/16"),
            hop=NextHop(target=peering.id),
        ),
    )

    with pytest.raises(GatewayRoutesError) as refusal:
        peerings.delete(MEMBER, peering.id)
    assert [blocker.id for blocker in refusal.value.blockers] == [mine.id]

    world.cloud.routes.delete(MEMBER, mine.id)
    peerings.delete(MEMBER, peering.id)
    state = world.cloud.routes.hop_states([theirs])[RouteId(theirs.id)]
    assert (state.is_there, state.detail) == (False, "the peering is gone")


@pytest.mark.covers("N22")
def test_a_route_says_that_the_check_of_its_hop_is_on() -> None:
    world = a_world()
    vpc = a_vpc(world)
    subnet = a_vpc_subnet(world, vpc)
    port = a_port(world, network_of(world, subnet))
    world.cloud.instances.create(
        MEMBER, InstanceDraft(interfaces=(InterfaceRequest(port_id=port.id),))
    )
    route = a_route(world, default_table(world, vpc), "0.0.0.0/0", NextHop(target=port.id))

    warned = world.cloud.routes.hop_states([route])[route.id]
    world.cloud.ports.update(MEMBER, port.id, PortDraft(source_destination_check=False))
    fine = world.cloud.routes.hop_states([route])[route.id]

    assert (warned.is_there, fine.is_there) == (True, True)
    assert port.id in warned.detail
    assert fine.detail == ""


@pytest.mark.covers("H107", "H145")
def test_nobody_keeps_the_vpc_of_another_by_asking_for_a_peering() -> None:
    world = a_world()
    one, other = a_vpc(world), a_vpc(world, "10.9.0.0/16", by=STRANGER)
    draft = PeeringDraft(
        router_id=other.id, peer_router_id=one.id, peer_project_id=MEMBER.project_id
    )
    world.cloud.peerings.create(STRANGER, draft)

    world.cloud.vpcs.delete(MEMBER, one.id)

    assert world.cloud.peerings.find(STRANGER) == []
