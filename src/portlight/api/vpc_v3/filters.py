"""Mirror filters on this face, with their rules in them."""

from collections.abc import Sequence

from portlight.api.attributes import Attribute, Attributes, read_only
from portlight.api.mirror_values import mirror_description, mirror_name
from portlight.api.schema import MOMENT, TEXT, array
from portlight.api.standard import grouped, related
from portlight.api.vpc_v3.listing import Filter, Listing
from portlight.api.vpc_v3.resource import VpcResource
from portlight.api.vpc_v3.rules import RULE_SHOWN, render_rule
from portlight.api.wire import Json, only, text, timestamp
from portlight.core.drafts_mirror import MirrorFilterDraft
from portlight.core.mirror import MirrorFilter, MirrorFilterRule
from portlight.core.security_group import Direction
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import MirrorFilterId

KIND_OF_SOURCE = "eni"
ONLY_INTERFACES = Attribute(parse=only(KIND_OF_SOURCE, "sources are network interfaces"))
"""Accepted wherever it comes, and always the same."""

_ATTRIBUTES: Attributes = {
    "id": read_only(TEXT),
    "project_id": read_only(TEXT),
    "name": Attribute(parse=mirror_name, draft="name", required=True),
    "description": Attribute(parse=mirror_description, draft="description"),
    "type": ONLY_INTERFACES,
    "ingress_rules": read_only(array(RULE_SHOWN)),
    "egress_rules": read_only(array(RULE_SHOWN)),
    "created_at": read_only(MOMENT),
    "updated_at": read_only(MOMENT),
}


def _render(cloud: Cloud, caller: Caller, filters: Sequence[MirrorFilter]) -> list[Json]:
    ids = [one.id for one in filters]
    rules = related(cloud.mirror_filter_rules, caller, "mirror_filter_id", ids)
    of_filter = grouped(rules, lambda rule: rule.mirror_filter_id)
    return [_render_one(one, of_filter.get(one.id, [])) for one in filters]


def _render_one(one: MirrorFilter, rules: Sequence[MirrorFilterRule]) -> Json:
    ordered = sorted(rules, key=lambda rule: rule.priority)
    return {
        "id": one.id,
        "project_id": one.meta.project_id,
        "name": one.meta.name,
        "description": one.meta.description,
        "type": KIND_OF_SOURCE,
        **{
            f"{direction}_rules": [
                render_rule(rule) for rule in ordered if rule.direction is direction
            ]
            for direction in Direction
        },
        "created_at": timestamp(one.meta.created_at),
        "updated_at": timestamp(one.meta.updated_at),
    }


FILTERS: VpcResource[MirrorFilter, MirrorFilterId, MirrorFilterDraft, MirrorFilterDraft] = (
    VpcResource(
        name="traffic_mirror_filter",
        plural="traffic_mirror_filters",
        attributes=_ATTRIBUTES,
        identifier=MirrorFilterId,
        draft=MirrorFilterDraft,
        change=MirrorFilterDraft,
        use=lambda cloud: cloud.mirror_filters,
        render=_render,
        listing=Listing(
            filters={
                "id": Filter(parse=text(), of=lambda one: one.id, key="id"),
                "name": Filter(parse=text(), of=lambda one: one.meta.name, key="name"),
                "description": Filter(parse=text(), of=lambda one: one.meta.description),
            },
            orders={
                "created_at": lambda one: one.meta.created_at,
                "updated_at": lambda one: one.meta.updated_at,
            },
        ),
    )
)
