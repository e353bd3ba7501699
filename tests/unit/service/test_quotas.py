"""Quotas: hard limits refuse inside the transaction, soft ones warn."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
from tests.support.vpcs import a_vpc, a_vpc_subnet

from portlight.core.drafts import (
    InstanceDraft,
    InterfaceRequest,
    NetworkDraft,
    PortDraft,
    SecurityGroupDraft,
    SecurityGroupRuleDraft,
    VirtualIpDraft,
)
from portlight.core.drafts_addressing import AddressScopeDraft, SubnetPoolDraft
from portlight.core.drafts_groups import AddressGroupDraft
from portlight.core.drafts_mirror import MirrorFilterDraft, MirrorSessionDraft
from portlight.core.drafts_routing import FloatingIpDraft, RouterDraft
from portlight.core.drafts_sharing import QuotaDraft, RbacPolicyDraft
from portlight.core.drafts_vpc import InternetGatewayDraft, NatGatewayDraft, PeeringDraft
from portlight.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    QuotaBelowUsageError,
    QuotaExceededError,
)
from portlight.core.quotas import DEFAULT_LIMITS, DEFAULTS_ID, LIMITS_OF_ONE, UNLIMITED, QuotaUse
from portlight.core.rbac import RbacAction
from portlight.core.security_group import Direction
from portlight.service.caller import Caller
from portlight.service.quotas import RESOURCE_OF
from portlight.store.shapes import SHAPES
from portlight.store.sql import open_store, sqlite_url
from portlight.values.addresses import parse_prefix
from portlight.values.ids import ProjectId

P1 = ProjectId("p1")


def limit(world: World, **hard: int) -> None:
    world.cloud.set_quota(ADMIN, P1, QuotaDraft(hard=hard, force=True))


def use_of(world: World, resource: str, by: Caller = MEMBER) -> QuotaUse:
    uses = world.cloud.quota(by, by.project_id)
    return next(use for use in uses if use.resource == resource)


def a_group_rule(world: World) -> object:
    group = world.cloud.security_groups.find(MEMBER)[0]
    draft = SecurityGroupRuleDraft(security_group_id=group.id, direction=Direction.INGRESS)
    return world.cloud.security_group_rules.create(MEMBER, draft)


def a_virtual_ip(world: World) -> object:
    subnet = world.cloud.subnets.find(MEMBER)[0]
    return world.cloud.virtual_ips.create(MEMBER, VirtualIpDraft(subnet_id=subnet.id))


def a_policy(world: World) -> object:
    network = world.cloud.networks.find(MEMBER)[0]
    draft = RbacPolicyDraft(
        object_type="network",
        object_id=network.id,
        target="p2",
        action=RbacAction.ACCESS_AS_SHARED,
    )
    return world.cloud.rbac_policies.create(MEMBER, draft)


def a_nat_gateway(world: World) -> object:
    vpc = a_vpc(world, f"10.{200 + len(world.cloud.vpcs.find(MEMBER))}.0.0/16")
    subnet = a_vpc_subnet(world, vpc, str(vpc.cidrs[0]))
    external = an_external_network(world)
    taken = world.cloud.floating_ips.create(
        MEMBER, FloatingIpDraft(floating_network_id=external.id)
    )
    draft = NatGatewayDraft(
        name="nat", router_id=vpc.id, subnet_id=subnet.id, floating_ip_id=taken.id
    )
    return world.cloud.nat_gateways.create(MEMBER, draft)


def a_peering(world: World) -> object:
    known = len(world.cloud.vpcs.find(MEMBER))
    one, other = (a_vpc(world, f"10.{known + number}.0.0/16") for number in (200, 201))
    draft = PeeringDraft(router_id=one.id, peer_router_id=other.id)
    return world.cloud.peerings.create(MEMBER, draft)


MAKERS: dict[str, Callable[[World], object]] = {
    "network": a_network,
    "subnet": lambda world: a_subnet(world, world.cloud.networks.find(MEMBER)[0], "10.7.0.0/24"),
    "port": lambda world: a_port(world, world.cloud.networks.find(MEMBER)[0]),
    "security_group": lambda world: world.cloud.security_groups.create(
        MEMBER, SecurityGroupDraft(name="web")
    ),
    "subnetpool": lambda world: world.cloud.subnet_pools.create(
        MEMBER, SubnetPoolDraft(name="pool", prefixes=(parse_prefix("10.8.0.0/16"),))
    ),
    "address_scope": lambda world: world.cloud.address_scopes.create(
        MEMBER, AddressScopeDraft(name="scope", ip_version=4)
    ),
    "security_group_rule": a_group_rule,
    "address_group": lambda world: world.cloud.address_groups.create(
        MEMBER, AddressGroupDraft(name="office")
    ),
    "rbac_policy": a_policy,
    "nat_gateway": a_nat_gateway,
    "peering": a_peering,
    "internet_gateway": lambda world: world.cloud.internet_gateways.create(
        MEMBER,
        InternetGatewayDraft(name="out", external_network_id=an_external_network(world).id),
    ),
    "virtual_ip": a_virtual_ip,
    "mirror_filter": lambda world: world.cloud.mirror_filters.create(
        MEMBER, MirrorFilterDraft(name="web")
    ),
    "mirror_session": lambda world: world.cloud.mirror_sessions.create(
        MEMBER, MirrorSessionDraft(name="web", priority=1)
    ),
    "router": lambda world: world.cloud.routers.create(MEMBER, RouterDraft(name="r")),
    "floatingip": lambda world: world.cloud.floating_ips.create(
        MEMBER, FloatingIpDraft(floating_network_id=an_external_network(world).id)
    ),
    "instance": lambda world: world.cloud.instances.create(MEMBER, InstanceDraft(name="one")),
}


@pytest.mark.covers("H128")
@pytest.mark.parametrize("resource", sorted(DEFAULT_LIMITS.keys() - LIMITS_OF_ONE.keys()))
def test_each_resource_has_a_limit_that_refuses_one_more_and_lets_again_after_one_less(
    resource: str,
) -> None:
    world = a_world()
    a_subnet(world, a_network(world))
    world.cloud.security_groups.find(MEMBER)
    make = MAKERS[resource]
    used = use_of(world, resource).used
    limit(world, **{resource: used})

    with pytest.raises(QuotaExceededError, match=resource):
        make(world)
    assert use_of(world, resource).used == used, "a refusal leaves nothing behind"

    limit(world, **{resource: used + 1})
    make(world)
    assert use_of(world, resource).used == used + 1
    limit(world, **{resource: UNLIMITED})


def test_every_kind_with_a_quota_is_counted_by_the_store_and_the_other_way_round() -> None:
    counted = {kind for kind, shape in SHAPES.items() if shape.is_counted}

    assert counted == set(RESOURCE_OF)
    assert set(RESOURCE_OF.values()) == DEFAULT_LIMITS.keys() - LIMITS_OF_ONE.keys()


def test_a_bulk_is_counted_as_a_whole() -> None:
    world = a_world()
    network = a_network(world)
    limit(world, port=5)

    with pytest.raises(QuotaExceededError):
        world.cloud.ports.create_many(MEMBER, [PortDraft(network_id=network.id)] * 6)
    assert use_of(world, "port").used == 0
    world.cloud.ports.create_many(MEMBER, [PortDraft(network_id=network.id)] * 5)

    assert use_of(world, "port").used == 5


def test_parallel_creations_do_not_pass_together(tmp_path: Path) -> None:
    world = a_world(open_store(sqlite_url(tmp_path / "p.db")))
    network = a_network(world)
    limit(world, port=7)

    def attempt(_: int) -> bool:
        try:
            a_port(world, network)
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as workers:
        made = sum(workers.map(attempt, range(20)))

    assert made == 7
    assert len(world.cloud.ports.find(MEMBER)) == 7
    world.store.close()


def test_ports_that_come_with_an_instance_or_a_virtual_ip_count_too() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    limit(world, port=0)

    with pytest.raises(QuotaExceededError, match="port"):
        world.cloud.instances.create(
            MEMBER, InstanceDraft(interfaces=(InterfaceRequest(network_id=network.id),))
        )
    with pytest.raises(QuotaExceededError, match="port"):
        a_virtual_ip(world)


def test_what_the_cloud_makes_by_itself_counts_but_is_not_refused() -> None:
    world = a_world()
    network = a_network(world)
    limit(world, port=0, security_group=0, security_group_rule=0)

    a_subnet(world, network, dhcp=True)

    assert len(world.cloud.security_groups.find(MEMBER)) == 1
    assert use_of(world, "port").used == 1
    assert use_of(world, "security_group").used == 1


def test_an_administrator_who_makes_things_for_a_project_meets_its_limits() -> None:
    world = a_world()
    limit(world, network=0)

    with pytest.raises(QuotaExceededError):
        world.cloud.networks.create(ADMIN, NetworkDraft(project_id=P1))
    world.cloud.networks.create(ADMIN, NetworkDraft())


def test_a_limit_below_what_is_used_needs_force() -> None:
    world = a_world()
    a_network(world)

    with pytest.raises(QuotaBelowUsageError, match="already used 1"):
        world.cloud.set_quota(ADMIN, P1, QuotaDraft(hard={"network": 0}))
    limit(world, network=0)

    assert use_of(world, "network").allowance.hard == 0


def test_the_soft_limit_warns_at_four_fifths_or_where_it_was_set() -> None:
    world = a_world()
    limit(world, network=10)

    assert use_of(world, "network").allowance.soft == 8
    world.cloud.set_quota(ADMIN, P1, QuotaDraft(soft={"network": 1}))
    before = use_of(world, "network")
    a_network(world)
    after = use_of(world, "network")

    assert not before.allowance.warns(before.used)
    assert after.allowance.warns(after.used)
    assert [use for use in world.cloud.all_quota_uses() if use.resource == "network"] == [after]


def test_an_operator_sets_the_defaults_of_all_projects() -> None:
    world = a_world()
    world.cloud.set_quota(ADMIN, DEFAULTS_ID, QuotaDraft(hard={"network": 1}))
    world.cloud.set_quota(ADMIN, ProjectId("p2"), QuotaDraft(hard={"network": 2}))

    a_network(world)
    with pytest.raises(QuotaExceededError):
        a_network(world)

    assert use_of(world, "network", STRANGER).allowance.hard == 2
    assert {use.project_id for use in world.cloud.quotas(ADMIN)} == {"p2"}


def test_a_project_follows_the_defaults_again() -> None:
    world = a_world()
    limit(world, network=3)

    world.cloud.reset_quota(ADMIN, P1)

    assert use_of(world, "network").allowance.hard == DEFAULT_LIMITS["network"]
    with pytest.raises(NotFoundError):
        world.cloud.reset_quota(ADMIN, P1)


def test_everyone_sees_his_own_quota_and_administrators_set_them() -> None:
    world = a_world()
    manager = a_caller("p1", "manager", "member", "reader")

    assert world.cloud.quota(manager, P1)
    for use in (
        lambda: world.cloud.quota(manager, ProjectId("p2")),
        lambda: world.cloud.quotas(manager),
        lambda: world.cloud.set_quota(manager, P1, QuotaDraft(hard={"port": 1})),
        lambda: world.cloud.reset_quota(manager, P1),
    ):
        with pytest.raises(ForbiddenError):
            use()


def test_a_limit_for_nothing_or_of_no_number_is_refused() -> None:
    world = a_world()

    for hard in ({"sheep": 1}, {"port": -2}, {"port": 1 << 31}):
        with pytest.raises(InvalidRequestError):
            world.cloud.set_quota(ADMIN, P1, QuotaDraft(hard=hard))
