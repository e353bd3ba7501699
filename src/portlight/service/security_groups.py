"""Use cases of security groups and their rules."""

from collections.abc import Sequence
from dataclasses import replace

from portlight.core.address_group import AddressGroup
from portlight.core.changes import next_meta
from portlight.core.default_rule import DefaultRule
from portlight.core.default_rules import is_for, rule_draft
from portlight.core.drafts import (
    SecurityGroupDraft,
    SecurityGroupRuleChange,
    SecurityGroupRuleDraft,
    Unset,
)
from portlight.core.errors import Blocker
from portlight.core.errors_security_group import (
    DefaultSecurityGroupError,
    DuplicateRuleInRequestError,
    SecurityGroupInUseError,
)
from portlight.core.group_room import check_together
from portlight.core.port import Port
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.security_groups import (
    build_default_group,
    build_rule,
    build_security_group,
    change_rule,
    change_security_group,
    check_no_twin,
    check_same_project,
    meaning,
)
from portlight.service import rbac
from portlight.service.group_room import settle
from portlight.service.policy import check_action, check_owner
from portlight.service.work import Work, blocker_of, check_revision, load, load_own, owner_of
from portlight.store.protocol import Reading
from portlight.values.ids import ProjectId, SecurityGroupId, SecurityGroupRuleId


def create(work: Work, draft: SecurityGroupDraft) -> SecurityGroup:
    """Make a group that lets everything out and nothing in."""
    check_action(work.caller, "create_security_group")
    owner = owner_of(work.caller, draft.project_id)
    ensure_default(work, owner)
    group = build_security_group(draft, work.birth(owner, "security_groups"))
    _insert_with_rules(work, group)
    return group


def default_of(tx: Reading, project_id: ProjectId) -> SecurityGroup | None:
    """Return the default group of a project, if it was made already."""
    found = tx.find(SecurityGroup, {"default_of": [project_id]})
    return found[0] if found else None


def ensure_default(work: Work, project_id: ProjectId) -> SecurityGroup:
    """Return the default group of a project; make it when it is not there."""
    present = default_of(work.tx, project_id)
    if present is not None:
        return present
    group = build_default_group(work.birth(project_id, "security_groups"))
    _insert_with_rules(work, group)
    return group


def update(
    work: Work, group_id: SecurityGroupId, draft: SecurityGroupDraft, if_revision: int | None
) -> SecurityGroup:
    """Change a group."""
    group = load_own(work, SecurityGroup, group_id, "update_security_group")
    check_revision(group, group_id, if_revision)
    changed = change_security_group(group, draft, now=work.now)
    if changed.stateful is not group.stateful:
        _check_unused(group_id, _ports_in(work, group_id))
    work.tx.update(group, changed)
    return changed


def delete(work: Work, group_id: SecurityGroupId) -> None:
    """Remove a group with its rules; raise SecurityGroupInUseError when someone uses it."""
    group = load_own(work, SecurityGroup, group_id, "delete_security_group")
    if group.is_default and not work.caller.is_admin:
        raise DefaultSecurityGroupError("Removing the", group.meta.project_id)
    where = {"remote_group_id": [group_id]}
    users = _ports_in(work, group_id)
    users += [
        blocker_of(rule, f"of security group {rule.security_group_id}")
        for rule in work.tx.find(SecurityGroupRule, where)
        if rule.security_group_id != group_id
    ]
    users += [blocker_of(rule) for rule in work.tx.find(DefaultRule, where)]
    _check_unused(group_id, users)
    for rule in work.tx.find(SecurityGroupRule, {"security_group_id": [group_id]}):
        work.tx.delete(rule)
    rbac.discard(work, group)
    work.tx.delete(group)


def create_rules(work: Work, drafts: Sequence[SecurityGroupRuleDraft]) -> list[SecurityGroupRule]:
    """Add rules, all or none. Each group that gets some counts one revision up."""
    check_action(work.caller, "create_security_group_rule")
    groups: dict[SecurityGroupId, SecurityGroup] = {}
    made: list[SecurityGroupRule] = []
    for draft in drafts:
        group = groups.get(draft.security_group_id)
        if group is None:
            group = load(work, SecurityGroup, draft.security_group_id)
            check_owner(work.caller, "create_security_group_rule", group.meta.project_id)
            groups[group.id] = group
        made.append(_build_rule(work, group, draft))
    _check_no_duplicates(made)
    present = work.tx.find(SecurityGroupRule, {"meaning": [meaning(rule) for rule in made]})
    for rule in made:
        check_no_twin(rule, present)
    work.tx.insert(*made)
    for group in groups.values():
        _touch(work, group)
    return made


def update_rule(
    work: Work,
    rule_id: SecurityGroupRuleId,
    change: SecurityGroupRuleChange,
    if_revision: int | None,
) -> SecurityGroupRule:
    """Change the description of a rule."""
    rule = load_own(work, SecurityGroupRule, rule_id, "update_security_group_rule")
    check_revision(rule, rule_id, if_revision)
    changed = change_rule(rule, change, now=work.now)
    work.tx.update(rule, changed)
    return changed


def delete_rule(work: Work, rule_id: SecurityGroupRuleId) -> None:
    """Remove a rule."""
    rule = load_own(work, SecurityGroupRule, rule_id, "delete_security_group_rule")
    work.tx.delete(rule)
    _touch(work, load(work, SecurityGroup, rule.security_group_id))


def groups_for_port(
    work: Work, asked: Sequence[SecurityGroupId] | Unset, owner: ProjectId, *, secured: bool
) -> tuple[SecurityGroupId, ...]:
    """Return the groups of a new port: those asked for (they must exist), else the default one."""
    if isinstance(asked, Unset):
        return (ensure_default(work, owner).id,) if secured else ()
    return check_groups(work, asked)


def check_groups(
    work: Work, asked: Sequence[SecurityGroupId], present: Sequence[SecurityGroupId] = ()
) -> tuple[SecurityGroupId, ...]:
    """Return the groups of a port that had the present ones.

    Raises NotFoundError for one that the caller cannot see, and a ConflictError when they cannot
    be on one port together.
    """
    groups = [load(work, SecurityGroup, group_id) for group_id in dict.fromkeys(asked)]
    if {group.id for group in groups} - set(present):
        check_together(groups)
    return tuple(group.id for group in groups)


def _ports_in(work: Work, group_id: SecurityGroupId) -> list[Blocker]:
    return [blocker_of(port) for port in work.tx.find(Port, {"security_group_id": [group_id]})]


def _check_unused(group_id: SecurityGroupId, users: Sequence[Blocker]) -> None:
    if users:
        raise SecurityGroupInUseError(group_id, users)


def _check_no_duplicates(rules: Sequence[SecurityGroupRule]) -> None:
    first: dict[str, int] = {}
    for place, rule in enumerate(rules, start=1):
        earlier = first.setdefault(meaning(rule), place)
        if earlier != place:
            raise DuplicateRuleInRequestError(earlier, place)


def _build_rule(
    work: Work, group: SecurityGroup, draft: SecurityGroupRuleDraft
) -> SecurityGroupRule:
    if not isinstance(draft.project_id, Unset):
        check_same_project(draft.project_id, group)
    rule = build_rule(draft, work.birth(group.meta.project_id))
    if rule.remote_group_id is not None:
        load(work, SecurityGroup, rule.remote_group_id)
    if rule.remote_address_group_id is not None:
        load(work, AddressGroup, rule.remote_address_group_id)
    return rule


def _insert_with_rules(work: Work, group: SecurityGroup) -> None:
    """Keep a new group with the rules that the operator's template gives it (row P10)."""
    templates = [one for one in work.tx.find(DefaultRule) if is_for(one, group)]
    rules = [
        build_rule(rule_draft(one, group.id), work.birth(group.meta.project_id))
        for one in templates
    ]
    work.tx.insert(group)
    work.tx.insert(*rules)
    settle(work, group, group)


def _touch(work: Work, group: SecurityGroup) -> None:
    """Note that the rules of a group have changed."""
    settle(work, group, replace(group, meta=next_meta(group.meta, None, work.now)))
