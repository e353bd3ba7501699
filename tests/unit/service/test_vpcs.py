"""VPCs: what they are made of, what keeps them, and how the two faces see one thing."""

import pytest
from tests.support.clouds import (
    MEMBER,
    READER,
    STRANGER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
)
from tests.support.vpcs import (
    a_vpc,
    a_vpc_subnet,
    default_table,
    network_of,
    prefixes,
)

from portlight.core.drafts import NetworkDraft
from portlight.core.drafts_routing import InterfaceDraft, RouterDraft
from portlight.core.drafts_sharing import RbacPolicyDraft
from portlight.core.drafts_vpc import (
    PeeringDraft,
    RouteTableDraft,
    VpcDraft,
)
from portlight.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
)
from portlight.core.errors_vpc import (
    CidrInUseError,
    DefaultTableError,
    RouteTableInUseError,
    VpcCidrError,
    VpcInUseError,
    VpcSubnetInUseError,
)
from portlight.core.network import Network
from portlight.core.rbac import RbacAction
from portlight.service.caller import Caller
from portlight.values.addresses import parse_prefix
from portlight.values.ids import RouteTableId


def share(world: World, network: Network, caller: Caller) -> None:
    """Let the project of a caller use a network."""
    policy = RbacPolicyDraft(
        object_type="network",
        object_id=network.id,
        target=caller.project_id,
        action=RbacAction.ACCESS_AS_SHARED,
    )
    world.cloud.rbac_policies.create(MEMBER, policy)


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

    place = world.cloud.vpc_subnets.places(MEMBER, [subnet])[subnet.id]
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
    assert world.cloud.vpc_subnets.places(MEMBER, [subnet])[subnet.id].table == tables.get(
        MEMBER, custom.id
    )
    with pytest.raises(RouteTableInUseError):
        tables.delete(MEMBER, custom.id)

    tables.dissociate(MEMBER, vpc.id, subnet.id)
    assert world.cloud.vpc_subnets.places(MEMBER, [subnet])[subnet.id].table == default_table(
        world, vpc
    )
    tables.delete(MEMBER, custom.id)


@pytest.mark.covers("H56", "P10")
def test_who_joins_the_subnet_of_another_leaves_its_table_and_its_vpc_alone() -> None:
    world = a_world()
    vpc, joining = a_vpc(world), a_vpc(world, by=STRANGER)
    subnet = a_vpc_subnet(world, vpc)
    tables = world.cloud.route_tables
    custom = tables.create(MEMBER, RouteTableDraft(name="private", router_id=vpc.id))
    tables.associate(MEMBER, custom.id, subnet.id)
    share(world, network_of(world, subnet), STRANGER)
    port = a_port(world, network_of(world, subnet), by=STRANGER)
    interface = InterfaceDraft(port_id=port.id)

    world.cloud.routers.add_interface(STRANGER, joining.id, interface)
    for caller, own in ((MEMBER, vpc), (STRANGER, joining)):
        places = world.cloud.vpc_subnets.places(caller, [subnet])
        assert places[subnet.id].router.id == own.id
    world.cloud.routers.remove_interface(STRANGER, joining.id, interface)

    assert tables.get(MEMBER, custom.id).subnet_ids == (subnet.id,)


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


@pytest.mark.covers("H52")
def test_who_shares_a_network_learns_nothing_of_the_vpc_that_it_is_in() -> None:
    world = a_world()
    subnet = a_vpc_subnet(world, a_vpc(world))
    share(world, network_of(world, subnet), STRANGER)

    assert world.cloud.subnets.find(STRANGER) == [subnet]
    assert world.cloud.vpc_subnets.find(STRANGER) == []
    with pytest.raises(NotFoundError):
        world.cloud.vpc_subnets.get(STRANGER, subnet.id)
