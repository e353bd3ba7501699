"""Mirror sessions of the ports of this host: classifiers, and the ways of the copies.

docs/design/mirroring.md, sections 2 and 3. All sessions of a source of which the first match
decides become one classifier; each that copies whatever the others decide becomes one of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from portlight.compiler.view import HostView
from portlight.compiler.ways_out import WaysOut
from portlight.core.mirror import MirrorAction, MirrorFilterRule, MirrorSession
from portlight.core.mirrors import UDP
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.core.security_group import Direction, EtherType
from portlight.plan.classifier import Action, Classifier, ClassifierRule, Family
from portlight.plan.host import MirrorSourcePlan, MirrorWayPlan
from portlight.values.addresses import IpPrefix, MacAddress
from portlight.values.ids import SubnetId
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
    ways: Mapping[tuple[int, int], MirrorWayPlan]
    classifiers: Mapping[int, Classifier]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """An address of a port, and the subnet that it is from."""

    address: IPv4Address
    subnet_id: SubnetId


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Where copies are delivered: at their target, or at the router that leads to it."""

    port_number: int
    mac: MacAddress
    address: IPv4Address
    """Of the target."""
    mtu: int
    source_mac: MacAddress | None = None
    """None: the source's own."""


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
            way = _way(session, (port, network), target, ways_out)
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
    outward = view.memo.recall(
        ("mirror_outward", direction), _outward, view.mirror_sessions_outward(), direction
    )
    first_match = tuple(one for one in chosen if not one.copies_all)
    for group in (first_match, *((one,) for one in chosen if one.copies_all)):
        parts = tuple(_session_rules(view, one, direction) for one in group)
        key = ("mirror_chain", tuple(one.id for one in group), direction)
        chain = view.memo.recall(key, _merged, outward, parts)
        if chain is not None:
            yield chain


def _merged(outward: Rules, parts: tuple[Rules, ...]) -> Classifier | None:
    rules = tuple(rule for part in parts for rule in part)
    return Classifier(rules=outward + rules) if rules else None


def _outward(sessions: Mapping[object, MirrorSession], direction: Direction) -> Rules:
    """Return what keeps copies from being copied where they pass a source on their way outside."""
    addresses = {one.target_ip for one in sessions.values() if one.target_ip is not None}
    targets = prefix_set(IPv4Network(address) for address in addresses)
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
    target: tuple[Port, Network] | None,
    ways_out: WaysOut,
) -> MirrorWayPlan | None:
    """Return the way to a target on this host or outside the cloud; None when there is none."""
    sender, network = source
    start, end = _first_ipv4(sender), None
    if start is not None and session.target_ip is not None:
        end = _end_outside(network, start, session.target_ip, ways_out)
    elif start is not None and target is not None:
        end = _end_inside(network, start, target, ways_out)
    if start is None or end is None:
        return None
    return MirrorWayPlan(
        source_mac=end.source_mac or sender.mac,
        source_address=start.address,
        target_port=end.port_number,
        target_mac=end.mac,
        target_address=end.address,
        vni=session.vni,
        packet_length=session.packet_length,
        mtu=min(network.mtu, end.mtu),
        bytes_per_second=session.bytes_per_second,
    )


def _end_inside(
    network: Network, start: _Start, target: tuple[Port, Network], ways_out: WaysOut
) -> _End | None:
    receiver, other = target
    place = _first_ipv4(receiver)
    if place is None:
        return None
    out = None
    if network.id != other.id:
        out = ways_out.of(network, start.subnet_id, place.address)
        if out is None or out.network != other.number:
            return None
    return _End(
        port_number=receiver.number,
        mac=receiver.mac,
        address=place.address,
        mtu=other.mtu,
        source_mac=out.router_mac if out is not None else None,
    )


def _end_outside(
    network: Network, start: _Start, address: IPv4Address, ways_out: WaysOut
) -> _End | None:
    out = ways_out.outside(network, start.subnet_id, address)
    if out is None:
        return None
    return _End(port_number=out.port_number, mac=out.mac, address=address, mtu=out.mtu)


def _first_ipv4(port: Port) -> _Start | None:
    found = (
        _Start(address=one.address, subnet_id=one.subnet_id)
        for one in port.fixed_ips
        if isinstance(one.address, IPv4Address)
    )
    return next(found, None)
