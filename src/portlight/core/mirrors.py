"""What valid mirror filters, rules and sessions are, and how drafts make and change them. Pure.

What other things have a say in (roles of ports, limits, places) is the service's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from portlight.core.changes import Birth, check_text, first_meta, given, next_meta, required
from portlight.core.drafts_mirror import (
    MirrorFilterDraft,
    MirrorFilterRuleChange,
    MirrorFilterRuleDraft,
    MirrorSessionDraft,
)
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.errors_mirror import MirrorFamilyError
from portlight.core.meta import Meta
from portlight.core.mirror import (
    DEFAULT_PACKET_LENGTH,
    DEFAULT_VNI,
    MirrorFilter,
    MirrorFilterRule,
    MirrorSession,
)
from portlight.core.protocols import ICMP, ICMPV6
from portlight.core.security_group import EtherType
from portlight.values.addresses import IpPrefix
from portlight.values.ids import MirrorFilterId, MirrorFilterRuleId, MirrorSessionId, PortId
from portlight.values.ranges import PortRange

MAX_NAME: Final = 64
MAX_VNI: Final = (1 << 24) - 1
MAX_PACKET_LENGTH: Final = 1460
MAX_SESSION_PRIORITY: Final = 32_766
MAX_RULE_PRIORITY: Final = 65_535
MAX_FILTERS: Final = 16
"""Of one session."""
MAX_COPIES_ALL: Final = 3
"""Sessions that copy all, of one source: each is asked on its own for every packet."""

TCP: Final = 6
UDP: Final = 17
PROTOCOLS: Final = {"TCP": TCP, "UDP": UDP, "ICMP": ICMP, "ICMPV6": ICMPV6, "ALL": None}
"""What a rule can be about."""
_ONLY_IN: Final = {ICMP: EtherType.IPV4, ICMPV6: EtherType.IPV6}
_THIS_NETWORK: Final = IPv4Network("0.0.0.0/8")
_IP_VERSION: Final = {EtherType.IPV4: 4, EtherType.IPV6: 6}


def build_mirror_filter(draft: MirrorFilterDraft, birth: Birth) -> MirrorFilter:
    """Return the new filter; it has no rules and chooses nothing yet."""
    required(draft.name, "name")
    return MirrorFilter(id=MirrorFilterId(birth.id), meta=first_meta(draft, birth))


def change_mirror_filter(
    one: MirrorFilter, draft: MirrorFilterDraft, *, now: float
) -> MirrorFilter:
    """Return the filter after the change."""
    return replace(one, meta=next_meta(one.meta, draft, now))


def build_mirror_rule(draft: MirrorFilterRuleDraft, birth: Birth) -> MirrorFilterRule:
    """Return the new rule; raise a domain error when it contradicts itself."""
    description = given(draft.description, "")
    check_text("description", description)
    return _checked_rule(
        MirrorFilterRule(
            id=MirrorFilterRuleId(birth.id),
            mirror_filter_id=draft.mirror_filter_id,
            meta=Meta(
                project_id=birth.project_id,
                description=description,
                revision_number=1,
                created_at=birth.now,
                updated_at=birth.now,
            ),
            direction=draft.direction,
            ethertype=required(draft.ethertype, "ethertype"),
            action=required(draft.action, "action"),
            priority=required(draft.priority, "priority"),
            protocol=required(draft.protocol, "protocol"),
            source_prefix=given(draft.source_prefix, None),
            destination_prefix=given(draft.destination_prefix, None),
            source_ports=given(draft.source_ports, None),
            destination_ports=given(draft.destination_ports, None),
        )
    )


def change_mirror_rule(
    rule: MirrorFilterRule, change: MirrorFilterRuleChange, *, now: float
) -> MirrorFilterRule:
    """Return the rule after the change; raise a domain error when it contradicts itself."""
    description = given(change.description, rule.meta.description)
    check_text("description", description)
    return _checked_rule(
        replace(
            rule,
            meta=replace(next_meta(rule.meta, None, now), description=description),
            ethertype=given(change.ethertype, rule.ethertype),
            action=given(change.action, rule.action),
            priority=given(change.priority, rule.priority),
            protocol=given(change.protocol, rule.protocol),
            source_prefix=given(change.source_prefix, rule.source_prefix),
            destination_prefix=given(change.destination_prefix, rule.destination_prefix),
            source_ports=given(change.source_ports, rule.source_ports),
            destination_ports=given(change.destination_ports, rule.destination_ports),
        )
    )


def build_mirror_session(draft: MirrorSessionDraft, birth: Birth) -> MirrorSession:
    """Return the new session; it copies nothing before it is enabled."""
    required(draft.name, "name")
    target_port_id, target_ip = _targets(draft, None, None)
    return _checked_session(
        MirrorSession(
            id=MirrorSessionId(birth.id),
            number=birth.number,
            meta=first_meta(draft, birth),
            priority=required(draft.priority, "priority"),
            mirror_filter_ids=tuple(dict.fromkeys(given(draft.mirror_filter_ids, ()))),
            source_port_ids=tuple(dict.fromkeys(given(draft.source_port_ids, ()))),
            target_port_id=target_port_id,
            target_ip=target_ip,
            vni=given(draft.vni, DEFAULT_VNI),
            packet_length=given(draft.packet_length, DEFAULT_PACKET_LENGTH),
            enabled=given(draft.enabled, default=False),
            copies_all=given(draft.copies_all, default=False),
            copies_drops=given(draft.copies_drops, default=False),
            bytes_per_second=given(draft.bytes_per_second, None),
        )
    )


def change_mirror_session(
    session: MirrorSession, draft: MirrorSessionDraft, *, now: float
) -> MirrorSession:
    """Return the session after the change."""
    filters = given(draft.mirror_filter_ids, session.mirror_filter_ids)
    sources = given(draft.source_port_ids, session.source_port_ids)
    target_port_id, target_ip = _targets(draft, session.target_port_id, session.target_ip)
    return _checked_session(
        replace(
            session,
            meta=next_meta(session.meta, draft, now),
            priority=given(draft.priority, session.priority),
            mirror_filter_ids=tuple(dict.fromkeys(filters)),
            source_port_ids=tuple(dict.fromkeys(sources)),
            target_port_id=target_port_id,
            target_ip=target_ip,
            vni=given(draft.vni, session.vni),
            packet_length=given(draft.packet_length, session.packet_length),
            enabled=given(draft.enabled, session.enabled),
            copies_all=given(draft.copies_all, session.copies_all),
            copies_drops=given(draft.copies_drops, session.copies_drops),
            bytes_per_second=given(draft.bytes_per_second, session.bytes_per_second),
        )
    )


def add_sources(session: MirrorSession, ports: Iterable[PortId], *, now: float) -> MirrorSession:
    """Return the session with more sources; one that it has stays where it is."""
    return _with_sources(session, dict.fromkeys((*session.source_port_ids, *ports)), now)


def remove_sources(session: MirrorSession, ports: Sequence[PortId], *, now: float) -> MirrorSession:
    """Return the session without these sources; raise NotFoundError for one that it has not."""
    for port_id in ports:
        if port_id not in session.source_port_ids:
            raise NotFoundError("MirrorSource", port_id)
    kept = (port_id for port_id in session.source_port_ids if port_id not in ports)
    return _with_sources(session, kept, now)


def without_port(session: MirrorSession, port_id: PortId, *, now: float) -> MirrorSession:
    """Return the session after a port is gone: not among its sources, not its target."""
    target = None if session.target_port_id == port_id else session.target_port_id
    kept = (one for one in session.source_port_ids if one != port_id)
    return replace(_with_sources(session, kept, now), target_port_id=target)


def _with_sources(session: MirrorSession, ports: Iterable[PortId], now: float) -> MirrorSession:
    meta = next_meta(session.meta, None, now)
    return replace(session, meta=meta, source_port_ids=tuple(ports))


def _targets(
    draft: MirrorSessionDraft, port_id: PortId | None, address: IPv4Address | None
) -> tuple[PortId | None, IPv4Address | None]:
    """Return the target after a change, a port or an address: what is given replaces the other."""
    new_port, new_address = given(draft.target_port_id, None), given(draft.target_ip, None)
    if new_port is not None and new_address is not None:
        raise InvalidRequestError("target_ip", "a session has one target: this or 'target_port_id'")
    if new_port is not None or new_address is not None:
        return new_port, new_address
    return given(draft.target_port_id, port_id), given(draft.target_ip, address)


def _checked_session(session: MirrorSession) -> MirrorSession:
    if len(session.mirror_filter_ids) > MAX_FILTERS:
        raise InvalidRequestError("mirror_filter_ids", f"more than {MAX_FILTERS} of them")
    if session.target_ip is not None and _is_no_host(session.target_ip):
        raise InvalidRequestError("target_ip", f"{session.target_ip} is no address of one host")
    return session


def _is_no_host(address: IPv4Address) -> bool:
    return (
        address in _THIS_NETWORK
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
    )


def _checked_rule(rule: MirrorFilterRule) -> MirrorFilterRule:
    only_in = _ONLY_IN.get(rule.protocol, rule.ethertype) if rule.protocol else rule.ethertype
    if only_in is not rule.ethertype:
        raise MirrorFamilyError("protocol", f"this one exists in {only_in} only")
    _check_prefix("source prefix", rule.source_prefix, rule.ethertype)
    _check_prefix("destination prefix", rule.destination_prefix, rule.ethertype)
    _check_ports("source ports", rule.source_ports, rule.protocol)
    _check_ports("destination ports", rule.destination_ports, rule.protocol)
    return rule


def _check_prefix(field: str, prefix: IpPrefix | None, ethertype: EtherType) -> None:
    if prefix is not None and prefix.version != _IP_VERSION[ethertype]:
        raise MirrorFamilyError(field, f"{prefix} is not of the rule's family {ethertype}")


def _check_ports(field: str, ports: PortRange | None, protocol: int | None) -> None:
    if ports is not None and protocol not in (TCP, UDP):
        raise InvalidRequestError(field, "only rules for TCP or UDP have ports")
