"""Use cases of mirror filters and their rules."""

from collections.abc import Sequence

from portlight.core.drafts_mirror import (
    MirrorFilterDraft,
    MirrorFilterRuleChange,
    MirrorFilterRuleDraft,
)
from portlight.core.errors_mirror import MirrorFilterInUseError, MirrorPriorityTakenError
from portlight.core.mirror import MirrorFilter, MirrorFilterRule, MirrorSession
from portlight.core.mirrors import (
    build_mirror_filter,
    build_mirror_rule,
    change_mirror_filter,
    change_mirror_rule,
)
from portlight.service.policy import check_action
from portlight.service.quotas import check_room
from portlight.service.work import Work, blocker_of, check_revision, load_own, owner_of
from portlight.store.shapes import SHAPES
from portlight.values.ids import MirrorFilterId, MirrorFilterRuleId


def create(work: Work, draft: MirrorFilterDraft) -> MirrorFilter:
    """Make a filter without rules."""
    check_action(work.caller, "create_mirror_filter")
    made = build_mirror_filter(draft, work.birth(owner_of(work.caller, draft.project_id)))
    work.tx.insert(made)
    return made


def update(
    work: Work, filter_id: MirrorFilterId, draft: MirrorFilterDraft, if_revision: int | None
) -> MirrorFilter:
    """Change its name or description."""
    present = load_own(work, MirrorFilter, filter_id, "update_mirror_filter")
    check_revision(present, filter_id, if_revision)
    changed = change_mirror_filter(present, draft, now=work.now)
    work.tx.update(present, changed)
    return changed


def delete(work: Work, filter_id: MirrorFilterId) -> None:
    """Remove a filter with its rules; raise MirrorFilterInUseError, which names its sessions."""
    present = load_own(work, MirrorFilter, filter_id, "delete_mirror_filter")
    where = {"mirror_filter_id": [filter_id]}
    users = [blocker_of(one, one.meta.name) for one in work.tx.find(MirrorSession, where)]
    if users:
        raise MirrorFilterInUseError(filter_id, users)
    for rule in work.tx.find(MirrorFilterRule, where):
        work.tx.delete(rule)
    work.tx.delete(present)


def create_rules(work: Work, drafts: Sequence[MirrorFilterRuleDraft]) -> list[MirrorFilterRule]:
    """Add rules, all or none."""
    return [_create_rule(work, draft) for draft in drafts]


def update_rule(
    work: Work,
    rule_id: MirrorFilterRuleId,
    change: MirrorFilterRuleChange,
    if_revision: int | None,
) -> MirrorFilterRule:
    """Change a rule; every packet is judged by the old form of it or by the new one."""
    rule = load_own(work, MirrorFilterRule, rule_id, "update_mirror_filter_rule")
    check_revision(rule, rule_id, if_revision)
    changed = change_mirror_rule(rule, change, now=work.now)
    if changed.priority != rule.priority:
        _check_place(work, changed)
    work.tx.update(rule, changed)
    return changed


def delete_rule(work: Work, rule_id: MirrorFilterRuleId) -> None:
    """Remove a rule."""
    work.tx.delete(load_own(work, MirrorFilterRule, rule_id, "delete_mirror_filter_rule"))


def _create_rule(work: Work, draft: MirrorFilterRuleDraft) -> MirrorFilterRule:
    owner = load_own(work, MirrorFilter, draft.mirror_filter_id, "create_mirror_filter_rule")
    rule = build_mirror_rule(draft, work.birth(owner.meta.project_id))
    _check_place(work, rule)
    present = work.tx.find(MirrorFilterRule, {"mirror_filter_id": [owner.id]})
    alike = sum(one.direction is rule.direction for one in present)
    check_room(work, owner.meta.project_id, "mirror_filter_rules", alike + 1)
    work.tx.insert(rule)
    return rule


def _check_place(work: Work, rule: MirrorFilterRule) -> None:
    """Raise MirrorPriorityTakenError when another rule has the place; the store's key is unique."""
    place = SHAPES[MirrorFilterRule].columns["place"](rule)
    for holder in work.tx.find(MirrorFilterRule, {"place": [str(place)]}):
        raise MirrorPriorityTakenError(rule.priority, blocker_of(holder, rule.direction))
