"""Mirror sessions of the ports of this host: classifiers, and the ways of the copies.

docs/design/mirroring.md, sections 2 and 3. All sessions of a source of which the first match
decides become one classifier; each that copies whatever the others decide becomes one of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from portlight.compiler.view import HostView
from portlight.compiler.ways_out import WaysOut
from portlight.core.mirror import MirrorAction, MirrorFilterRule, MirrorSession
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.core.security_group import Direction, EtherType
from portlight.plan.classifier import Action, Classifier, ClassifierRule, Family
from portlight.plan.host import MirrorSourcePlan, MirrorWayPlan
from portlight.values.addresses import IpPrefix
from portlight.values.ids import SubnetId
from portlight.values.prefixes import PrefixSet, prefix_set

MAX_CHAINS = 4
"""Classifiers of one source, direction and case (MIRROR_CHAINS in bpf/abi.h)."""

_FAMILY = {EtherType.IPV4: Family.IPV4, EtherType.IPV6: Family.IPV6}
_ACTION = {MirrorAction.ACCEPT: Action.ALLOW, MirrorAction.REJECT: Action.DENY}
Rules = tuple[ClassifierRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMirrors:
    """Everything about mirroring on one host."""

    sources: Mapping[int, MirrorSourcePlan]
    ways: Mapping[tuple[int, int], MirrorWayPlan]
    classifiers: Mapping[int, Classifier]


def compile_mirrors(view: HostView, ways_out: WaysOut) -> HostMirrors:
    """Return the sources among the ports of this host, with what they need."""
    sources: dict[int, MirrorSourcePlan] = {}
    ways: dict[tuple[int, int], MirrorWayPlan] = {}
    classifiers: dict[int, Classifier] = {}
    here = {port.id: (port, network) for port, network in view.attached()}
    for port, network in view.attached():
        sessions = _sessions_of(view, port)
        if not sessions:
            continue
        chains = {
            (direction, drops): tuple(_chains(view, sessions, direction, drops=drops))
            for direction in Direction
            for drops in (False, True)
        }
        classifiers |= {one.key: one for chain in chains.values() for one in chain}
        keys = {case: tuple(one.key for one in chain) for case, chain in chains.items()}
        sources[port.number] = MirrorSourcePlan(
            egress=keys[Direction.EGRESS, False],
            ingress=keys[Direction.INGRESS, False],
            dropped_egress=keys[Direction.EGRESS, True],
            dropped_ingress=keys[Direction.INGRESS, True],
        )
        for session in sessions:
            target = here.get(session.target_port_id) if session.target_port_id else None
            way = _way(session, (port, network), target, ways_out) if target else None
            if way is not None:
                ways[session.number, port.number] = way
    return HostMirrors(sources=sources, ways=ways, classifiers=classifiers)


def _sessions_of(view: HostView, port: Port) -> list[MirrorSession]:
    sessions = [one for one in view.mirror_sessions_of(port.id).values() if one.enabled]
    return sorted(sessions, key=lambda one: (one.priority, one.number))


def _chains(
    view: HostView, sessions: Iterable[MirrorSession], direction: Direction, *, drops: bool
) -> Iterator[Classifier]:
    chosen = [one for one in sessions if one.copies_drops == drops]
    first_match = tuple(one for one in chosen if not one.copies_all)
    for group in (first_match, *((one,) for one in chosen if one.copies_all)):
        parts = tuple(_session_rules(view, one, direction) for one in group)
        key = ("mirror_chain", tuple(one.id for one in group), direction)
        chain = view.memo.recall(key, _merged, parts)
        if chain is not None:
            yield chain


def _merged(parts: tuple[Rules, ...]) -> Classifier | None:
    rules = tuple(rule for part in parts for rule in part)
    return Classifier(rules=rules) if rules else None


def _session_rules(view: HostView, session: MirrorSession, direction: Direction) -> Rules:
    """Return the rules of a session's filters, labelled with its number."""
    parts = tuple(
        view.memo.recall(
            ("mirror_filter", key, direction), _filter_rules, view.mirror_rules_of(key), direction
        )
        for key in session.mirror_filter_ids
    )
    return view.memo.recall(
        ("mirror_session", session.id, direction), _labelled, parts, session.number
    )


def _labelled(parts: tuple[Rules, ...], number: int) -> Rules:
    return tuple(replace(rule, label=number) for part in parts for rule in part)


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


def _way(
    session: MirrorSession,
    source: tuple[Port, Network],
    target: tuple[Port, Network],
    ways_out: WaysOut,
) -> MirrorWayPlan | None:
    """Return the way to a target on this host; None when there is none."""
    (sender, network), (receiver, other) = source, target
    start, end = _first_ipv4(sender), _first_ipv4(receiver)
    if start is None or end is None:
        return None
    mac = sender.mac
    if network.id != other.id:
        out = ways_out.of(network, start.subnet_id, end.address)
        if out is None or out.network != other.number:
            return None
        mac = out.router_mac
    return MirrorWayPlan(
        source_mac=mac,
        source_address=start.address,
        target_port=receiver.number,
        target_mac=receiver.mac,
        target_address=end.address,
        vni=session.vni,
        packet_length=session.packet_length,
        mtu=min(network.mtu, other.mtu),
        bytes_per_second=session.bytes_per_second,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """An address of a port, and the subnet that it is from."""

    address: IPv4Address
    subnet_id: SubnetId


def _first_ipv4(port: Port) -> _Start | None:
    found = (
        _Start(address=one.address, subnet_id=one.subnet_id)
        for one in port.fixed_ips
        if isinstance(one.address, IPv4Address)
    )
    return next(found, None)
