"""Traffic mirroring on the native API: all that a session can do, and what became of its copies."""

from collections.abc import Callable, Sequence
from typing import cast

from starlette.routing import Route

from portlight.api.attributes import (
    STANDARD,
    Attribute,
    Attributes,
    at_creation,
    read_only,
    settable,
)
from portlight.api.errors import BadRequestError
from portlight.api.mirror_values import (
    RULE_PRIORITY,
    SESSION_PRIORITY,
    VNI,
    cidr_block,
    mirror_description,
    mirror_name,
    mirror_protocol,
    port_range,
    spell_ports,
    spell_prefix,
    spell_protocol,
    target_address,
)
from portlight.api.operation import Operation, operation
from portlight.api.query import Matcher
from portlight.api.resource import Resource
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TEXT, WHOLE, array, one_word, or_null, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.standard import render_standard
from portlight.api.wire import (
    Json,
    boolean,
    identifier,
    integer,
    list_of,
    nullable,
    one_of,
)
from portlight.core.drafts_mirror import (
    MirrorFilterDraft,
    MirrorFilterRuleChange,
    MirrorFilterRuleDraft,
    MirrorSessionDraft,
)
from portlight.core.mirror import (
    WHOLE_PACKET,
    MirrorAction,
    MirrorFilter,
    MirrorFilterRule,
    MirrorOutcome,
    MirrorSession,
)
from portlight.core.mirrors import MAX_FILTERS, MAX_PACKET_LENGTH
from portlight.core.security_group import Direction, EtherType
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.report import MirrorCounters
from portlight.values.ids import MirrorFilterId, MirrorFilterRuleId, MirrorSessionId, PortId

MAX_BYTES_PER_SECOND = (1 << 40) - 1
_SOURCES = list_of(identifier)
_BLOCK = nullable(cidr_block)
_PORTS = nullable(port_range)
_DESCRIBED: Attributes = {
    **STANDARD,
    "name": Attribute(parse=mirror_name, draft="name", required=True),
    "description": settable("description", mirror_description),
}
_UNNAMED: Attributes = {
    **{name: STANDARD[name] for name in STANDARD if name not in ("name", "tags")},
    "description": settable("description", mirror_description),
    "project_id": read_only(TEXT),
    "tenant_id": read_only(TEXT),
}
_RULE_ATTRIBUTES: Attributes = {
    **_UNNAMED,
    "mirror_filter_id": at_creation("mirror_filter_id", identifier, required=True),
    "direction": at_creation("direction", one_of(Direction), required=True),
    "ethertype": Attribute(parse=one_of(EtherType), draft="ethertype", required=True),
    "action": Attribute(parse=one_of(MirrorAction), draft="action", required=True),
    "priority": Attribute(parse=RULE_PRIORITY, draft="priority", required=True),
    "protocol": Attribute(parse=mirror_protocol, draft="protocol", required=True),
    "source_ip_prefix": settable("source_prefix", _BLOCK, answer=or_null(TEXT)),
    "destination_ip_prefix": settable("destination_prefix", _BLOCK, answer=or_null(TEXT)),
    "source_ports": settable("source_ports", _PORTS, answer=or_null(TEXT)),
    "destination_ports": settable("destination_ports", _PORTS, answer=or_null(TEXT)),
}
_SESSION_ATTRIBUTES: Attributes = {
    **_DESCRIBED,
    "number": read_only(WHOLE),
    "priority": Attribute(parse=SESSION_PRIORITY, draft="priority", required=True),
    "mirror_filter_ids": settable("mirror_filter_ids", list_of(identifier, MAX_FILTERS)),
    "source_port_ids": settable("source_port_ids", _SOURCES),
    "target_port_id": settable("target_port_id", nullable(identifier)),
    "target_ip": settable("target_ip", nullable(target_address)),
    "vni": settable("vni", VNI),
    "packet_length": settable("packet_length", integer(WHOLE_PACKET, MAX_PACKET_LENGTH)),
    "enabled": settable("enabled", boolean),
    "copies_all": settable("copies_all", boolean),
    "copies_drops": settable("copies_drops", boolean),
    "bytes_per_second": settable("bytes_per_second", nullable(integer(1, MAX_BYTES_PER_SECOND))),
}


def _render_filters(_cloud: Cloud, _caller: Caller, found: Sequence[MirrorFilter]) -> list[Json]:
    return [render_standard(one.id, one.meta) for one in found]


def _render_rules(_cloud: Cloud, _caller: Caller, found: Sequence[MirrorFilterRule]) -> list[Json]:
    return [
        {
            **{name: render_standard(one.id, one.meta)[name] for name in _UNNAMED},
            "mirror_filter_id": one.mirror_filter_id,
            "direction": one.direction,
            "ethertype": one.ethertype,
            "action": one.action,
            "priority": one.priority,
            "protocol": spell_protocol(one.protocol),
            "source_ip_prefix": spell_prefix(one.source_prefix),
            "destination_ip_prefix": spell_prefix(one.destination_prefix),
            "source_ports": spell_ports(one.source_ports),
            "destination_ports": spell_ports(one.destination_ports),
        }
        for one in found
    ]


def _render_sessions(_cloud: Cloud, _caller: Caller, found: Sequence[MirrorSession]) -> list[Json]:
    return [
        {
            **render_standard(one.id, one.meta),
            "number": one.number,
            "priority": one.priority,
            "mirror_filter_ids": list(one.mirror_filter_ids),
            "source_port_ids": list(one.source_port_ids),
            "target_port_id": one.target_port_id,
            "target_ip": None if one.target_ip is None else str(one.target_ip),
            "vni": one.vni,
            "packet_length": one.packet_length,
            "enabled": one.enabled,
            "copies_all": one.copies_all,
            "copies_drops": one.copies_drops,
            "bytes_per_second": one.bytes_per_second,
        }
        for one in found
    ]


def _among(name: str) -> Matcher:
    """Return the filter for things that have one of some ids in a list."""
    return lambda item, ids: not set(ids).isdisjoint(cast("list[str]", item[name]))


MIRROR_FILTERS: Resource[MirrorFilter, MirrorFilterId, MirrorFilterDraft, MirrorFilterDraft] = (
    Resource(
        name="mirror_filter",
        plural="mirror_filters",
        attributes=_DESCRIBED,
        identifier=MirrorFilterId,
        draft=MirrorFilterDraft,
        change=MirrorFilterDraft,
        use=lambda cloud: cloud.mirror_filters,
        render=_render_filters,
        renders_alone=True,
    )
)
MIRROR_FILTER_RULES: Resource[
    MirrorFilterRule, MirrorFilterRuleId, MirrorFilterRuleDraft, MirrorFilterRuleChange
] = Resource(
    name="mirror_filter_rule",
    plural="mirror_filter_rules",
    attributes=_RULE_ATTRIBUTES,
    identifier=MirrorFilterRuleId,
    draft=MirrorFilterRuleDraft,
    change=MirrorFilterRuleChange,
    use=lambda cloud: cloud.mirror_filter_rules,
    render=_render_rules,
    renders_alone=True,
    where={"mirror_filter_id": "mirror_filter_id"},
)
MIRROR_SESSIONS: Resource[
    MirrorSession, MirrorSessionId, MirrorSessionDraft, MirrorSessionDraft
] = Resource(
    name="mirror_session",
    plural="mirror_sessions",
    attributes=_SESSION_ATTRIBUTES,
    identifier=MirrorSessionId,
    draft=MirrorSessionDraft,
    change=MirrorSessionDraft,
    use=lambda cloud: cloud.mirror_sessions,
    render=_render_sessions,
    renders_alone=True,
    where={"target_port_id": "target_port_id"},
    matchers={
        "mirror_filter_id": _among("mirror_filter_ids"),
        "source_port_id": _among("source_port_ids"),
    },
    narrow={
        "mirror_filter_id": lambda ids: {"mirror_filter_id": list(ids)},
        "source_port_id": lambda ids: {"source_port_id": list(ids)},
    },
)

_COUNT = shape({"packets": WHOLE, "bytes": WHOLE})
_WAY = shape(
    {
        "port_id": TEXT,
        "direction": one_word(*Direction),
        "matched": WHOLE,
        **dict.fromkeys((str(one) for one in MirrorOutcome), _COUNT),
    }
)
_SESSION_SHOWN = entity_schema(MIRROR_SESSIONS.name, _SESSION_ATTRIBUTES)

Verb = Callable[[Call, MirrorSessionId, Sequence[PortId]], MirrorSession]


def mirror_verb_routes(face: Face, base: str) -> list[Route]:
    """Return the routes that change sources, and that of the counters."""
    one = f"{base}/mirror-sessions/{{id}}"
    return [
        route(face, f"{one}/add-sources", POST=_verb(_add_sources)),
        route(face, f"{one}/remove-sources", POST=_verb(_remove_sources)),
        route(face, f"{one}/counters", GET=_show_counters),
    ]


def _verb(verb: Verb) -> Operation:
    def act(call: Call) -> Reply:
        document = call.document()
        if document.keys() != {"source_port_ids"}:
            raise BadRequestError("The body must be an object with the one key 'source_port_ids'.")
        ports = [PortId(one) for one in _SOURCES("source_port_ids", document["source_port_ids"])]
        changed = verb(call, MirrorSessionId(call.path["id"]), ports)
        (rendered,) = _render_sessions(call.cloud, call.caller, [changed])
        return Reply(document={MIRROR_SESSIONS.name: rendered})

    act.__doc__ = verb.__doc__
    return operation(
        body=shape({"source_port_ids": _SOURCES.schema}),
        answer=shape({MIRROR_SESSIONS.name: _SESSION_SHOWN}),
    )(act)


def _add_sources(call: Call, session: MirrorSessionId, ports: Sequence[PortId]) -> MirrorSession:
    """Add sources to a mirror session; those that it has stay."""
    return call.cloud.mirror_sessions.add_sources(call.caller, session, ports)


def _remove_sources(call: Call, session: MirrorSessionId, ports: Sequence[PortId]) -> MirrorSession:
    """Remove sources from a mirror session, perhaps all."""
    return call.cloud.mirror_sessions.remove_sources(call.caller, session, ports)


@operation(
    answer=shape({"mirror_counters": shape({"mirror_session_id": TEXT, "counters": array(_WAY)})})
)
def _show_counters(call: Call) -> Reply:
    """Show what became of the copies of a mirror session, by source and direction."""
    identifier = MirrorSessionId(call.path["id"])
    counters = call.cloud.mirror_counters(call.caller, identifier)
    rendered = [_render_way(one) for one in counters]
    return Reply(
        document={"mirror_counters": {"mirror_session_id": identifier, "counters": rendered}}
    )


def _render_way(one: MirrorCounters) -> Json:
    counts: Json = {
        str(outcome): {"packets": count.packets, "bytes": count.bytes}
        for outcome, count in one.outcomes.items()
    }
    return {
        "port_id": one.port_id,
        "direction": one.direction,
        "matched": one.matched,
        **counts,
    }
