"""Default rules on the wire: the template of new security groups. None of their fields changes."""

from collections.abc import Sequence

from portlight.api.attributes import Attribute, Attributes, at_creation, read_only
from portlight.api.neutron.security_group_rules import SELECTORS
from portlight.api.parser import parser
from portlight.api.resource import Resource
from portlight.api.schema import TEXT
from portlight.api.wire import Json, boolean, identifier, nullable, text
from portlight.core.default_rule import PARENT, DefaultRule
from portlight.core.drafts_groups import DefaultRuleChange, DefaultRuleDraft
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import DefaultRuleId


@parser({"anyOf": [identifier.schema, {"const": PARENT}]}, shown={"type": "string"})
def _remote_group(field: str, raw: object) -> str:
    return PARENT if raw == PARENT else identifier(field, raw)


_OWNER = Attribute(parse=identifier, draft="project_id", on_update=False, is_rendered=False)
_ATTRIBUTES: Attributes = {
    "id": read_only(TEXT),
    **{name: one for name, one in SELECTORS.items() if name != "remote_group_id"},
    "remote_group_id": at_creation("remote_group", nullable(_remote_group)),
    "description": at_creation("description", text()),
    "used_in_default_sg": at_creation("used_in_default_group", boolean),
    "used_in_non_default_sg": at_creation("used_in_other_groups", boolean),
    "project_id": _OWNER,
    "tenant_id": _OWNER,
}


def _render(_cloud: Cloud, _caller: Caller, rules: Sequence[DefaultRule]) -> list[Json]:
    return [
        {
            "id": rule.id,
            "direction": rule.direction,
            "ethertype": rule.ethertype,
            "protocol": rule.protocol,
            "port_range_min": rule.port_range_min,
            "port_range_max": rule.port_range_max,
            "remote_ip_prefix": rule.remote_ip_prefix,
            "remote_group_id": rule.remote_group_id,
            "remote_address_group_id": rule.remote_address_group_id,
            "description": rule.meta.description,
            "used_in_default_sg": rule.used_in_default_group,
            "used_in_non_default_sg": rule.used_in_other_groups,
        }
        for rule in rules
    ]


DEFAULT_RULES: Resource[DefaultRule, DefaultRuleId, DefaultRuleDraft, DefaultRuleChange] = Resource(
    name="default_security_group_rule",
    plural="default_security_group_rules",
    attributes=_ATTRIBUTES,
    identifier=DefaultRuleId,
    draft=DefaultRuleDraft,
    change=DefaultRuleChange,
    use=lambda cloud: cloud.default_rules,
    render=_render,
)
