"""Security group rules on the wire. Only the description of a rule can change."""

from collections.abc import Sequence

from portlight.api.attributes import STANDARD, Attributes, at_creation, read_only
from portlight.api.parser import Parse, parser, refuse
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, TRUTH, or_null
from portlight.api.standard import related, render_standard
from portlight.api.wire import (
    Json,
    identifier,
    integer,
    nullable,
    one_of,
    spelled_prefix,
)
from portlight.core.drafts import SecurityGroupRuleChange, SecurityGroupRuleDraft
from portlight.core.security_group import Direction, EtherType, SecurityGroupRule
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import SecurityGroupRuleId
from portlight.values.ranges import MAX_PORT

_PORT: Parse = nullable(integer(-1, MAX_PORT))
"""-1 is how some clients write "every ICMP type"; the domain judges the rest."""


@parser({"type": ["string", "integer"]}, shown={"type": "string"})
def _protocol(field: str, raw: object) -> str:
    if isinstance(raw, float) and raw.is_integer():  # JSON writes 6 as 6.0, too
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        refuse(field, f"'{raw}' is neither a protocol name nor a number")
    return str(raw).lower()


_STANDARD = {name: STANDARD[name] for name in STANDARD if name not in ("name", "tags")}

SELECTORS: Attributes = {
    "direction": at_creation("direction", one_of(Direction), required=True),
    "ethertype": at_creation("ethertype", one_of(EtherType)),
    "protocol": at_creation("protocol", nullable(_protocol)),
    "port_range_min": at_creation("port_range_min", _PORT),
    "port_range_max": at_creation("port_range_max", _PORT),
    "remote_ip_prefix": at_creation("remote_prefix", nullable(spelled_prefix)),
    "remote_group_id": at_creation("remote_group_id", nullable(identifier)),
    "remote_address_group_id": at_creation("remote_address_group_id", nullable(identifier)),
}
"""Which packets a rule allows."""

_ATTRIBUTES: Attributes = {
    **_STANDARD,
    "security_group_id": at_creation("security_group_id", identifier, required=True),
    **SELECTORS,
    "normalized_cidr": read_only(or_null(TEXT)),
    "belongs_to_default_sg": read_only(TRUTH),
}


def render_rule(rule: SecurityGroupRule, *, is_default: bool) -> Json:
    """Render a rule; `is_default`: its group is the default one of a project."""
    standard = render_standard(rule.id, rule.meta)
    low, high = _range(rule)
    prefix = None if rule.remote_prefix is None else str(rule.remote_prefix)
    return {
        **{name: standard[name] for name in _STANDARD},
        "security_group_id": rule.security_group_id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol_spelling,
        "port_range_min": low,
        "port_range_max": high,
        "remote_ip_prefix": rule.remote_spelling or prefix,
        "normalized_cidr": prefix,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": rule.remote_address_group_id,
        "belongs_to_default_sg": is_default,
    }


def _range(rule: SecurityGroupRule) -> tuple[int | None, int | None]:
    if rule.icmp is not None:
        return rule.icmp.type, rule.icmp.code
    if rule.ports is not None:
        return rule.ports.first, rule.ports.last
    return None, None


def _render(cloud: Cloud, caller: Caller, rules: Sequence[SecurityGroupRule]) -> list[Json]:
    ids = sorted({rule.security_group_id for rule in rules})
    groups = related(cloud.security_groups, caller, "id", ids)
    default = {group.id for group in groups if group.is_default}
    return [render_rule(rule, is_default=rule.security_group_id in default) for rule in rules]


SECURITY_GROUP_RULES: Resource[
    SecurityGroupRule, SecurityGroupRuleId, SecurityGroupRuleDraft, SecurityGroupRuleChange
] = Resource(
    name="security_group_rule",
    plural="security_group_rules",
    attributes=_ATTRIBUTES,
    identifier=SecurityGroupRuleId,
    draft=SecurityGroupRuleDraft,
    change=SecurityGroupRuleChange,
    use=lambda cloud: cloud.security_group_rules,
    render=_render,
    where={
        "security_group_id": "security_group_id",
        "remote_group_id": "remote_group_id",
        "remote_address_group_id": "remote_address_group_id",
    },
)
