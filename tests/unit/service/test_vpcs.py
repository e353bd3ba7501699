"""VPCs: what they are made of, what keeps them, and how the two faces see one thing."""

import pytest
from tests.support.clouds import (
    ADMIN,
    MEMBER,
    READER,
    STRANGER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    an_external_network,
)

from portlight.core.drafts import InstanceDraft, InterfaceRequest, NetworkDraft, VirtualIpDraft
from portlight.core.drafts_routing import FloatingIpDraft, InterfaceDraft, RouterDraft
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.drafts_vpc import (
    InternetGatewayDraft,
    NatGatewayDraft,
    NextHop,
    PeeringDraft,
    RouteDraft,
    RouteTableDraft,
    VpcDraft,
    VpcSubnetDraft,
)
from portlight.core.errors import (
    ForbiddenError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    QuotaExceededError,
)
from portlight.core.errors_vpc import (
    CidrInUseError,
    DefaultTableError,
    FixedRouteError,
    GatewayRoutesError,
    RouteTableInUseError,
    VpcCidrError,
    VpcInUseError,
    VpcSubnetInUseError,
)
from portlight.core.network import Network, Subnet
from portlight.core.route_table import HopKind, LocalRoute, Route, RouteTable
from portlight.core.router import Router
from portlight.service.caller import Caller
from portlight.values.addresses import IpPrefix, parse_ip, parse_prefix
from portlight.values.ids import RouterId, RouteTableId


def prefixes(*cidrs: str) -> tuple[IpPrefix, ...]:
    return tuple(parse_prefix(cidr) for cidr in cidrs)


def a_vpc(world: World, *cidrs: str, by: Caller = MEMBER) -> Router:
    draft = VpcDraft(name="vpc", cidrs=prefixes(*cidrs or ("10.0.0.0/16",)))
    vpc = world.cloud.vpcs.create(by, draft)
    assert isinstance(vpc, Router)
    return vpc


def a_vpc_subnet(world: World, vpc: Router, cidr: str = "10.0.1.0/24") -> Subnet:
    draft = VpcSubnetDraft(name="a", router_id=vpc.id, cidr=parse_prefix(cidr))
    return world.cloud.vpc_subnets.create(MEMBER, draft)


def default_table(world: World, vpc: Router, by: Caller = MEMBER) -> RouteTable:
    (table,) = world.cloud.route_tables.find(by, {"default_of": [vpc.id]})
    return table


def a_route(world: World, table: RouteTable, cidr: str, hop: NextHop) -> Route:
    draft = RouteDraft(route_table_id=table.id, destination=parse_prefix(cidr), hop=hop)
    route = world.cloud.routes.create(MEMBER, draft)
    assert isinstance(route, Route)
    return route


def network_of(world: World, subnet: Subnet) -> Network:
    return world.cloud.networks.get(MEMBER, subnet.network_id)


@pytest.mark.covers("H52")
def test_a_vpc_has_one_table_of_its_own_name_and_nothing_else() -> None:
    world = a_world()

    vpc = a_vpc(world)

    assert default_table(world, vpc).meta.name == f"vpc-{vpc.id}"
    assert world.cloud.vpc_subnets.find(MEMBER) == []
    assert world.cloud.vpcs.find(MEMBER) == [vpc]
    assert world.cloud.vpcs.find(STRANGER) == []


@pytest.mark.covers("H143")
@pytest.mark.parametrize(
    ("cidr", "allowed"),
    [
        ("10.0.0.0/8", True),
        ("10.0.0.0/16", True),
        ("10.0.0.0/24", True),
        ("10.0.0.0/28", False),
        ("172.16.0.0/12", True),
        ("172.16.0.0/8", False),
        ("192.168.0.0/16", True),
        ("192.253.0.0/24", False),
        ("169.254.0.0/16", False),
        ("fd00::/48", False),
    ],
)
def test_the_first_block_of_a_vpc_is_private_and_neither_too_large_nor_too_small(
    cidr: str, *, allowed: bool
) -> None:
    draft = VpcDraft(name="vpc", cidrs=(parse_prefix(cidr, strict=False),))
    world = a_world()

    if allowed:
        world.cloud.vpcs.create(MEMBER, draft)
    else:
        with pytest.raises(VpcCidrError):
            world.cloud.vpcs.create(MEMBER, draft)


@pytest.mark.covers("H53")
def test_blocks_are_added_and_taken_off_while_the_vpc_is_used() -> None:
    world = a_world()
    vpc = a_vpc(world)
    more = VpcDraft(cidrs=prefixes("10.0.0.0/16", "100.64.0.0/16", "fd00:1::/56"))

    world.cloud.vpcs.update(MEMBER, vpc.id, more)
    a_vpc_subnet(world, vpc, "100.64.3.0/24")

    with pytest.raises(CidrInUseError, match=r"100.64.3.0/24"):
        world.cloud.vpcs.update(MEMBER, vpc.id, VpcDraft(cidrs=prefixes("10.0.0.0/16")))
    with pytest.raises(InvalidRequestError, match="first block"):
        world.cloud.vpcs.update(MEMBER, vpc.id, VpcDraft(cidrs=prefixes("10.1.0.0/16")))


@pytest.mark.covers("H54")
def test_a_subnet_of_a_vpc_is_a_network_a_subnet_and_an_interface() -> None:
    world = a_world()
    vpc = a_vpc(world)

    subnet = a_vpc_subnet(world, vpc)

    place = world.cloud.vpc_subnets.places([subnet])[subnet.id]
    assert (place.router.id, place.table) == (vpc.id, default_table(world, vpc))
    # 254 host addresses: the gateway's and the DHCP server's are taken
    assert place.free_addresses == 252
    assert world.cloud.vpc_subnets.find(MEMBER, {"router_id": [vpc.id]}) == [subnet]
    with pytest.raises(InvalidRequestError, match="overlaps"):
        a_vpc_subnet(world, vpc, "10.0.1.128/25")
    with pytest.raises(InvalidRequestError, match="not within"):
        a_vpc_subnet(world, vpc, "10.1.0.0/24")
    with pytest.raises(VpcCidrError, match="smaller"):
        a_vpc_subnet(world, vpc, "10.0.2.0/29")


def test_an_interface_made_piece_by_piece_is_a_subnet_of_the_vpc() -> None:
    world = a_world()
    vpc = a_vpc(world)
    subnet = a_subnet(world, a_network(world), "10.0.7.0/24")

    world.cloud.routers.add_interface(MEMBER, vpc.id, InterfaceDraft(subnet_id=subnet.id))

    assert world.cloud.vpc_subnets.get(MEMBER, subnet.id) == subnet


def test_a_plain_router_is_no_vpc() -> None:
    world = a_world()
    router = world.cloud.routers.create(MEMBER, RouterDraft(name="plain"))

    assert world.cloud.vpcs.find(MEMBER) == []
    with pytest.raises(NotFoundError):
        world.cloud.vpcs.get(MEMBER, router.id)
    with pytest.raises(NotFoundError):
        world.cloud.vpcs.delete(MEMBER, router.id)


@pytest.mark.covers("H145")
def test_a_vpc_goes_with_what_is_empty_and_names_all_that_is_not() -> None:
    world = a_world()
    vpc = a_vpc(world)
    subnet = a_vpc_subnet(world, vpc)
    a_vpc_subnet(world, vpc, "10.0.2.0/24")
    first, second = (a_port(world, network_of(world, subnet)) for _ in range(2))
    other = a_vpc(world, "10.9.0.0/16")
    draft = PeeringDraft(router_id=vpc.id, peer_router_id=other.id)
    peering = world.cloud.peerings.create(MEMBER, draft)

    with pytest.raises(VpcInUseError) as refusal:
        world.cloud.vpcs.delete(MEMBER, vpc.id)
    assert {one.id for one in refusal.value.blockers} == {first.id, second.id, peering.id}

    world.cloud.peerings.delete(MEMBER, peering.id)
    for port in (first, second):
        world.cloud.ports.delete(MEMBER, port.id)
    world.cloud.vpcs.delete(MEMBER, vpc.id)
    assert world.cloud.vpcs.find(MEMBER) == [other]
    assert world.cloud.networks.find(MEMBER) == []
    assert world.cloud.ports.find(MEMBER) == []


@pytest.mark.covers("H55", "H145")
def test_a_subnet_in_use_names_its_users_and_an_empty_one_goes_with_its_network() -> None:
    world = a_world()
    vpc = a_vpc(world)
    subnet = a_vpc_subnet(world, vpc)
    port = a_port(world, network_of(world, subnet))

    with pytest.raises(VpcSubnetInUseError) as refusal:
        world.cloud.vpc_subnets.delete(MEMBER, subnet.id)
    assert [one.id for one in refusal.value.blockers] == [port.id]

    world.cloud.ports.delete(MEMBER, port.id)
    world.cloud.vpc_subnets.delete(MEMBER, subnet.id)
    assert world.cloud.networks.find(MEMBER) == []


@pytest.mark.covers("H56")
def test_a_subnet_follows_one_table_and_the_default_one_without_choice() -> None:
    world = a_world()
    vpc = a_vpc(world)
    subnet = a_vpc_subnet(world, vpc)
    tables = world.cloud.route_tables
    custom = tables.create(MEMBER, RouteTableDraft(name="private", router_id=vpc.id))

    tables.associate(MEMBER, custom.id, subnet.id)
    assert world.cloud.vpc_subnets.places([subnet])[subnet.id].table == tables.get(
        MEMBER, custom.id
    )
    with pytest.raises(RouteTableInUseError):
        tables.delete(MEMBER, custom.id)

    tables.dissociate(MEMBER, vpc.id, subnet.id)
    assert world.cloud.vpc_subnets.places([subnet])[subnet.id].table == default_table(world, vpc)
    tables.delete(MEMBER, custom.id)


@pytest.mark.covers("H56")
def test_a_router_has_exactly_one_default_table() -> None:
    world = a_world()
    vpc = a_vpc(world)
    old = default_table(world, vpc)
    custom = world.cloud.route_tables.create(
        MEMBER, RouteTableDraft(name="private", router_id=vpc.id)
    )

    world.cloud.route_tables.set_as_default(MEMBER, custom.id)

    assert default_table(world, vpc).id == custom.id
    with pytest.raises(DefaultTableError):
        world.cloud.route_tables.delete(MEMBER, custom.id)
    world.cloud.route_tables.delete(MEMBER, old.id)


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


def test_a_reader_changes_nothing_and_a_stranger_sees_nothing() -> None:
    world = a_world()
    vpc = a_vpc(world)
    table = default_table(world, vpc)

    with pytest.raises(ForbiddenError, match="member"):
        world.cloud.route_tables.set_as_default(READER, table.id)
    for use in (
        lambda: world.cloud.route_tables.get(STRANGER, table.id),
        lambda: world.cloud.vpcs.delete(STRANGER, vpc.id),
        lambda: world.cloud.route_tables.set_as_default(STRANGER, RouteTableId(table.id)),
    ):
        with pytest.raises(NotFoundError):
            use()


def test_a_network_with_more_than_the_subnet_stays() -> None:
    world = a_world()
    vpc = a_vpc(world)
    network = a_network(world, NetworkDraft(name="two"))
    subnet = a_subnet(world, network, "10.0.7.0/24")
    a_subnet(world, network, "192.168.7.0/24")
    world.cloud.routers.add_interface(MEMBER, vpc.id, InterfaceDraft(subnet_id=subnet.id))

    world.cloud.vpc_subnets.delete(MEMBER, subnet.id)

    assert [one.id for one in world.cloud.networks.find(MEMBER)] == [network.id]
