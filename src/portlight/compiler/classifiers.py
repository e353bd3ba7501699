"""Security groups as ordered classifiers: one for each distinct set of groups and direction.

Order: stateful before stateless and keeping before cutting, then by content. So a flow is
remembered when any matching rule is stateful, and outlives its rules when any matching stateful
rule's group says so, whatever the order in which rules were made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from portlight.compiler.view import HostView
from portlight.core.address_group import AddressGroup
from portlight.core.security_group import (
    Direction,
    EstablishedFlows,
    EtherType,
    IcmpSelector,
    SecurityGroup,
    SecurityGroupRule,
)
from portlight.plan.classifier import Classifier, ClassifierRule, Family, RuleFlag
from portlight.plan.delta import delta
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressGroupId, SecurityGroupId, SecurityGroupRuleId
from portlight.values.prefixes import PrefixSet, prefix_set
from portlight.values.ranges import MAX_PORT, PortRange

_FAMILY = {EtherType.IPV4: Family.IPV4, EtherType.IPV6: Family.IPV6}
_ICMP_PROTOCOL = {Family.IPV4: 1, Family.IPV6: 58}
_PORT_PROTOCOLS = frozenset({6, 17, 33, 132, 136})
"""TCP, UDP, DCCP, SCTP, UDP-Lite."""

Ordered = tuple[str, ClassifierRule]
"""A rule and its place: text that sorts as the classifier's order does."""
GroupNumbers = frozenset[tuple[SecurityGroupId, int]]
Named = int | PrefixSet
"""What a rule names as its remote side: the number of a group, or the addresses of one."""
RemoteKey = SecurityGroupId | tuple[AddressGroupId, EtherType]
Remotes = frozenset[tuple[RemoteKey, Named]]
"""What the rules of a group name, as far as it is there."""
Inputs = dict[SecurityGroupRuleId, tuple[SecurityGroupRule, Named | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRules:
    """The compiled rules of one group and direction, and what they came from."""

    inputs: Inputs
    flags: RuleFlag
    compiled: Mapping[SecurityGroupRuleId, Ordered]
    ordered: tuple[Ordered, ...]


def compile_classifier(
    view: HostView, groups: tuple[SecurityGroupId, ...], direction: Direction
) -> Classifier | None:
    """Return the classifier of these groups in one direction; None when nothing can match."""
    parts = tuple(_group_rules(view, group, direction) for group in sorted(groups))
    key = ("classifier", tuple(sorted(groups)), direction)
    return view.memo.recall(key, _merge, parts)


def _merge(parts: tuple[tuple[Ordered, ...], ...]) -> Classifier | None:
    # Each part is sorted, which the sort makes use of.
    ordered = sorted((rule for part in parts for rule in part), key=itemgetter(0))
    rules = [rule for _, rule in _without_repetition(ordered)]
    return Classifier(rules=tuple(rules)) if rules else None


def _without_repetition(ordered: Iterable[Ordered]) -> Iterable[Ordered]:
    """Drop rules that differ from the one before only by their label: they can never match."""
    last = ""
    for place, rule in ordered:
        content = place.rpartition("|")[0]
        if content != last:
            yield place, rule
        last = content


def _group_rules(
    view: HostView, group: SecurityGroupId, direction: Direction
) -> tuple[Ordered, ...]:
    """Return the rules of one group and direction, in order; none for a group that is not there."""
    owner = view.topology.security_groups.get(group)
    if owner is None:
        return ()
    compiled = view.memo.improve(
        ("group_rules", group, direction),
        _compile_rules,
        view.rules_of(group),
        remote_groups(view, group) | _address_sets(view, group),
        direction,
        _flags(owner),
    )
    return compiled.ordered


def remote_groups(view: HostView, group: SecurityGroupId) -> GroupNumbers:
    """Return the numbers of the groups that the rules of a group refer to."""
    rules, groups = view.rules_of(group), view.topology.security_groups
    named = view.memo.recall(("remote_groups", group), _named_groups, rules)
    return frozenset((key, groups[key].number) for key in named if key in groups)


def _named_groups(rules: Mapping[object, SecurityGroupRule]) -> frozenset[SecurityGroupId]:
    named = {rule.remote_group_id for rule in rules.values()}
    return frozenset(group for group in named if group is not None)


def _address_sets(view: HostView, group: SecurityGroupId) -> Remotes:
    """Return the addresses, by family, of the address groups that the rules of a group name."""
    rules, present = view.rules_of(group), view.topology.address_groups
    named = view.memo.recall(("address_groups", group), _named_address_groups, rules)
    sets = {
        (key, family): view.memo.recall(
            ("address_set", key, family), _addresses_of, present[key], family
        )
        for key in named
        if key in present
        for family in EtherType
    }
    return frozenset((key, held) for key, held in sets.items() if held is not None)


def _named_address_groups(rules: Mapping[object, SecurityGroupRule]) -> frozenset[AddressGroupId]:
    named = {rule.remote_address_group_id for rule in rules.values()}
    return frozenset(group for group in named if group is not None)


def _addresses_of(group: AddressGroup, family: EtherType) -> PrefixSet | None:
    version = _FAMILY[family]
    return prefix_set(prefix for prefix in group.addresses if prefix.version == version)


def _flags(group: SecurityGroup) -> RuleFlag:
    if not group.stateful:
        return RuleFlag.STATELESS
    keeps = group.established_flows is EstablishedFlows.KEEP
    return RuleFlag.KEEP if keeps else RuleFlag.NONE


def _compile_rules(
    rules: Mapping[object, SecurityGroupRule],
    remotes: Remotes,
    direction: Direction,
    flags: RuleFlag,
    last: GroupRules | None,
) -> GroupRules:
    """Compile the rules that changed since the last time, all of them when the flags did."""
    if last is None or last.flags != flags:
        last = GroupRules(inputs={}, flags=flags, compiled={}, ordered=())
    named = dict(remotes)
    inputs: Inputs = {
        rule.id: (rule, named.get(key) if (key := _remote_key(rule)) else None)
        for rule in rules.values()
        if rule.direction is direction
    }
    change = delta(inputs, last.inputs)
    fresh = {key: _compile_rule(*change.put[key], flags) for key in change.put}
    gone = {id(last.compiled.get(key)) for key in (*change.put, *change.remove)}
    kept = [entry for entry in last.ordered if id(entry) not in gone]
    added = {key: entry for key, entry in fresh.items() if entry is not None}
    outdated = change.remove | change.put.keys()
    return GroupRules(
        inputs=inputs,
        flags=flags,
        compiled={k: v for k, v in last.compiled.items() if k not in outdated} | added,
        # Nearly sorted: the sort is linear in it.
        ordered=tuple(sorted([*kept, *added.values()], key=itemgetter(0))),
    )


def _remote_key(rule: SecurityGroupRule) -> RemoteKey | None:
    if rule.remote_address_group_id is not None:
        return rule.remote_address_group_id, rule.ethertype
    return rule.remote_group_id


def _compile_rule(rule: SecurityGroupRule, named: Named | None, flags: RuleFlag) -> Ordered | None:
    """Return the rule for the classifier with its place; None for one that matches no packet."""
    family = _FAMILY[rule.ethertype]
    if not _can_match(rule, family, named):
        return None
    compiled = ClassifierRule(
        family=family,
        protocol=rule.protocol,
        remote_prefixes=named if isinstance(named, PrefixSet) else _narrow(rule.remote_prefix),
        remote_group=named if isinstance(named, int) else None,
        destination_ports=_narrow_ports(rule.ports),
        icmp=_icmp_range(rule.icmp),
        flags=flags,
        label=int(rule.id.replace("-", "")[:16], 16),
    )
    return _place(compiled), compiled


def _can_match(rule: SecurityGroupRule, family: Family, named: Named | None) -> bool:
    if rule.ports is not None and rule.protocol not in _PORT_PROTOCOLS:
        return False
    if rule.icmp is not None and rule.protocol != _ICMP_PROTOCOL[family]:
        return False
    if rule.remote_prefix is not None and rule.remote_prefix.version != family:
        return False
    # A group that is not there has no member, and an empty address group no address.
    return named is not None or _remote_key(rule) is None


def _narrow(prefix: IpPrefix | None) -> PrefixSet | None:
    """Return None, which matches everything, for a prefix that does."""
    return prefix_set((prefix,)) if prefix is not None and prefix.prefixlen else None


def _narrow_ports(ports: PortRange | None) -> PortRange | None:
    every = PortRange(first=0, last=MAX_PORT)
    return None if ports == every else ports


def _icmp_range(selector: IcmpSelector | None) -> PortRange | None:
    if selector is None:
        return None
    first = selector.type << 8
    if selector.code is None:
        return PortRange(first=first, last=first | 0xFF)
    return PortRange(first=first | selector.code, last=first | selector.code)


def _place(rule: ClassifierRule) -> str:
    """Return the text by which rules are ordered; the label decides between equals."""
    stateless = int(RuleFlag.STATELESS in rule.flags)
    cutting = int(RuleFlag.KEEP not in rule.flags)
    selectors = (rule.protocol, rule.remote_prefixes, rule.remote_group)
    ranges = (rule.destination_ports, rule.icmp)
    spans = tuple(f"{span.first}-{span.last}" if span else "" for span in ranges)
    content = (stateless, cutting, int(rule.family), *selectors, *spans)
    return "|".join(map(str, (*content, f"{rule.label:016x}")))
