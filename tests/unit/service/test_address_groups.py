"""Address groups: what is in them, who uses them, and what a port can hold of them."""

import pytest
from tests.support.clouds import ADMIN, MEMBER, READER, STRANGER, World, a_network, a_world

from portlight.core.address_group import AddressGroup
from portlight.core.drafts import PortDraft, SecurityGroupDraft, SecurityGroupRuleDraft
from portlight.core.drafts_groups import AddressGroupDraft, DefaultRuleDraft
from portlight.core.errors import (
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
)
from portlight.core.errors_address_group import (
    AddressesAlreadyExistError,
    AddressGroupInUseError,
    TooManyAddressesError,
)
from portlight.core.errors_security_group import MultipleRemotesError, TooManyRulesError
from portlight.core.security_group import Direction, SecurityGroup
from portlight.values.addresses import IpPrefix, parse_interface, parse_prefix
from portlight.values.ids import AddressGroupId, SecurityGroupId


def prefixes(*texts: str) -> tuple[IpPrefix, ...]:
    return tuple(parse_prefix(text) for text in texts)


def many(count: int, first: str = "10.0.0.0") -> tuple[IpPrefix, ...]:
    base = int(parse_prefix(first).network_address)
    return tuple(type(parse_prefix(first))((base + number, 32)) for number in range(count))


def an_address_group(world: World, *addresses: str) -> AddressGroup:
    draft = AddressGroupDraft(name="office", addresses=prefixes(*addresses))
    return world.cloud.address_groups.create(MEMBER, draft)


def a_group(world: World, name: str = "web") -> SecurityGroup:
    return world.cloud.security_groups.create(MEMBER, SecurityGroupDraft(name=name))


def a_rule(group: SecurityGroup, addresses: AddressGroup) -> SecurityGroupRuleDraft:
    return SecurityGroupRuleDraft(
        security_group_id=group.id,
        direction=Direction.INGRESS,
        remote_address_group_id=addresses.id,
    )


def test_addresses_come_and_go_and_each_is_there_once() -> None:
    world = a_world()
    group = an_address_group(world, "10.0.0.0/24", "2001:db8::/64", "10.0.0.0/24")
    groups = world.cloud.address_groups

    more = groups.add_addresses(MEMBER, group.id, prefixes("10.0.0.7/32"))
    fewer = groups.remove_addresses(MEMBER, group.id, prefixes("10.0.0.0/24"))

    assert group.addresses == prefixes("10.0.0.0/24", "2001:db8::/64")
    assert more.addresses == prefixes("10.0.0.0/24", "2001:db8::/64", "10.0.0.7/32")
    assert fewer.addresses == prefixes("2001:db8::/64", "10.0.0.7/32")
    assert groups.get(MEMBER, group.id) == fewer
    assert fewer.meta.revision_number == 3


def test_known_addresses_are_not_added_again_and_unknown_ones_not_removed() -> None:
    world = a_world()
    group = an_address_group(world, "10.0.0.0/24")
    groups = world.cloud.address_groups

    with pytest.raises(AddressesAlreadyExistError, match=r"10\.0\.0\.0/24 already exist"):
        groups.add_addresses(MEMBER, group.id, prefixes("10.0.1.0/24", "10.0.0.0/24"))
    with pytest.raises(NotFoundError, match=r"10\.0\.1\.0/24 in the address group"):
        groups.remove_addresses(MEMBER, group.id, prefixes("10.0.0.0/24", "10.0.1.0/24"))

    assert groups.get(MEMBER, group.id) == group


def test_a_group_is_renamed_under_its_revision_and_keeps_its_addresses() -> None:
    world = a_world()
    group = an_address_group(world, "10.0.0.0/24")
    change = AddressGroupDraft(name="branch")

    renamed = world.cloud.address_groups.update(MEMBER, group.id, change, if_revision=1)

    assert (renamed.meta.name, renamed.addresses) == ("branch", group.addresses)
    with pytest.raises(PreconditionFailedError):
        world.cloud.address_groups.update(MEMBER, group.id, change, if_revision=1)


def test_others_neither_see_nor_use_nor_change_an_address_group() -> None:
    world = a_world()
    mine = an_address_group(world, "10.0.0.0/24")
    theirs = world.cloud.security_groups.find(STRANGER)[0]
    groups = world.cloud.address_groups

    assert groups.find(STRANGER) == []
    assert groups.find(READER) == groups.find(ADMIN) == [mine]
    with pytest.raises(NotFoundError):
        world.cloud.security_group_rules.create(STRANGER, a_rule(theirs, mine))
    with pytest.raises(NotFoundError):
        groups.add_addresses(STRANGER, mine.id, prefixes("10.0.1.0/24"))
    with pytest.raises(ForbiddenError):
        groups.remove_addresses(READER, mine.id, prefixes("10.0.0.0/24"))


def test_a_group_in_use_stays_and_the_refusal_names_the_rules() -> None:
    world = a_world()
    addresses, group = an_address_group(world, "10.0.0.0/24"), a_group(world)
    rule = world.cloud.security_group_rules.create(MEMBER, a_rule(group, addresses))
    default = world.cloud.default_rules.create(
        ADMIN,
        DefaultRuleDraft(direction=Direction.INGRESS, remote_address_group_id=addresses.id),
    )

    with pytest.raises(AddressGroupInUseError) as caught:
        world.cloud.address_groups.delete(MEMBER, addresses.id)

    assert [str(blocker) for blocker in caught.value.blockers] == [
        f"SecurityGroupRule {rule.id} (of security group {group.id})",
        f"DefaultSecurityGroupRule {default.id}",
    ]
    world.cloud.security_group_rules.delete(MEMBER, rule.id)
    world.cloud.default_rules.delete(ADMIN, default.id)
    world.cloud.address_groups.delete(MEMBER, addresses.id)
    assert world.cloud.address_groups.find(MEMBER) == []


def test_a_rule_has_one_remote_side_that_is_there() -> None:
    world = a_world()
    addresses, group = an_address_group(world, "10.0.0.0/24"), a_group(world)
    for other in (
        {"remote_prefix": parse_interface("10.0.0.0/8")},
        {"remote_group_id": SecurityGroupId(group.id)},
    ):
        with pytest.raises(MultipleRemotesError):
            world.cloud.security_group_rules.create(
                MEMBER,
                SecurityGroupRuleDraft(
                    security_group_id=group.id,
                    direction=Direction.INGRESS,
                    remote_address_group_id=addresses.id,
                    **other,
                ),
            )
    with pytest.raises(NotFoundError, match="AddressGroup"):
        world.cloud.security_group_rules.create(
            MEMBER,
            SecurityGroupRuleDraft(
                security_group_id=group.id,
                direction=Direction.INGRESS,
                remote_address_group_id=AddressGroupId("unknown"),
            ),
        )


@pytest.mark.covers("N13")
def test_what_a_port_cannot_hold_is_refused_wherever_it_would_come_from() -> None:
    world = a_world()
    group, other = a_group(world), a_group(world, "other")
    big = world.cloud.address_groups.create(
        MEMBER, AddressGroupDraft(name="big", addresses=many(16_384))
    )
    small = an_address_group(world, "192.0.2.0/24")
    network = a_network(world)
    rules = world.cloud.security_group_rules
    rules.create_many(MEMBER, [a_rule(group, big), a_rule(other, small)])
    draft = PortDraft(network_id=network.id, security_groups=(group.id, other.id))
    port = world.cloud.ports.create(MEMBER, draft)

    with pytest.raises(TooManyRulesError, match=r"room for 32768 .* takes 18432"):
        rules.create(MEMBER, a_rule(other, big))
    with pytest.raises(TooManyRulesError):
        world.cloud.address_groups.add_addresses(MEMBER, small.id, many(16_000, "10.9.0.0"))
    with pytest.raises(TooManyAddressesError, match="16385 addresses, more than 16384"):
        world.cloud.address_groups.add_addresses(MEMBER, big.id, many(1, "10.9.0.0"))
    assert world.cloud.address_groups.get(MEMBER, big.id) == big

    bare = world.cloud.ports.update(MEMBER, port.id, PortDraft(security_groups=(group.id,)))
    world.cloud.address_groups.add_addresses(MEMBER, small.id, many(16_000, "10.9.0.0"))
    with pytest.raises(TooManyRulesError):
        world.cloud.ports.update(MEMBER, port.id, draft)
    assert world.cloud.ports.get(MEMBER, port.id) == bare


def test_room_that_a_group_does_not_need_any_more_is_free_again() -> None:
    world = a_world()
    group = a_group(world)
    addresses = world.cloud.address_groups.create(
        MEMBER, AddressGroupDraft(name="big", addresses=many(9_000))
    )
    rule = world.cloud.security_group_rules.create(MEMBER, a_rule(group, addresses))
    taken = world.cloud.security_groups.get(MEMBER, group.id).room

    world.cloud.address_groups.remove_addresses(MEMBER, addresses.id, many(8_000))
    fewer = world.cloud.security_groups.get(MEMBER, group.id).room
    world.cloud.security_group_rules.delete(MEMBER, rule.id)

    assert (taken, fewer) == (9_216, 1_024)
    assert world.cloud.security_groups.get(MEMBER, group.id).room == 512
