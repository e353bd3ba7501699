"""Use cases of default rules: the operator's template of new security groups (row P10)."""

from portlight.core.address_group import AddressGroup
from portlight.core.default_rule import PARENT, DefaultRule
from portlight.core.default_rules import build_default_rule, check_no_equal
from portlight.core.drafts_groups import DefaultRuleChange, DefaultRuleDraft
from portlight.core.errors import NotFoundError
from portlight.core.security_group import SecurityGroup
from portlight.service.policy import check_action
from portlight.service.work import LABELS, Work, check_revision, load
from portlight.values.ids import DefaultRuleId, ProjectId


def create(work: Work, draft: DefaultRuleDraft) -> DefaultRule:
    """Add a rule to the template; groups that are there keep theirs."""
    check_action(work.caller, "create_default_security_group_rule")
    template = build_default_rule(draft, work.birth(ProjectId("")))
    if template.remote_group_id not in (None, PARENT):
        load(work, SecurityGroup, str(template.remote_group_id))
    if template.remote_address_group_id is not None:
        load(work, AddressGroup, template.remote_address_group_id)
    check_no_equal(template, work.tx.find(DefaultRule))
    work.tx.insert(template)
    return template


def update(
    work: Work, rule_id: DefaultRuleId, _change: DefaultRuleChange, if_revision: int | None
) -> DefaultRule:
    """Change nothing: a template has no field that could change."""
    check_action(work.caller, "create_default_security_group_rule")
    template = _load(work, rule_id)
    check_revision(template, rule_id, if_revision)
    return template


def delete(work: Work, rule_id: DefaultRuleId) -> None:
    """Remove a rule from the template; groups that are there keep theirs."""
    check_action(work.caller, "delete_default_security_group_rule")
    work.tx.delete(_load(work, rule_id))


def _load(work: Work, rule_id: DefaultRuleId) -> DefaultRule:
    template = work.tx.get(DefaultRule, rule_id)
    if template is None:
        raise NotFoundError(LABELS[DefaultRule], rule_id)
    return template
