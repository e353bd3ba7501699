"""Default rules: what new groups start with is the operator's choice (row P10)."""

import pytest
from tests.support.clouds import ADMIN, MEMBER, READER, STRANGER, World, a_world

from portlight.core.default_rule import PARENT
from portlight.core.drafts import SecurityGroupDraft
from portlight.core.drafts_groups import DefaultRuleDraft
from portlight.core.errors import ForbiddenError, NotFoundError
from portlight.core.errors_security_group import (
    DefaultRuleExistsError,
    ProtocolRequiredWithPortsError,
    SecurityGroupInUseError,
)
from portlight.core.security_group import Direction, SecurityGroup
from portlight.values.addresses import parse_interface
from portlight.values.ids import DefaultRuleId

SSH = DefaultRuleDraft(
    direction=Direction.INGRESS,
    protocol="tcp",
    port_range_min=22,
    port_range_max=22,
    remote_prefix=parse_interface("10.0.0.0/8"),
    description="from the office",
)


def a_group(world: World) -> SecurityGroup:
    return world.cloud.security_groups.create(MEMBER, SecurityGroupDraft(name="web"))


def rules_of(world: World, group: SecurityGroup) -> set[tuple[str, str, str | None, str | None]]:
    found = world.cloud.security_group_rules.find(ADMIN, {"security_group_id": [group.id]})
    return {
        (rule.direction, rule.ethertype, rule.protocol_spelling, rule.remote_group_id)
        for rule in found
    }


OPEN = {("egress", "IPv4", None, None), ("egress", "IPv6", None, None)}


@pytest.mark.covers("P10")
def test_the_operator_decides_what_new_groups_start_with_and_old_ones_keep_theirs() -> None:
    world = a_world()
    before = a_group(world)
    first = world.cloud.default_rules.find(READER)

    world.cloud.default_rules.create(ADMIN, SSH)
    world.cloud.default_rules.delete(ADMIN, first[1].id)
    after = a_group(world)

    assert len(first) == 4
    assert rules_of(world, before) == OPEN
    assert rules_of(world, after) == {
        ("egress", "IPv4", None, None),
        ("ingress", "IPv4", "tcp", None),
    }


@pytest.mark.covers("P10")
def test_a_rule_for_default_groups_may_name_the_group_itself() -> None:
    world = a_world()
    draft = DefaultRuleDraft(
        direction=Direction.EGRESS,
        protocol="udp",
        remote_group=PARENT,
        used_in_default_group=True,
        used_in_other_groups=False,
    )

    world.cloud.default_rules.create(ADMIN, draft)
    (default,) = world.cloud.security_groups.find(STRANGER)

    assert ("egress", "IPv4", "udp", default.id) in rules_of(world, default)
    assert rules_of(world, a_group(world)) == OPEN


@pytest.mark.covers("P10")
def test_without_any_default_rule_a_group_starts_empty() -> None:
    world = a_world()
    for rule in world.cloud.default_rules.find(ADMIN):
        world.cloud.default_rules.delete(ADMIN, rule.id)

    assert rules_of(world, a_group(world)) == set()


def test_only_administrators_change_the_template() -> None:
    world = a_world()
    (first, *_) = world.cloud.default_rules.find(MEMBER)

    with pytest.raises(ForbiddenError):
        world.cloud.default_rules.create(MEMBER, SSH)
    with pytest.raises(ForbiddenError):
        world.cloud.default_rules.delete(MEMBER, first.id)
    with pytest.raises(NotFoundError, match="DefaultSecurityGroupRule"):
        world.cloud.default_rules.get(MEMBER, DefaultRuleId("unknown"))


def test_a_default_rule_obeys_what_rules_obey_and_has_no_twin_for_the_same_groups() -> None:
    world = a_world()
    create = world.cloud.default_rules.create
    made = create(ADMIN, SSH)

    with pytest.raises(DefaultRuleExistsError, match=made.id):
        create(ADMIN, SSH)
    with pytest.raises(ProtocolRequiredWithPortsError):
        create(ADMIN, DefaultRuleDraft(direction=Direction.INGRESS, port_range_min=1))
    with pytest.raises(NotFoundError):
        create(ADMIN, DefaultRuleDraft(direction=Direction.INGRESS, remote_group="unknown"))


def test_a_group_that_the_template_names_stays() -> None:
    world = a_world()
    group = a_group(world)
    draft = DefaultRuleDraft(direction=Direction.INGRESS, remote_group=group.id)
    rule = world.cloud.default_rules.create(ADMIN, draft)

    with pytest.raises(SecurityGroupInUseError, match=f"DefaultSecurityGroupRule {rule.id}"):
        world.cloud.security_groups.delete(MEMBER, group.id)
