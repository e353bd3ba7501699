"""Whether a packet is part of a flow that was allowed, or the rules have to allow it.

Written from section 5 of docs/design/packet-path.md.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address

from portlight.core import wire
from portlight.core.group_rules import Question, permission
from portlight.core.packet import (
    DCCP,
    ICMP,
    ICMPV6,
    PORT_PROTOCOLS,
    SCTP,
    TCP,
    UDP,
    UDP_LITE,
    Ip,
)
from portlight.core.path_state import Flow, FlowKey, FlowWrite, Judgement, Situation
from portlight.core.port import Port
from portlight.core.security_group import Direction
from portlight.core.topology import Topology
from portlight.values.addresses import IpAddress
from portlight.values.verdict import Allow, Drop, DropReason, Verdict

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_ECHO = {4: {8: True, 0: False}, 6: {128: True, 129: False}}
"""By family and ICMP type: whether it asks or answers."""
_ECHO_REQUEST = {4: 8, 6: 128}
_ICMP_ERRORS = {4: frozenset({3, 4, 11, 12}), 6: frozenset({1, 2, 3, 4})}
_NO_RULE = {
    Direction.EGRESS: DropReason.NO_EGRESS_RULE,
    Direction.INGRESS: DropReason.NO_INGRESS_RULE,
}
_OTHER = {Direction.EGRESS: Direction.INGRESS, Direction.INGRESS: Direction.EGRESS}
_LIFE_SECONDS = {TCP: (120, 432_000), UDP: (30, 180), UDP_LITE: (30, 180)} | {
    SCTP: (120, 3_600),
    DCCP: (120, 3_600),
}
"""By protocol: before and after a reply."""
_OTHER_LIFE_SECONDS = (60, 600)
_ECHO_LIFE_SECONDS = 30
_CLOSING_LIFE_SECONDS = 10
_REVOKED_LIFE_SECONDS = 120
_EMBEDDED_BYTES = 8
"""Of the upper header, which every ICMP error carries."""
_EXTENSION_HEADERS = frozenset({0, 43, 44, 60})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A packet at a port, in one direction."""

    topology: Topology
    port: Port
    direction: Direction
    packet: Ip
    situation: Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Headers:
    """What a flow is known by: of a packet, or of one that an ICMP error carries."""

    protocol: int
    source: IpAddress
    destination: IpAddress
    upper: bytes


def judge_flow(scene: Scene) -> Judgement:
    """Judge a whole packet or first fragment by the flows of the port, then by its rules."""
    packet, situation = scene.packet, scene.situation
    if _is_related(scene):
        return Judgement(verdict=Allow())
    key = _flow_key(_headers_of(packet), scene.port, scene.direction)
    if key is None:
        return Judgement(verdict=_by_rules(scene))
    flow = situation.state.flows.get(key)
    opens = packet.tcp_flags & (_SYN | _ACK) == _SYN
    if flow is None or not is_alive(key, flow, situation.now) or (opens and flow.is_closing):
        return _judge_new(scene, key)
    if flow.epoch != situation.epoch:
        flow = _judge_again(scene, key, flow)
    if flow.is_revoked and opens:
        fresh = _judge_new(scene, key)
        return replace(fresh, writes=(FlowWrite(key, flow), *fresh.writes))
    if flow.is_revoked:
        refreshed = replace(flow, seen_at=situation.now)
        return Judgement(verdict=Drop(DropReason.FLOW_REVOKED), writes=(FlowWrite(key, refreshed),))
    return Judgement(verdict=Allow(), writes=(FlowWrite(key, _noted(scene, flow)),))


def is_alive(key: FlowKey, flow: Flow, now: float) -> bool:
    """Whether a flow is still remembered."""
    return now - flow.seen_at <= _life_seconds(key, flow)


def _life_seconds(key: FlowKey, flow: Flow) -> int:
    if flow.is_revoked:
        return _REVOKED_LIFE_SECONDS
    if key.asker is not None:
        return _ECHO_LIFE_SECONDS
    if key.protocol == TCP and flow.is_closing:
        return _CLOSING_LIFE_SECONDS
    before, after = _LIFE_SECONDS.get(key.protocol, _OTHER_LIFE_SECONDS)
    return after if flow.is_replied else before


def _judge_new(scene: Scene, key: FlowKey) -> Judgement:
    """Judge a packet by the rules of its direction; a stateful rule makes a flow of it."""
    allowed = permission(scene.topology, scene.port, _question(scene.packet, scene.direction))
    if allowed is None:
        return Judgement(verdict=Drop(_NO_RULE[scene.direction]))
    answers_nobody = key.asker is not None and key.asker is not scene.direction
    if not allowed.is_stateful or answers_nobody:
        return Judgement(verdict=Allow())
    situation = scene.situation
    flow = Flow(
        initiator=scene.direction,
        epoch=situation.epoch,
        seen_at=situation.now,
        keep=allowed.keep,
    )
    return Judgement(verdict=Allow(), writes=(FlowWrite(key, _noted(scene, flow)),))


def _judge_again(scene: Scene, key: FlowKey, flow: Flow) -> Flow:
    """Ask today's rules about the packet that opened the flow."""
    allowed = permission(scene.topology, scene.port, _opening_question(key, flow))
    is_revoked = allowed is None and not flow.keep
    return replace(flow, epoch=scene.situation.epoch, is_revoked=is_revoked)


def _noted(scene: Scene, flow: Flow) -> Flow:
    """Return the flow after an allowed packet."""
    flags = scene.packet.tcp_flags
    finished = flow.finished | ({scene.direction} if flags & _FIN else set())
    return replace(
        flow,
        seen_at=scene.situation.now,
        is_replied=flow.is_replied or scene.direction is not flow.initiator,
        finished=finished,
        is_reset=flow.is_reset or bool(flags & _RST),
    )


def _by_rules(scene: Scene) -> Verdict:
    question = _question(scene.packet, scene.direction)
    allowed = permission(scene.topology, scene.port, question)
    return Drop(_NO_RULE[scene.direction]) if allowed is None else Allow()


def _question(packet: Ip, direction: Direction) -> Question:
    kind = packet.icmp_type
    return Question(
        direction=direction,
        protocol=packet.protocol,
        remote=packet.destination if direction is Direction.EGRESS else packet.source,
        destination_port=packet.destination_port,
        icmp=(kind, packet.icmp_code) if kind is not None else None,
    )


def _opening_question(key: FlowKey, flow: Flow) -> Question:
    is_egress = flow.initiator is Direction.EGRESS
    has_ports = key.protocol in PORT_PROTOCOLS
    destination = key.remote_value if is_egress else key.local_value
    return Question(
        direction=flow.initiator,
        protocol=key.protocol,
        remote=key.remote,
        destination_port=destination if has_ports else 0,
        icmp=(_ECHO_REQUEST[key.remote.version], 0) if key.asker is not None else None,
    )


def _is_related(scene: Scene) -> bool:
    """Whether it is an ICMP error about a packet of a flow that is allowed."""
    if scene.packet.icmp_type not in _ICMP_ERRORS[scene.packet.family]:
        return False
    embedded = _embedded(scene.packet)
    if embedded is None:
        return False
    # The error answers a packet that went the other way.
    key = _flow_key(embedded, scene.port, _OTHER[scene.direction])
    flow = scene.situation.state.flows.get(key) if key is not None else None
    if key is None or flow is None:
        return False
    return is_alive(key, flow, scene.situation.now) and not flow.is_revoked


def _embedded(error: Ip) -> _Headers | None:
    """Return the headers of the packet in an ICMP error, None when they are not all there."""
    raw = error.payload[8:]
    if error.family == wire.IPV4:
        return _embedded_ipv4(raw)
    if len(raw) < 40 + _EMBEDDED_BYTES or raw[0] >> 4 != wire.IPV6 or raw[6] in _EXTENSION_HEADERS:
        return None
    return _Headers(
        protocol=raw[6],
        source=ip_address(raw[8:24]),
        destination=ip_address(raw[24:40]),
        upper=raw[40:],
    )


def _embedded_ipv4(raw: bytes) -> _Headers | None:
    header = (raw[0] & 0x0F) * 4 if raw else 0
    if len(raw) < header + _EMBEDDED_BYTES or raw[0] >> 4 != wire.IPV4:
        return None
    is_later_fragment = header >= 20 and wire.uint16(raw, 6) & 0x1FFF  # noqa: PLR2004 -- RFC 791
    if header < 20 or is_later_fragment:  # noqa: PLR2004 -- RFC 791
        return None
    return _Headers(
        protocol=raw[9],
        source=ip_address(raw[12:16]),
        destination=ip_address(raw[16:20]),
        upper=raw[header:],
    )


def _headers_of(packet: Ip) -> _Headers:
    return _Headers(
        protocol=packet.protocol,
        source=packet.source,
        destination=packet.destination,
        upper=packet.payload,
    )


def _flow_key(headers: _Headers, port: Port, direction: Direction) -> FlowKey | None:
    """Return the key of the flow that a packet belongs to; None for ICMP other than echo."""
    is_egress = direction is Direction.EGRESS
    family, protocol = headers.source.version, headers.protocol
    source_value = destination_value = 0
    asker = None
    if protocol in PORT_PROTOCOLS:
        source_value, destination_value = (
            wire.uint16(headers.upper, 0),
            wire.uint16(headers.upper, 2),
        )
    elif protocol == (ICMP if family == wire.IPV4 else ICMPV6):
        asks = _ECHO[family].get(headers.upper[0]) if headers.upper[1] == 0 else None
        if asks is None:
            return None
        asker = direction if asks else _OTHER[direction]
        source_value = destination_value = wire.uint16(headers.upper, 4)
    return FlowKey(
        port_id=port.id,
        protocol=protocol,
        local=headers.source if is_egress else headers.destination,
        local_value=source_value if is_egress else destination_value,
        remote=headers.destination if is_egress else headers.source,
        remote_value=destination_value if is_egress else source_value,
        asker=asker,
    )
