"""Mirror sessions of the ports of this host: which packets are copied for whom.

docs/design/mirroring.md, sections 1 and 2. All sessions of a source of which the first match
decides become one classifier; each that copies whatever the others decide becomes one of its own.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from portlight.compiler.mirror_guard import compile_guards
from portlight.compiler.mirror_ways import MirrorWays
from portlight.compiler.view import HostView
from portlight.compiler.ways_out import WaysOut
from portlight.core.mirror import MirrorAction, MirrorFilterRule, MirrorSession
from portlight.core.mirrors import UDP
from portlight.core.port import Port
from portlight.core.security_group import Direction, EtherType
from portlight.plan.classifier import Action, Classifier, ClassifierRule, Family
from portlight.plan.mirror import (
    MirrorSourcePlan,
    MirrorWayPlan,
    WayKey,
    mirror_label,
    version_of,
)
from portlight.values.addresses import IpPrefix
from portlight.values.prefixes import PrefixSet, prefix_set
from portlight.values.ranges import PortRange

MAX_CHAINS = 4
"""Classifiers of one source, direction and case (MIRROR_CHAINS in bpf/abi.h)."""

VXLAN_PORT: Final = 4789
_FAMILY = {EtherType.IPV4: Family.IPV4, EtherType.IPV6: Family.IPV6}
_ACTION = {MirrorAction.ACCEPT: Action.ALLOW, MirrorAction.REJECT: Action.DENY}
Rules = tuple[ClassifierRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMirrors:
    """Everything about mirroring on one host."""

    sources: Mapping[int, MirrorSourcePlan]
    ways: Mapping[WayKey, MirrorWayPlan]
    classifiers: Mapping[int, Classifier]


def compile_mirrors(view: HostView, ways_out: WaysOut) -> HostMirrors:
    """Return the sources among the ports of this host, with what they need."""
    sources: dict[int, MirrorSourcePlan] = {}
    ways: dict[WayKey, MirrorWayPlan] = {}
    classifiers: dict[int, Classifier] = {}
    guards = compile_guards(view)
    here = {port.id: (port, network) for port, network in view.attached()}
    known_ways = MirrorWays(view=view, ways_out=ways_out, here=here)
    for port, network in here.values():
        sessions = _sessions_of(view, port)
        if not sessions:
            continue
        chains = _chains_of(view, sessions, guards.get(network.id, frozenset()))
        sources[port.number] = chains.source
        classifiers |= chains.classifiers
        for session in sessions:
            way = known_ways.of(session, port, network)
            if way is not None:
                ways[session.number, port.number, version_of(_label(view, session))] = way
    return HostMirrors(sources=sources, ways=ways, classifiers=classifiers)


def _sessions_of(view: HostView, port: Port) -> list[MirrorSession]:
    """Return the sessions that take part in the search: those that lead anywhere."""
    found = view.mirror_sessions_of(port.id).values()
    return sorted(
        (one for one in found if one.enabled and one.has_target),
        key=lambda one: (one.priority, one.number),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _SessionRules:
    """What one session asks about the packets of its sources."""

    by_direction: Mapping[Direction, Rules]
    copies_all: bool
    copies_drops: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chains:
    """What one source is asked, and the classifiers that this names."""

    source: MirrorSourcePlan
    classifiers: Mapping[int, Classifier]


def _chains_of(
    view: HostView, sessions: list[MirrorSession], guarded: frozenset[IPv4Address]
) -> _Chains:
    key = ("mirror_chains", tuple(one.id for one in sessions), guarded)
    rules = tuple(_rules_of(view, one) for one in sessions)
    return view.memo.recall(key, _chains, guarded, rules)


def _chains(guarded: frozenset[IPv4Address], sessions: tuple[_SessionRules, ...]) -> _Chains:
    found: dict[tuple[Direction, bool], tuple[Classifier, ...]] = {}
    for drops in (False, True):
        chosen = [one for one in sessions if one.copies_drops == drops]
        for direction in Direction:
            found[direction, drops] = tuple(_merged(guarded, direction, chosen))
    keys = {case: tuple(one.key for one in chain) for case, chain in found.items()}
    return _Chains(
        source=MirrorSourcePlan(
            egress=keys[Direction.EGRESS, False],
            ingress=keys[Direction.INGRESS, False],
            dropped_egress=keys[Direction.EGRESS, True],
            dropped_ingress=keys[Direction.INGRESS, True],
        ),
        classifiers={one.key: one for chain in found.values() for one in chain},
    )


def _merged(
    guarded: frozenset[IPv4Address], direction: Direction, sessions: list[_SessionRules]
) -> Iterator[Classifier]:
    """Yield the classifier of the first match, and one for each session that copies all."""
    first_match = [one for one in sessions if not one.copies_all]
    for group in (first_match, *([one] for one in sessions if one.copies_all)):
        rules = tuple(rule for one in group for rule in one.by_direction[direction])
        if rules:
            yield Classifier(rules=_guard(guarded, direction) + rules)


def _guard(guarded: frozenset[IPv4Address], direction: Direction) -> Rules:
    """Return what keeps copies from being copied where they pass a source on their way outside."""
    targets = prefix_set(IPv4Network(address) for address in guarded)
    if targets is None:
        return ()
    sent = direction is Direction.EGRESS
    return (
        ClassifierRule(
            family=Family.IPV4,
            protocol=UDP,
            local_prefixes=None if sent else targets,
            remote_prefixes=targets if sent else None,
            destination_ports=PortRange(first=VXLAN_PORT, last=VXLAN_PORT),
            action=Action.DENY,
        ),
    )


def _label(view: HostView, session: MirrorSession) -> int:
    return view.memo.recall(("mirror_label", session.id), _labelling, session)


def _labelling(session: MirrorSession) -> int:
    """Return the label of a session's rules: another one when its copies travel otherwise."""
    travels = (
        session.target_port_id,
        session.target_ip,
        session.vni,
        session.packet_length,
        session.bytes_per_second,
    )
    digest = hashlib.blake2b(repr(travels).encode(), digest_size=4).digest()
    return mirror_label(session.number, int.from_bytes(digest, "big"))


def _rules_of(view: HostView, session: MirrorSession) -> _SessionRules:
    parts = tuple(
        view.memo.recall(("mirror_filter", key), _filter_rules, view.mirror_rules_of(key))
        for key in session.mirror_filter_ids
    )
    return view.memo.recall(
        ("mirror_session", session.id), _session_rules, session, _label(view, session), parts
    )


def _session_rules(
    session: MirrorSession, label: int, parts: tuple[Mapping[Direction, Rules], ...]
) -> _SessionRules:
    """Return the rules of a session's filters with the session's label."""
    return _SessionRules(
        by_direction={
            direction: tuple(
                replace(rule, label=label) for part in parts for rule in part[direction]
            )
            for direction in Direction
        },
        copies_all=session.copies_all,
        copies_drops=session.copies_drops,
    )


def _filter_rules(rules: Mapping[object, MirrorFilterRule]) -> Mapping[Direction, Rules]:
    ordered = sorted(rules.values(), key=lambda rule: (rule.priority, rule.id))
    return {
        direction: tuple(_compiled(rule) for rule in ordered if rule.direction is direction)
        for direction in Direction
    }


def _compiled(rule: MirrorFilterRule) -> ClassifierRule:
    sent = rule.direction is Direction.EGRESS
    source, destination = _narrow(rule.source_prefix), _narrow(rule.destination_prefix)
    return ClassifierRule(
        family=_FAMILY[rule.ethertype],
        protocol=rule.protocol,
        local_prefixes=_as_set(source if sent else destination),
        remote_prefixes=_as_set(destination if sent else source),
        source_ports=rule.source_ports,
        destination_ports=rule.destination_ports,
        action=_ACTION[rule.action],
    )


def _as_set(prefix: IpPrefix | None) -> PrefixSet | None:
    return None if prefix is None else prefix_set((prefix,))


def _narrow(prefix: IpPrefix | None) -> IpPrefix | None:
    """Return None, which matches everything, for a prefix that does."""
    return prefix if prefix is not None and prefix.prefixlen else None
