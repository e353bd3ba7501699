"""Use cases of address groups. A change reaches the packets of every port whose rules name one."""

from collections.abc import Callable, Sequence

from portlight.core.address_group import AddressGroup
from portlight.core.address_groups import (
    add_addresses,
    build_address_group,
    change_address_group,
    remove_addresses,
)
from portlight.core.default_rule import DefaultRule
from portlight.core.drafts_groups import AddressGroupDraft
from portlight.core.errors_address_group import AddressGroupInUseError
from portlight.core.security_group import SecurityGroupRule
from portlight.service import rbac
from portlight.service.group_room import settle_users
from portlight.service.policy import check_action
from portlight.service.work import Work, blocker_of, check_revision, load_own, owner_of
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressGroupId


def create(work: Work, draft: AddressGroupDraft) -> AddressGroup:
    """Make an address group."""
    check_action(work.caller, "create_address_group")
    group = build_address_group(draft, work.birth(owner_of(work.caller, draft.project_id)))
    work.tx.insert(group)
    return group


def update(
    work: Work, group_id: AddressGroupId, draft: AddressGroupDraft, if_revision: int | None
) -> AddressGroup:
    """Change its name or description."""
    return _change(
        work, group_id, if_revision, lambda g: change_address_group(g, draft, now=work.now)
    )


def add(work: Work, group_id: AddressGroupId, addresses: Sequence[IpPrefix]) -> AddressGroup:
    """Put addresses into the group; raise AddressesAlreadyExistError for one that is in it."""
    changed = _change(work, group_id, None, lambda g: add_addresses(g, addresses, now=work.now))
    settle_users(work, changed)
    return changed


def remove(work: Work, group_id: AddressGroupId, addresses: Sequence[IpPrefix]) -> AddressGroup:
    """Take addresses out of the group; raise NotFoundError for one that is not in it."""
    changed = _change(work, group_id, None, lambda g: remove_addresses(g, addresses, now=work.now))
    settle_users(work, changed)
    return changed


def delete(work: Work, group_id: AddressGroupId) -> None:
    """Remove a group; raise AddressGroupInUseError, which names the rules that refer to it."""
    group = load_own(work, AddressGroup, group_id, "delete_address_group")
    where = {"remote_address_group_id": [group_id]}
    users = [
        blocker_of(rule, f"of security group {rule.security_group_id}")
        for rule in work.tx.find(SecurityGroupRule, where)
    ]
    users += [blocker_of(rule) for rule in work.tx.find(DefaultRule, where)]
    if users:
        raise AddressGroupInUseError(group_id, users)
    rbac.discard(work, group)
    work.tx.delete(group)


def _change(
    work: Work,
    group_id: AddressGroupId,
    if_revision: int | None,
    change: Callable[[AddressGroup], AddressGroup],
) -> AddressGroup:
    group = load_own(work, AddressGroup, group_id, "update_address_group")
    check_revision(group, group_id, if_revision)
    changed = change(group)
    work.tx.update(group, changed)
    return changed
