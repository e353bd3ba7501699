"""Security groups on the wire."""

from collections.abc import Sequence

from portlight.api.attributes import STANDARD, Attributes, read_only, settable
from portlight.api.neutron.security_group_rules import SECURITY_GROUP_RULES, render_rule
from portlight.api.resource import Resource
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TRUTH, array
from portlight.api.standard import grouped, related, render_standard
from portlight.api.wire import Json, boolean, one_of
from portlight.core.drafts import SecurityGroupDraft
from portlight.core.security_group import EstablishedFlows, SecurityGroup
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import SecurityGroupId

_RULE = entity_schema(SECURITY_GROUP_RULES.name, SECURITY_GROUP_RULES.attributes)

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "stateful": settable("stateful", boolean),
    "established_flows": settable("established_flows", one_of(EstablishedFlows)),
    "security_group_rules": read_only(array(_RULE)),
    "shared": read_only(TRUTH),
}


def _render(cloud: Cloud, caller: Caller, groups: Sequence[SecurityGroup]) -> list[Json]:
    ids = [group.id for group in groups]
    rules = grouped(
        related(cloud.security_group_rules, caller, "security_group_id", ids),
        lambda rule: rule.security_group_id,
    )
    shared = cloud.shared_with(caller, SecurityGroup)
    return [
        {
            **render_standard(group.id, group.meta),
            "stateful": group.stateful,
            "established_flows": group.established_flows,
            "shared": group.id in shared,
            "security_group_rules": [
                render_rule(rule, is_default=group.is_default) for rule in rules.get(group.id, ())
            ],
        }
        for group in groups
    ]


SECURITY_GROUPS: Resource[
    SecurityGroup, SecurityGroupId, SecurityGroupDraft, SecurityGroupDraft
] = Resource(
    name="security_group",
    plural="security_groups",
    attributes=_ATTRIBUTES,
    identifier=SecurityGroupId,
    draft=SecurityGroupDraft,
    change=SecurityGroupDraft,
    use=lambda cloud: cloud.security_groups,
    render=_render,
)
