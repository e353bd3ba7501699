"""RBAC policies: who sees and uses what he does not own, and how long."""

import pytest
from tests.support.clouds import (
    ADMIN,
    MEMBER,
    READER,
    STRANGER,
    World,
    a_caller,
    a_network,
    a_port,
    a_subnet,
    a_world,
)

from portlight.core.drafts import (
    NetworkDraft,
    PortDraft,
    SecurityGroupDraft,
    SecurityGroupRuleDraft,
    SubnetDraft,
)
from portlight.core.drafts_sharing import RbacPolicyChange, RbacPolicyDraft
from portlight.core.errors import ForbiddenError, NotFoundError
from portlight.core.errors_network import NetworkSharedInUseError
from portlight.core.errors_sharing import (
    DuplicateRbacPolicyError,
    RbacForeignObjectError,
    RbacObjectTypeError,
    RbacPolicyInUseError,
)
from portlight.core.network import Network
from portlight.core.rbac import EVERYONE, RbacAction, RbacPolicy
from portlight.core.security_group import Direction, SecurityGroup
from portlight.service.caller import Caller
from portlight.values.addresses import parse_prefix

THIRD = a_caller("p3")


def share(
    world: World, thing: Network | SecurityGroup, target: str = "p2", *, by: Caller = MEMBER
) -> RbacPolicy:
    object_type = "network" if isinstance(thing, Network) else "security_group"
    draft = RbacPolicyDraft(
        object_type=object_type,
        object_id=thing.id,
        target=target,
        action=RbacAction.ACCESS_AS_SHARED,
    )
    return world.cloud.rbac_policies.create(by, draft)


def is_shared(world: World, network: Network, caller: Caller) -> bool:
    return network.id in world.cloud.shared_with(caller, Network)


def test_only_the_project_of_the_policy_sees_the_network_and_its_subnets() -> None:
    world = a_world()
    network = a_network(world)
    subnet = a_subnet(world, network)

    share(world, network)

    assert [one.id for one in world.cloud.networks.find(STRANGER)] == [network.id]
    assert world.cloud.networks.get(STRANGER, network.id).id == network.id
    assert world.cloud.subnets.find(STRANGER) == [subnet]
    assert world.cloud.subnets.get(STRANGER, subnet.id) == subnet
    assert world.cloud.networks.find(THIRD) == []
    with pytest.raises(NotFoundError):
        world.cloud.subnets.get(THIRD, subnet.id)


def test_shared_is_what_the_policies_say_to_the_one_who_asks() -> None:
    world = a_world()
    network = a_network(world)

    share(world, network)

    assert is_shared(world, network, STRANGER)
    assert not is_shared(world, network, MEMBER)
    assert not is_shared(world, network, THIRD)


def test_a_project_makes_ports_on_a_shared_network_and_sees_its_own_only() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    share(world, network)

    own = a_port(world, network)
    theirs = world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))

    assert theirs.meta.project_id == "p2"
    assert world.cloud.ports.find(STRANGER) == [theirs]
    with pytest.raises(NotFoundError):
        world.cloud.ports.get(STRANGER, own.id)


def test_the_owner_of_a_network_sees_and_removes_what_others_have_on_it() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    share(world, network)
    theirs = world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))

    assert world.cloud.ports.find(MEMBER) == [theirs]
    with pytest.raises(ForbiddenError):
        world.cloud.ports.update(MEMBER, theirs.id, PortDraft(name="mine"))
    world.cloud.ports.delete(MEMBER, theirs.id)

    assert world.cloud.ports.find(STRANGER) == []


def test_who_uses_a_network_does_not_change_it() -> None:
    world = a_world()
    network = a_network(world)
    subnet = a_subnet(world, network)
    share(world, network)
    draft = SubnetDraft(network_id=network.id, cidr=parse_prefix("10.9.0.0/24"))

    for use in (
        lambda: world.cloud.networks.update(STRANGER, network.id, NetworkDraft(name="mine")),
        lambda: world.cloud.networks.delete(STRANGER, network.id),
        lambda: world.cloud.subnets.create(STRANGER, draft),
        lambda: world.cloud.subnets.delete(STRANGER, subnet.id),
    ):
        with pytest.raises(ForbiddenError):
            use()


@pytest.mark.covers("H145")
def test_a_policy_that_someone_needs_stays_and_names_who() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    policy = share(world, network)
    theirs = world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))

    with pytest.raises(RbacPolicyInUseError, match=theirs.id) as refusal:
        world.cloud.rbac_policies.delete(MEMBER, policy.id)
    with pytest.raises(RbacPolicyInUseError):
        world.cloud.rbac_policies.update(MEMBER, policy.id, RbacPolicyChange(target="p3"))
    assert [blocker.id for blocker in refusal.value.blockers] == [theirs.id]
    assert is_shared(world, network, STRANGER), "a refusal changes nothing"

    world.cloud.ports.delete(STRANGER, theirs.id)
    world.cloud.rbac_policies.delete(MEMBER, policy.id)
    assert world.cloud.networks.find(STRANGER) == []


def test_a_policy_may_go_while_another_one_still_lets() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    policy = share(world, network)
    everyone = share(world, network, EVERYONE, by=ADMIN)
    world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))

    world.cloud.rbac_policies.delete(MEMBER, policy.id)

    with pytest.raises(RbacPolicyInUseError):
        world.cloud.rbac_policies.delete(ADMIN, everyone.id)


def test_what_an_administrator_made_there_does_not_keep_a_policy_for_others() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    world.cloud.ports.create(ADMIN, PortDraft(network_id=network.id))

    world.cloud.rbac_policies.delete(MEMBER, share(world, network).id)

    assert world.cloud.networks.find(STRANGER) == []


def test_a_policy_moves_to_another_project() -> None:
    world = a_world()
    network = a_network(world)
    policy = share(world, network)

    moved = world.cloud.rbac_policies.update(MEMBER, policy.id, RbacPolicyChange(target="p3"))

    assert moved.target == "p3"
    assert world.cloud.networks.find(STRANGER) == []
    assert [one.id for one in world.cloud.networks.find(THIRD)] == [network.id]


def test_shared_and_the_policy_for_everyone_are_one() -> None:
    world = a_world()
    network = a_network(world, NetworkDraft(shared=True), by=ADMIN)

    (policy,) = world.cloud.rbac_policies.find(ADMIN)
    assert (policy.object_id, policy.target) == (network.id, EVERYONE)
    world.cloud.rbac_policies.delete(ADMIN, policy.id)
    assert not is_shared(world, network, STRANGER)

    world.cloud.networks.update(ADMIN, network.id, NetworkDraft(shared=True))
    assert is_shared(world, network, STRANGER)
    assert is_shared(world, network, ADMIN)


def test_a_network_that_others_use_cannot_become_private() -> None:
    world = a_world()
    network = a_network(world, NetworkDraft(shared=True), by=ADMIN)
    port = world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))

    with pytest.raises(NetworkSharedInUseError, match=port.id):
        world.cloud.networks.update(ADMIN, network.id, NetworkDraft(shared=False))

    assert is_shared(world, network, THIRD)


def test_an_external_network_is_seen_by_all_and_used_by_its_owner() -> None:
    world = a_world()
    network = world.cloud.networks.create(ADMIN, NetworkDraft(external=True))

    assert [one.id for one in world.cloud.networks.find(STRANGER)] == [network.id]
    assert not is_shared(world, network, STRANGER)
    with pytest.raises(ForbiddenError):
        world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))

    world.cloud.networks.update(ADMIN, network.id, NetworkDraft(shared=True))
    port = world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))
    with pytest.raises(NetworkSharedInUseError, match=port.id):
        world.cloud.networks.update(ADMIN, network.id, NetworkDraft(shared=False))


def test_the_revision_of_a_thing_tells_that_its_sharing_changed() -> None:
    world = a_world()
    network = a_network(world)

    policy = share(world, network)
    between = world.cloud.networks.get(MEMBER, network.id).meta.revision_number
    world.cloud.rbac_policies.delete(MEMBER, policy.id)
    after = world.cloud.networks.get(MEMBER, network.id).meta.revision_number

    assert network.meta.revision_number < between < after


def test_only_an_administrator_shares_with_everyone_or_what_is_not_his() -> None:
    world = a_world()
    network = a_network(world)
    policy = share(world, network)

    with pytest.raises(ForbiddenError, match="rbac_policy:everyone"):
        share(world, network, EVERYONE)
    with pytest.raises(ForbiddenError, match="rbac_policy:everyone"):
        world.cloud.rbac_policies.update(MEMBER, policy.id, RbacPolicyChange(target=EVERYONE))
    with pytest.raises(RbacForeignObjectError):
        share(world, network, "p3", by=STRANGER)
    with pytest.raises(NotFoundError):
        share(world, network, "p3", by=THIRD)
    with pytest.raises(ForbiddenError):
        share(world, network, "p3", by=READER)
    assert share(world, network, EVERYONE, by=ADMIN).target == EVERYONE


def test_what_cannot_be_shared_is_refused_with_what_can() -> None:
    world = a_world()
    draft = RbacPolicyDraft(
        object_type="port",
        object_id="x",
        target="p2",
        action=RbacAction.ACCESS_AS_SHARED,
    )

    with pytest.raises(RbacObjectTypeError, match="network"):
        world.cloud.rbac_policies.create(MEMBER, draft)


def test_the_same_policy_twice_is_refused() -> None:
    world = a_world()
    network = a_network(world)
    policy = share(world, network)

    with pytest.raises(DuplicateRbacPolicyError, match=policy.id):
        share(world, network)


def test_policies_are_seen_by_who_made_them() -> None:
    world = a_world()
    policy = share(world, a_network(world))

    assert world.cloud.rbac_policies.find(MEMBER) == [policy]
    assert world.cloud.rbac_policies.find(ADMIN) == [policy]
    assert world.cloud.rbac_policies.find(STRANGER) == []
    with pytest.raises(NotFoundError):
        world.cloud.rbac_policies.delete(STRANGER, policy.id)


def test_a_thing_that_is_gone_leaves_no_policy() -> None:
    world = a_world()
    network = a_network(world)
    share(world, network)
    group = a_group(world)
    share(world, group)

    world.cloud.networks.delete(MEMBER, network.id)
    world.cloud.security_groups.delete(MEMBER, group.id)

    assert world.cloud.rbac_policies.find(ADMIN) == []


def test_a_shared_group_is_used_on_ports_and_as_remote_but_not_changed() -> None:
    world = a_world()
    group = a_group(world)
    rule = world.cloud.security_group_rules.create(
        MEMBER, SecurityGroupRuleDraft(security_group_id=group.id, direction=Direction.INGRESS)
    )
    policy = share(world, group)
    theirs = world.cloud.networks.create(STRANGER, NetworkDraft(name="theirs"))
    own_group = world.cloud.security_groups.create(STRANGER, SecurityGroupDraft(name="own"))

    port = world.cloud.ports.create(
        STRANGER, PortDraft(network_id=theirs.id, security_groups=(group.id,))
    )
    remote = world.cloud.security_group_rules.create(
        STRANGER,
        SecurityGroupRuleDraft(
            security_group_id=own_group.id, direction=Direction.INGRESS, remote_group_id=group.id
        ),
    )

    assert port.security_groups == (group.id,)
    assert rule.id in {one.id for one in world.cloud.security_group_rules.find(STRANGER)}
    with pytest.raises(ForbiddenError):
        world.cloud.security_group_rules.create(
            STRANGER,
            SecurityGroupRuleDraft(security_group_id=group.id, direction=Direction.EGRESS),
        )
    with pytest.raises(ForbiddenError):
        world.cloud.security_groups.delete(STRANGER, group.id)
    with pytest.raises(RbacPolicyInUseError) as refusal:
        world.cloud.rbac_policies.delete(MEMBER, policy.id)
    assert {(one.kind, one.id) for one in refusal.value.blockers} == {
        ("Port", port.id),
        ("SecurityGroupRule", remote.id),
    }


def test_a_group_that_is_not_shared_cannot_be_used() -> None:
    world = a_world()
    group = a_group(world)
    theirs = world.cloud.networks.create(STRANGER, NetworkDraft(name="theirs"))

    with pytest.raises(NotFoundError):
        world.cloud.ports.create(
            STRANGER, PortDraft(network_id=theirs.id, security_groups=(group.id,))
        )


def a_group(world: World) -> SecurityGroup:
    return world.cloud.security_groups.create(MEMBER, SecurityGroupDraft(name="web"))
