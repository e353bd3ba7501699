"""Rules of mirror filters on this face, one or several at once."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.attributes import (
    Attribute,
    Attributes,
    at_creation,
    parse_create,
    read_only,
    settable,
)
from portlight.api.errors import BadRequestError
from portlight.api.mirror_values import (
    RULE_PRIORITY,
    cidr_block,
    mirror_description,
    mirror_protocol,
    port_range,
    spell_ports,
    spell_prefix,
    spell_protocol,
)
from portlight.api.operation import operation
from portlight.api.resource import envelope
from portlight.api.resource_schema import create_schema
from portlight.api.schema import MOMENT, TEXT, array, or_null, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.vpc_v3.listing import Filter, Listing
from portlight.api.vpc_v3.resource import BASE, VpcResource, answer_schema, check_own_filters
from portlight.api.wire import Json, identifier, nullable, one_of, text, timestamp
from portlight.core.drafts_mirror import MirrorFilterRuleChange, MirrorFilterRuleDraft
from portlight.core.mirror import MirrorAction, MirrorFilterRule
from portlight.core.security_group import Direction, EtherType
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import MirrorFilterId, MirrorFilterRuleId

MAX_BATCH = 100
_PLURAL = "traffic_mirror_filter_rules"
_BLOCK = nullable(cidr_block)
_PORTS = nullable(port_range)

_MATCH: Attributes = {
    "direction": at_creation("direction", one_of(Direction), required=True),
    "protocol": Attribute(parse=mirror_protocol, draft="protocol", required=True),
    "ethertype": Attribute(parse=one_of(EtherType), draft="ethertype", required=True),
    "action": Attribute(parse=one_of(MirrorAction), draft="action", required=True),
    "priority": Attribute(parse=RULE_PRIORITY, draft="priority", required=True),
    "source_cidr_block": settable("source_prefix", _BLOCK, answer=or_null(TEXT)),
    "destination_cidr_block": settable("destination_prefix", _BLOCK, answer=or_null(TEXT)),
    "source_port_range": settable("source_ports", _PORTS, answer=or_null(TEXT)),
    "destination_port_range": settable("destination_ports", _PORTS, answer=or_null(TEXT)),
    "description": settable("description", mirror_description),
}
ATTRIBUTES: Attributes = {
    "id": read_only(TEXT),
    "project_id": read_only(TEXT),
    "traffic_mirror_filter_id": at_creation("mirror_filter_id", identifier, required=True),
    **_MATCH,
    "created_at": read_only(MOMENT),
    "updated_at": read_only(MOMENT),
}


def render_rule(rule: MirrorFilterRule) -> Json:
    """Render a rule; what it does not ask about is null."""
    return {
        "id": rule.id,
        "project_id": rule.meta.project_id,
        "traffic_mirror_filter_id": rule.mirror_filter_id,
        "direction": rule.direction,
        "protocol": spell_protocol(rule.protocol),
        "ethertype": rule.ethertype,
        "action": rule.action,
        "priority": rule.priority,
        "source_cidr_block": spell_prefix(rule.source_prefix),
        "destination_cidr_block": spell_prefix(rule.destination_prefix),
        "source_port_range": spell_ports(rule.source_ports),
        "destination_port_range": spell_ports(rule.destination_ports),
        "description": rule.meta.description,
        "created_at": timestamp(rule.meta.created_at),
        "updated_at": timestamp(rule.meta.updated_at),
    }


def _render(_cloud: Cloud, _caller: Caller, rules: Sequence[MirrorFilterRule]) -> list[Json]:
    return [render_rule(rule) for rule in rules]


def _filters_of(
    draft: MirrorFilterRuleDraft | MirrorFilterRuleChange,
) -> tuple[MirrorFilterId, ...]:
    return (draft.mirror_filter_id,) if isinstance(draft, MirrorFilterRuleDraft) else ()


_LISTING: Listing[MirrorFilterRule] = Listing(
    filters={
        "id": Filter(parse=text(), of=lambda rule: rule.id, key="id"),
        "description": Filter(parse=text(), of=lambda rule: rule.meta.description),
        "traffic_mirror_filter_id": Filter(
            parse=text(), of=lambda rule: rule.mirror_filter_id, key="mirror_filter_id"
        ),
        "direction": Filter(parse=one_of(Direction), of=lambda rule: rule.direction),
        "protocol": Filter(parse=mirror_protocol, of=lambda rule: rule.protocol),
        "action": Filter(parse=one_of(MirrorAction), of=lambda rule: rule.action),
        "priority": Filter(parse=RULE_PRIORITY, of=lambda rule: rule.priority),
        "source_cidr_block": Filter(parse=cidr_block, of=lambda rule: rule.source_prefix),
        "destination_cidr_block": Filter(parse=cidr_block, of=lambda rule: rule.destination_prefix),
        "source_port_range": Filter(parse=port_range, of=lambda rule: rule.source_ports),
        "destination_port_range": Filter(parse=port_range, of=lambda rule: rule.destination_ports),
    }
)

RULES: VpcResource[
    MirrorFilterRule, MirrorFilterRuleId, MirrorFilterRuleDraft, MirrorFilterRuleChange
] = VpcResource(
    name="traffic_mirror_filter_rule",
    plural=_PLURAL,
    attributes=ATTRIBUTES,
    identifier=MirrorFilterRuleId,
    draft=MirrorFilterRuleDraft,
    change=MirrorFilterRuleChange,
    use=lambda cloud: cloud.mirror_filter_rules,
    render=_render,
    listing=_LISTING,
    filters_of=_filters_of,
)
RULE_SHOWN = RULES.schema


def batch_routes(face: Face) -> list[Route]:
    """Return the route that makes several rules of one filter."""
    path = f"{BASE}/traffic-mirror-filters/{{id}}/traffic-mirror-filter-rules/batch-create"
    return [route(face, path, POST=_create_batch)]


@operation(
    body=shape(
        {
            _PLURAL: {
                **array(create_schema("traffic_mirror_filter_rule_in_batch", _MATCH)),
                "minItems": 1,
                "maxItems": MAX_BATCH,
            }
        }
    ),
    status=HTTPStatus.CREATED,
    answer=answer_schema(**{_PLURAL: array(RULE_SHOWN)}),
)
def _create_batch(call: Call) -> Reply:
    """Create several rules of one filter: all or none."""
    documents = call.document()
    listed = documents.get(_PLURAL)
    if not isinstance(listed, list) or len(documents) != 1 or not 0 < len(listed) <= MAX_BATCH:
        raise BadRequestError(f"'{_PLURAL}' must be a list of 1 to {MAX_BATCH} objects.")
    filter_id = MirrorFilterId(call.path["id"])
    drafts = [
        MirrorFilterRuleDraft(
            mirror_filter_id=filter_id,
            **parse_create(_MATCH, envelope({"rule": one}, "rule")),  # type: ignore[arg-type]  # the parsers give the types
        )
        for one in listed
    ]
    check_own_filters(call, [filter_id])
    made = call.cloud.mirror_filter_rules.create_many(call.caller, drafts)
    return Reply(status=HTTPStatus.CREATED, document={_PLURAL: [render_rule(one) for one in made]})
