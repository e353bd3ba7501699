"""What valid default rules are, and the rules that groups get from them. Pure."""

from collections.abc import Iterable

from portlight.core.changes import Birth, check_text
from portlight.core.default_rule import PARENT, DefaultRule
from portlight.core.drafts import SecurityGroupRuleDraft
from portlight.core.drafts_groups import DefaultRuleDraft
from portlight.core.errors_security_group import DefaultRuleExistsError
from portlight.core.meta import Meta
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.security_groups import build_rule, meaning
from portlight.values.addresses import parse_interface
from portlight.values.ids import DefaultRuleId, ProjectId, SecurityGroupId

_NO_GROUP = SecurityGroupId("")


def build_default_rule(draft: DefaultRuleDraft, birth: Birth) -> DefaultRule:
    """Return the new template; raise what a rule with these fields would raise."""
    template = DefaultRule(
        id=DefaultRuleId(birth.id),
        meta=Meta(
            project_id=ProjectId(""),
            description=draft.description,
            revision_number=1,
            created_at=birth.now,
            updated_at=birth.now,
        ),
        direction=draft.direction,
        ethertype=draft.ethertype,
        protocol=draft.protocol,
        port_range_min=draft.port_range_min,
        port_range_max=draft.port_range_max,
        remote_ip_prefix=None if draft.remote_prefix is None else str(draft.remote_prefix),
        remote_group_id=None if draft.remote_group is None else SecurityGroupId(draft.remote_group),
        remote_address_group_id=draft.remote_address_group_id,
        used_in_default_group=draft.used_in_default_group,
        used_in_other_groups=draft.used_in_other_groups,
    )
    check_text("description", draft.description)
    _rule_of(template)
    return template


def is_for(template: DefaultRule, group: SecurityGroup) -> bool:
    """Whether the group starts with this rule."""
    return template.used_in_default_group if group.is_default else template.used_in_other_groups


def rule_draft(template: DefaultRule, group_id: SecurityGroupId) -> SecurityGroupRuleDraft:
    """Return the rule that a template gives to a group. Its description stays behind."""
    prefix, remote = template.remote_ip_prefix, template.remote_group_id
    return SecurityGroupRuleDraft(
        security_group_id=group_id,
        direction=template.direction,
        ethertype=template.ethertype,
        protocol=template.protocol,
        port_range_min=template.port_range_min,
        port_range_max=template.port_range_max,
        remote_prefix=None if prefix is None else parse_interface(prefix),
        remote_group_id=group_id if remote == PARENT else remote,
        remote_address_group_id=template.remote_address_group_id,
    )


def check_no_equal(template: DefaultRule, others: Iterable[DefaultRule]) -> None:
    """Raise DefaultRuleExistsError when some group would get two rules that mean the same."""
    for other in others:
        shared = (template.used_in_default_group and other.used_in_default_group) or (
            template.used_in_other_groups and other.used_in_other_groups
        )
        if shared and meaning(_rule_of(other)) == meaning(_rule_of(template)):
            raise DefaultRuleExistsError(other.id)


def _rule_of(template: DefaultRule) -> SecurityGroupRule:
    birth = Birth(id=template.id, project_id=ProjectId(""), now=0)
    return build_rule(rule_draft(template, _NO_GROUP), birth)
