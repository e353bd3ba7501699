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
        chains = _Chains(view=view, sessions=sessions, guarded=guards.get(network.id, frozenset()))
        sources[port.number] = chains.source(classifiers)
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
class _Chains:
    """What one source is asked."""

    view: HostView
    sessions: list[MirrorSession]
    guarded: frozenset[IPv4Address]

    def source(self, classifiers: dict[int, Classifier]) -> MirrorSourcePlan:
        """Return the keys of the source's classifiers, which are added to the others."""
        return MirrorSourcePlan(
            egress=self._keys(classifiers, Direction.EGRESS, drops=False),
            ingress=self._keys(classifiers, Direction.INGRESS, drops=False),
            dropped_egress=self._keys(classifiers, Direction.EGRESS, drops=True),
            dropped_ingress=self._keys(classifiers, Direction.INGRESS, drops=True),
        )

    def _keys(
        self, classifiers: dict[int, Classifier], direction: Direction, *, drops: bool
    ) -> tuple[int, ...]:
        chain = tuple(self._of(direction, drops=drops))
        classifiers |= {one.key: one for one in chain}
        return tuple(one.key for one in chain)

    def _of(self, direction: Direction, *, drops: bool) -> Iterator[Classifier]:
        chosen = [one for one in self.sessions if one.copies_drops == drops]
        first_match = tuple(one for one in chosen if not one.copies_all)
        for group in (first_match, *((one,) for one in chosen if one.copies_all)):
            parts = tuple(_session_rules(self.view, one, direction) for one in group)
            key = ("mirror_chain", tuple(one.id for one in group), direction, self.guarded)
            chain = self.view.memo.recall(key, _merged, self.guarded, direction, parts)
            if chain is not None:
                yield chain


def _merged(
    guarded: frozenset[IPv4Address], direction: Direction, parts: tuple[Rules, ...]
) -> Classifier | None:
    rules = tuple(rule for part in parts for rule in part)
    return Classifier(rules=_guard(guarded, direction) + rules) if rules else None


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


def _session_rules(view: HostView, session: MirrorSession, direction: Direction) -> Rules:
    """Return the rules of a session's filters with the session's label."""
    parts = tuple(
        view.memo.recall(
            ("mirror_filter", key, direction), _filter_rules, view.mirror_rules_of(key), direction
        )
        for key in session.mirror_filter_ids
    )
    return view.memo.recall(
        ("mirror_session", session.id, direction), _labelled, parts, _label(view, session)
    )


def _labelled(parts: tuple[Rules, ...], label: int) -> Rules:
    return tuple(replace(rule, label=label) for part in parts for rule in part)


def _filter_rules(rules: Mapping[object, MirrorFilterRule], direction: Direction) -> Rules:
    chosen = [rule for rule in rules.values() if rule.direction is direction]
    return tuple(
        _compiled(rule) for rule in sorted(chosen, key=lambda rule: (rule.priority, rule.id))
    )


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
