"""Security groups: the default one, rules, and who still uses them."""

import pytest
from tests.support.clouds import MEMBER, STRANGER, World, a_network, a_world

from portlight.core.drafts import (
    NetworkDraft,
    PortDraft,
    SecurityGroupDraft,
    SecurityGroupRuleChange,
    SecurityGroupRuleDraft,
)
from portlight.core.errors import NotFoundError
from portlight.core.errors_security_group import (
    DefaultSecurityGroupError,
    DuplicateRuleInRequestError,
    SecurityGroupInUseError,
    SecurityGroupRuleExistsError,
)
from portlight.core.security_group import Direction, EstablishedFlows, EtherType, SecurityGroup
from portlight.values.ids import SecurityGroupId


def a_group(world: World, name: str = "web") -> SecurityGroup:
    return world.cloud.security_groups.create(MEMBER, SecurityGroupDraft(name=name))


def a_rule(group_id: str, **changes: object) -> SecurityGroupRuleDraft:
    return SecurityGroupRuleDraft(
        security_group_id=SecurityGroupId(group_id),
        direction=Direction.INGRESS,
        **changes,  # type: ignore[arg-type]
    )


def shown(world: World, group: SecurityGroup) -> set[tuple[str, str, str | None]]:
    where = {"security_group_id": [group.id]}
    return {
        (rule.direction, rule.ethertype, rule.remote_group_id)
        for rule in world.cloud.security_group_rules.find(MEMBER, where)
    }


@pytest.mark.covers("H87")
def test_every_project_has_a_default_group_that_lets_out_all_and_in_only_itself() -> None:
    world = a_world()

    (default,) = world.cloud.security_groups.find(MEMBER)
    (other,) = world.cloud.security_groups.find(STRANGER)

    assert default.is_default
    assert default.meta.name == "default"
    assert other.id != default.id
    assert shown(world, default) == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", default.id),
        ("ingress", "IPv6", default.id),
    }
    assert world.cloud.security_groups.find(MEMBER) == [default], "only one, however often asked"


@pytest.mark.covers("H87")
def test_a_port_without_a_word_about_groups_gets_the_default_one() -> None:
    world = a_world()
    network = a_network(world)

    port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id))
    bare = world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id, security_groups=()))

    assert port.security_groups == (world.cloud.security_groups.find(MEMBER)[0].id,)
    assert bare.security_groups == ()


def test_a_new_group_lets_everything_out_and_nothing_in() -> None:
    world = a_world()
    group = a_group(world)

    assert shown(world, group) == {("egress", "IPv4", None), ("egress", "IPv6", None)}
    assert group.established_flows is EstablishedFlows.CUT


@pytest.mark.covers("H91", "H98")
def test_rules_are_added_in_bulk_and_deleted_and_the_group_counts_it() -> None:
    world = a_world()
    group = a_group(world)
    drafts = [a_rule(group.id, protocol="tcp", port_range_min=p, port_range_max=p) for p in (1, 2)]

    made = world.cloud.security_group_rules.create_many(MEMBER, drafts)
    for rule in made:
        world.cloud.security_group_rules.delete(MEMBER, rule.id)

    assert len(made) == 2
    assert shown(world, group) == {("egress", "IPv4", None), ("egress", "IPv6", None)}
    assert world.cloud.security_groups.get(MEMBER, group.id).meta.revision_number == 4


def test_a_twin_is_refused_in_bulk_too_and_then_nothing_is_added() -> None:
    world = a_world()
    group = a_group(world)
    before = shown(world, group)

    with pytest.raises(DuplicateRuleInRequestError, match="rules 1 and 2"):
        world.cloud.security_group_rules.create_many(
            MEMBER, [a_rule(group.id), a_rule(group.id, description="again")]
        )

    assert shown(world, group) == before


def test_a_twin_names_the_rule_that_is_there() -> None:
    world = a_world()
    group = a_group(world)
    first = world.cloud.security_group_rules.create(MEMBER, a_rule(group.id, protocol="udp"))

    with pytest.raises(SecurityGroupRuleExistsError) as caught:
        world.cloud.security_group_rules.create(MEMBER, a_rule(group.id, protocol="17"))

    assert caught.value.rule_id == first.id


def test_only_the_description_of_a_rule_changes() -> None:
    world = a_world()
    rule = world.cloud.security_group_rules.create(MEMBER, a_rule(a_group(world).id))

    changed = world.cloud.security_group_rules.update(
        MEMBER, rule.id, SecurityGroupRuleChange(description="why")
    )

    assert changed.meta.description == "why"
    assert changed.meta.revision_number == 2


def test_a_group_in_use_stays_and_the_refusal_names_port_and_rule() -> None:
    world = a_world()
    group, other = a_group(world), a_group(world, "other")
    network = a_network(world, NetworkDraft())
    port = world.cloud.ports.create(
        MEMBER, PortDraft(network_id=network.id, security_groups=(group.id,))
    )
    rule = world.cloud.security_group_rules.create(
        MEMBER, a_rule(other.id, remote_group_id=group.id)
    )
    world.cloud.security_group_rules.create(MEMBER, a_rule(group.id, remote_group_id=group.id))

    with pytest.raises(SecurityGroupInUseError) as caught:
        world.cloud.security_groups.delete(MEMBER, group.id)
    world.cloud.ports.delete(MEMBER, port.id)
    world.cloud.security_group_rules.delete(MEMBER, rule.id)
    world.cloud.security_groups.delete(MEMBER, group.id)

    assert port.id in str(caught.value)
    assert rule.id in str(caught.value)
    where = {"security_group_id": [group.id]}
    assert world.cloud.security_group_rules.find(MEMBER, where) == []


def test_the_default_group_is_neither_removed_renamed_nor_made_twice() -> None:
    world = a_world()
    (default,) = world.cloud.security_groups.find(MEMBER)

    with pytest.raises(DefaultSecurityGroupError):
        world.cloud.security_groups.delete(MEMBER, default.id)
    with pytest.raises(DefaultSecurityGroupError):
        world.cloud.security_groups.update(MEMBER, default.id, SecurityGroupDraft(name="x"))
    with pytest.raises(DefaultSecurityGroupError):
        a_group(world, "default")


def test_rules_of_and_about_groups_of_others_are_refused() -> None:
    world = a_world()
    (foreign,) = world.cloud.security_groups.find(STRANGER)
    own = a_group(world)

    with pytest.raises(NotFoundError):
        world.cloud.security_group_rules.create(MEMBER, a_rule(foreign.id))
    with pytest.raises(NotFoundError):
        world.cloud.security_group_rules.create(MEMBER, a_rule(own.id, remote_group_id=foreign.id))


def test_icmp_in_an_ipv6_rule_is_icmpv6() -> None:
    world = a_world()
    rule = world.cloud.security_group_rules.create(
        MEMBER, a_rule(a_group(world).id, protocol="icmp", ethertype=EtherType.IPV6)
    )

    assert (rule.protocol, rule.protocol_spelling) == (58, "icmp")
