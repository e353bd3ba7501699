"""Mirror sessions on this face. Sources change by two verbs."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from starlette.routing import Route

from portlight.api.attributes import Attribute, Attributes, at_creation, read_only, settable
from portlight.api.errors import BadRequestError
from portlight.api.mirror_values import (
    SESSION_PRIORITY,
    VNI,
    mirror_description,
    mirror_name,
)
from portlight.api.operation import Operation, operation
from portlight.api.parser import Parser
from portlight.api.resource import envelope
from portlight.api.schema import MOMENT, TEXT, TRUTH, WHOLE, array, one_word, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.vpc_v3.filters import KIND_OF_SOURCE, ONLY_INTERFACES
from portlight.api.vpc_v3.listing import Filter, Listing
from portlight.api.vpc_v3.resource import VpcResource, answer_schema, own_id, reply_with
from portlight.api.wire import (
    Json,
    boolean,
    identifier,
    integer,
    list_of,
    one_of,
    text,
    timestamp,
)
from portlight.core.drafts import UNSET, Unset
from portlight.core.drafts_mirror import MirrorSessionDraft
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.mirror import MirrorSession
from portlight.core.mirrors import MAX_PACKET_LENGTH
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import MirrorFilterId, MirrorSessionId, PortId

SOURCES = "traffic_mirror_sources"
_PACKET_LENGTH = integer(1, MAX_PACKET_LENGTH)


class TargetType(StrEnum):
    """What copies can be sent to."""

    INTERFACE = "eni"
    LOAD_BALANCER = "elb"


def _accept_sources(field: str, raw: object) -> tuple[str, ...]:
    ports = list_of(identifier)(field, raw)
    if not ports:
        raise InvalidRequestError(field, "at least one is needed")
    return ports


def _accept_filter(field: str, raw: object) -> tuple[MirrorFilterId, ...]:
    return (MirrorFilterId(identifier(field, raw)),)


_SOURCES = Parser(
    _accept_sources,
    {**array(identifier.schema), "minItems": 1, "maxItems": 4096},
    array(TEXT),
)
_FILTER = Parser(_accept_filter, identifier.schema, TEXT)

_ATTRIBUTES: Attributes = {
    "id": read_only(TEXT),
    "project_id": read_only(TEXT),
    "name": Attribute(parse=mirror_name, draft="name", required=True),
    "description": settable("description", mirror_description),
    "traffic_mirror_filter_id": Attribute(parse=_FILTER, draft="mirror_filter_ids", required=True),
    SOURCES: at_creation("source_port_ids", _SOURCES, required=True),
    "traffic_mirror_target_id": Attribute(parse=identifier, draft="target_port_id", required=True),
    "traffic_mirror_target_type": Attribute(
        parse=one_of(TargetType), draft="target_type", required=True, answer=one_word("eni", "")
    ),
    "virtual_network_id": settable("vni", VNI),
    "packet_length": settable("packet_length", _PACKET_LENGTH, answer=WHOLE),
    "priority": Attribute(parse=SESSION_PRIORITY, draft="priority", required=True),
    "enabled": settable("enabled", boolean, answer=TRUTH),
    "type": ONLY_INTERFACES,
    "created_at": read_only(MOMENT),
    "updated_at": read_only(MOMENT),
}


def _draft(*, target_type: TargetType | Unset = UNSET, **fields: object) -> MirrorSessionDraft:
    """Return the draft; raise NotFoundError for a load balancer: there are none."""
    draft = MirrorSessionDraft(**fields)  # type: ignore[arg-type]  # the parsers give the types
    if target_type is not TargetType.LOAD_BALANCER:
        return draft
    if isinstance(draft.target_port_id, Unset) or draft.target_port_id is None:
        raise InvalidRequestError("traffic_mirror_target_type", "it changes with the target's id")
    raise NotFoundError("LoadBalancer", draft.target_port_id)


def _filters_of(draft: MirrorSessionDraft) -> tuple[MirrorFilterId, ...]:
    return () if isinstance(draft.mirror_filter_ids, Unset) else draft.mirror_filter_ids


def _render(_cloud: Cloud, _caller: Caller, sessions: Sequence[MirrorSession]) -> list[Json]:
    return [_render_one(one) for one in sessions]


def _render_one(one: MirrorSession) -> Json:
    return {
        "id": one.id,
        "project_id": one.meta.project_id,
        "name": one.meta.name,
        "description": one.meta.description,
        "traffic_mirror_filter_id": _filter_of(one),
        SOURCES: list(one.source_port_ids),
        "traffic_mirror_target_id": one.target_port_id or "",
        "traffic_mirror_target_type": _target_type_of(one),
        "virtual_network_id": one.vni,
        "packet_length": one.packet_length,
        "priority": one.priority,
        "enabled": one.enabled,
        "type": KIND_OF_SOURCE,
        "created_at": timestamp(one.meta.created_at),
        "updated_at": timestamp(one.meta.updated_at),
    }


def _filter_of(one: MirrorSession) -> str:
    """Return the filter; the first one of a session that was given several elsewhere."""
    return one.mirror_filter_ids[0] if one.mirror_filter_ids else ""


def _target_type_of(one: MirrorSession) -> str:
    return "" if one.target_port_id is None else TargetType.INTERFACE


_LISTING: Listing[MirrorSession] = Listing(
    filters={
        "id": Filter(parse=text(), of=lambda one: one.id, key="id"),
        "name": Filter(parse=text(), of=lambda one: one.meta.name, key="name"),
        "description": Filter(parse=text(), of=lambda one: one.meta.description),
        "traffic_mirror_filter_id": Filter(
            parse=text(), of=lambda one: one.mirror_filter_ids, key="mirror_filter_id"
        ),
        "traffic_mirror_target_id": Filter(
            parse=text(), of=lambda one: one.target_port_id, key="target_port_id"
        ),
        "traffic_mirror_target_type": Filter(parse=one_of(TargetType), of=_target_type_of),
        "virtual_network_id": Filter(parse=VNI, of=lambda one: one.vni),
        "packet_length": Filter(parse=_PACKET_LENGTH, of=lambda one: one.packet_length),
        "priority": Filter(parse=SESSION_PRIORITY, of=lambda one: one.priority),
        "enabled": Filter(parse=boolean, of=lambda one: one.enabled, is_single=True),
        "type": Filter(parse=text(), of=lambda _one: KIND_OF_SOURCE),
    },
    orders={
        "created_at": lambda one: one.meta.created_at,
        "updated_at": lambda one: one.meta.updated_at,
    },
)

SESSIONS: VpcResource[MirrorSession, MirrorSessionId, MirrorSessionDraft, MirrorSessionDraft] = (
    VpcResource(
        name="traffic_mirror_session",
        plural="traffic_mirror_sessions",
        attributes=_ATTRIBUTES,
        identifier=MirrorSessionId,
        draft=_draft,
        change=_draft,
        use=lambda cloud: cloud.mirror_sessions,
        render=_render,
        listing=_LISTING,
        filters_of=_filters_of,
    )
)

Verb = Callable[[Call, MirrorSessionId, Sequence[PortId]], MirrorSession]


def source_routes(face: Face) -> list[Route]:
    """Return the routes that add and remove sources."""
    one = f"{SESSIONS.path}/{{id}}"
    return [
        route(face, f"{one}/add-sources", PUT=_verb(_add_sources)),
        route(face, f"{one}/remove-sources", PUT=_verb(_remove_sources)),
    ]


def _verb(verb: Verb) -> Operation:
    def act(call: Call) -> Reply:
        document = envelope(call.document(), SESSIONS.name)
        if document.keys() != {SOURCES}:
            raise BadRequestError(f"'{SESSIONS.name}' must have the one member '{SOURCES}'.")
        ports = [PortId(one) for one in _SOURCES(SOURCES, document[SOURCES])]
        return reply_with(SESSIONS, call, verb(call, own_id(SESSIONS, call), ports))

    act.__doc__ = verb.__doc__
    return operation(
        body=shape({SESSIONS.name: shape({SOURCES: _SOURCES.schema})}),
        answer=answer_schema(**{SESSIONS.name: SESSIONS.schema}),
    )(act)


def _add_sources(call: Call, session: MirrorSessionId, ports: Sequence[PortId]) -> MirrorSession:
    """Add sources to a session; those that it has stay."""
    return call.cloud.mirror_sessions.add_sources(call.caller, session, ports)


def _remove_sources(call: Call, session: MirrorSessionId, ports: Sequence[PortId]) -> MirrorSession:
    """Remove sources from a session, perhaps all."""
    return call.cloud.mirror_sessions.remove_sources(call.caller, session, ports)
