"""VPCs on the wire. External networks are listed beside them when they are asked for."""

from collections.abc import Sequence

from portlight.api.attributes import Attribute, Attributes, read_only
from portlight.api.nhn.route_tables import ROUTE_TABLES
from portlight.api.nhn.subnets import SUBNETS
from portlight.api.nhn.values import AVAILABLE, COMMON, SHARED, named_at_creation, render_common
from portlight.api.parser import Parser
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, Schema, array
from portlight.api.standard import grouped, related
from portlight.api.wire import Json, boolean, identifier, network_prefix
from portlight.core.drafts_vpc import VpcDraft
from portlight.core.network import Network
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.vpcs import IS_EXTERNAL, AnyVpc
from portlight.values.addresses import IpPrefix
from portlight.values.ids import RouterId

_OBJECTS: Schema = array({"type": "object"})


def _one_block(field: str, raw: object) -> tuple[IpPrefix, ...]:
    return (network_prefix(field, raw),)


_BLOCK = Parser(_one_block, network_prefix.schema, TEXT)

_ATTRIBUTES: Attributes = {
    **COMMON,
    "cidrv4": named_at_creation("cidrs", _BLOCK),
    "external_network_id": Attribute(
        parse=identifier, draft="external_network_id", on_update=False, is_rendered=False
    ),
    "state": read_only(TEXT),
    **SHARED,
    "subnets": read_only(_OBJECTS),
    "routingtables": read_only(_OBJECTS),
}


def _render(_cloud: Cloud, _caller: Caller, vpcs: Sequence[AnyVpc]) -> list[Json]:
    return [
        {
            **render_common(vpc.id, vpc.meta),
            "cidrv4": "" if isinstance(vpc, Network) else str(vpc.cidrs[0]),
            "state": AVAILABLE,
            "shared": isinstance(vpc, Network),
            "router:external": isinstance(vpc, Network),
        }
        for vpc in vpcs
    ]


def _expand(
    cloud: Cloud, caller: Caller, vpcs: Sequence[AnyVpc], rendered: list[Json]
) -> list[Json]:
    ids = [vpc.id for vpc in vpcs if not isinstance(vpc, Network)]
    subnets = SUBNETS.render(cloud, caller, related(cloud.vpc_subnets, caller, "router_id", ids))
    inside = grouped(subnets, lambda subnet: str(subnet["vpc_id"]))
    tables = ROUTE_TABLES.render(
        cloud, caller, related(cloud.route_tables, caller, "router_id", ids)
    )
    own = grouped(tables, lambda table: str(table["vpc_id"]))
    return [
        {
            **document,
            "subnets": inside.get(str(document["id"]), []),
            "routingtables": own.get(str(document["id"]), []),
        }
        for document in rendered
    ]


def _external(values: Sequence[str]) -> dict[str, list[str]]:
    return {IS_EXTERNAL: [str(boolean("router:external", value)).lower() for value in values]}


VPCS: Resource[AnyVpc, RouterId, VpcDraft, VpcDraft] = Resource(
    name="vpc",
    plural="vpcs",
    attributes=_ATTRIBUTES,
    identifier=RouterId,
    draft=VpcDraft,
    change=VpcDraft,
    use=lambda cloud: cloud.vpcs,
    render=_render,
    expand=_expand,
    narrow={"router:external": _external},
)
