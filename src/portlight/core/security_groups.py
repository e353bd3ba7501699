"""What valid security groups and rules are, and how drafts make and change them. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from portlight.core.changes import Birth, check_text, first_meta, given, next_meta
from portlight.core.drafts import (
    SecurityGroupDraft,
    SecurityGroupRuleChange,
    SecurityGroupRuleDraft,
)
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_security_group import (
    DefaultSecurityGroupNameError,
    InvalidIcmpValueError,
    InvalidPortRangeError,
    InvalidPortValueError,
    MissingIcmpTypeError,
    MultipleRemotesError,
    ProtocolRequiredWithPortsError,
    ProtocolWithoutPortsError,
    RemotePrefixFamilyError,
    SecondDefaultSecurityGroupError,
    SecurityGroupRuleExistsError,
)
from portlight.core.meta import Meta
from portlight.core.protocols import ICMP, ICMPV6, WITH_PORTS, protocol_number
from portlight.core.security_group import (
    EstablishedFlows,
    EtherType,
    IcmpSelector,
    SecurityGroup,
    SecurityGroupRule,
)
from portlight.values.ids import SecurityGroupId, SecurityGroupRuleId
from portlight.values.ranges import MAX_PORT, PortRange

DEFAULT_NAME = "default"
_MAX_ICMP = 255
_IP_VERSION = {EtherType.IPV4: 4, EtherType.IPV6: 6}


def build_security_group(draft: SecurityGroupDraft, birth: Birth) -> SecurityGroup:
    """Return the new group, without its rules."""
    if given(draft.name, "") == DEFAULT_NAME:
        raise SecondDefaultSecurityGroupError("Creating a second", birth.project_id)
    return SecurityGroup(
        id=SecurityGroupId(birth.id),
        number=birth.number,
        meta=first_meta(draft, birth),
        stateful=given(draft.stateful, default=True),
        established_flows=given(draft.established_flows, EstablishedFlows.CUT),
    )


def build_default_group(birth: Birth) -> SecurityGroup:
    """Return the group that every project has."""
    draft = SecurityGroupDraft(name=DEFAULT_NAME, description="Default security group")
    return SecurityGroup(
        id=SecurityGroupId(birth.id),
        number=birth.number,
        meta=first_meta(draft, birth),
        is_default=True,
    )


def change_security_group(
    group: SecurityGroup, draft: SecurityGroupDraft, *, now: float
) -> SecurityGroup:
    """Return the group after the change."""
    changed = replace(
        group,
        meta=next_meta(group.meta, draft, now),
        stateful=given(draft.stateful, group.stateful),
        established_flows=given(draft.established_flows, group.established_flows),
    )
    if group.is_default and changed.meta.name != DEFAULT_NAME:
        raise DefaultSecurityGroupNameError("Renaming the", group.meta.project_id)
    if changed.meta.name == DEFAULT_NAME and not group.is_default:
        raise SecondDefaultSecurityGroupError("Making another", group.meta.project_id)
    return changed


def build_rule(draft: SecurityGroupRuleDraft, birth: Birth) -> SecurityGroupRule:
    """Return the new rule; raise a domain error when the draft contradicts itself."""
    number = protocol_number(draft.protocol, draft.ethertype)
    remote = draft.remote_prefix
    check_text("description", draft.description)
    _check_remote(draft)
    return SecurityGroupRule(
        id=SecurityGroupRuleId(birth.id),
        security_group_id=draft.security_group_id,
        meta=Meta(
            project_id=birth.project_id,
            description=draft.description,
            revision_number=1,
            created_at=birth.now,
            updated_at=birth.now,
        ),
        direction=draft.direction,
        ethertype=draft.ethertype,
        protocol=number,
        protocol_spelling=None if number is None else draft.protocol,
        ports=None if number in (ICMP, ICMPV6) else _ports(draft, number),
        icmp=_icmp(draft) if number in (ICMP, ICMPV6) else None,
        remote_prefix=None if remote is None else remote.network,
        remote_spelling=None
        if remote is None or remote.ip == remote.network.network_address
        else str(remote),
        remote_group_id=draft.remote_group_id,
        remote_address_group_id=draft.remote_address_group_id,
    )


def change_rule(
    rule: SecurityGroupRule, change: SecurityGroupRuleChange, *, now: float
) -> SecurityGroupRule:
    """Return the rule with another description, the only thing of it that can change."""
    description = given(change.description, rule.meta.description)
    check_text("description", description)
    return replace(rule, meta=replace(next_meta(rule.meta, None, now), description=description))


def meaning(rule: SecurityGroupRule) -> str:
    """Return what makes two rules the same; the description does not (row H167)."""
    prefix = rule.remote_prefix
    parts = [
        rule.security_group_id,
        rule.direction,
        rule.ethertype,
        rule.protocol,
        rule.ports and f"{rule.ports.first}-{rule.ports.last}",
        rule.icmp and f"{rule.icmp.type}/{rule.icmp.code}",
        prefix if prefix is not None and prefix.prefixlen else None,
        rule.remote_group_id,
    ]
    if rule.remote_address_group_id is not None:
        parts.append(rule.remote_address_group_id)
    return " ".join(str(part) for part in parts)


def check_no_twin(rule: SecurityGroupRule, others: Iterable[SecurityGroupRule]) -> None:
    """Raise SecurityGroupRuleExistsError when another rule means the same."""
    for other in others:
        if meaning(other) == meaning(rule):
            raise SecurityGroupRuleExistsError(other.id)


def _check_remote(draft: SecurityGroupRuleDraft) -> None:
    remotes = (draft.remote_prefix, draft.remote_group_id, draft.remote_address_group_id)
    if sum(remote is not None for remote in remotes) > 1:
        raise MultipleRemotesError
    if draft.remote_prefix is None:
        return
    if draft.remote_prefix.version != _IP_VERSION[draft.ethertype]:
        raise RemotePrefixFamilyError(draft.ethertype, str(draft.remote_prefix))


def _ports(draft: SecurityGroupRuleDraft, protocol: int | None) -> PortRange | None:
    low, high = draft.port_range_min, draft.port_range_max
    if (low, high) in ((None, None), (1, MAX_PORT)):
        return None  # every port: as Neutron does, no range
    if protocol is None:
        raise ProtocolRequiredWithPortsError
    if protocol not in WITH_PORTS:
        raise ProtocolWithoutPortsError(draft.protocol or str(protocol))
    for port in (low, high):
        if port is not None and not 1 <= port <= MAX_PORT:
            raise InvalidPortValueError(port)
    if low is None or high is None or low > high:
        raise InvalidPortRangeError
    return PortRange(first=low, last=high)


def _icmp(draft: SecurityGroupRuleDraft) -> IcmpSelector | None:
    kind, code = draft.port_range_min, draft.port_range_max
    for field, name, value in (("port_range_min", "type", kind), ("port_range_max", "code", code)):
        if value is not None and not 0 <= value <= _MAX_ICMP:
            raise InvalidIcmpValueError(field, name, value)
    if kind is None:
        if code is not None:
            raise MissingIcmpTypeError(code)
        return None
    return IcmpSelector(type=kind, code=code)


def check_same_project(draft_project: str, group: SecurityGroup) -> None:
    """Raise InvalidRequestError when a rule is to belong to another project than its group."""
    if draft_project != group.meta.project_id:
        raise InvalidRequestError("project_id", "it is not the project of the security group")
