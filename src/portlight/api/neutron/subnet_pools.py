"""Subnet pools on the wire."""

from collections.abc import Sequence

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
from portlight.api.operation import operation
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, WHOLE, array, or_null, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.standard import render_standard
from portlight.api.wire import (
    Json,
    boolean,
    identifier,
    integer,
    list_of,
    nullable,
    prefix,
    text,
)
from portlight.core.drafts_addressing import SubnetPoolDraft
from portlight.core.subnet_pool import SubnetPool
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.addresses import IpPrefix
from portlight.values.ids import NetworkId, SubnetPoolId

_MAX_QUOTA = (1 << 31) - 1
_PREFIXES = list_of(prefix)
_PREFIXES_ARRAY = array(prefix.schema)
_LENGTH = integer(0, 128)
_CHANGE = shape({"prefixes": {**_PREFIXES_ARRAY, "minItems": 1}})
_HELD = shape({"prefixes": array(TEXT)})

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "name": Attribute(parse=text(least=1), draft="name", required=True),
    "prefixes": Attribute(parse=_PREFIXES, draft="prefixes", required=True),
    "ip_version": read_only(WHOLE),
    "min_prefixlen": settable("min_prefixlen", _LENGTH, answer=TEXT),
    "max_prefixlen": settable("max_prefixlen", _LENGTH, answer=TEXT),
    "default_prefixlen": settable("default_prefixlen", _LENGTH, answer=TEXT),
    "default_quota": settable("default_quota", integer(0, _MAX_QUOTA), answer=or_null(WHOLE)),
    "is_default": settable("is_default", boolean),
    "shared": at_creation("shared", boolean),
    "address_scope_id": settable("address_scope_id", nullable(identifier)),
}


def pool_actions(face: Face, base: str) -> list[Route]:
    """Return the routes that change what a pool holds."""
    path = f"{base}/subnetpools/{{id}}"
    return [
        route(face, f"{path}/add_prefixes", PUT=_add_prefixes),
        route(face, f"{path}/remove_prefixes", PUT=_remove_prefixes),
        route(face, f"{path}/onboard_network_subnets", PUT=_onboard),
    ]


@operation(body=_CHANGE, answer=_HELD)
def _add_prefixes(call: Call) -> Reply:
    """Let a pool have more prefixes."""
    pool = call.cloud.subnet_pools.add_prefixes(call.caller, _pool_id(call), _prefixes_in(call))
    return Reply(document={"prefixes": [str(one) for one in pool.prefixes]})


@operation(body=_CHANGE, answer=_HELD)
def _remove_prefixes(call: Call) -> Reply:
    """Take prefixes from a pool."""
    pool = call.cloud.subnet_pools.remove_prefixes(call.caller, _pool_id(call), _prefixes_in(call))
    return Reply(document={"prefixes": [str(one) for one in pool.prefixes]})


@operation(
    body=shape({"network_id": identifier.schema}),
    answer=array(shape({"id": TEXT, "cidr": TEXT})),
)
def _onboard(call: Call) -> Reply:
    """Let a pool have the subnets of a network."""
    document = call.document()
    if document.keys() != {"network_id"}:
        raise BadRequestError("network_id must be specified, and nothing else.")
    network_id = NetworkId(identifier("network_id", document["network_id"]))
    subnets = call.cloud.subnet_pools.onboard(call.caller, _pool_id(call), network_id)
    return Reply(document=[{"id": subnet.id, "cidr": str(subnet.cidr)} for subnet in subnets])


def _pool_id(call: Call) -> SubnetPoolId:
    return SubnetPoolId(call.path["id"])


def _prefixes_in(call: Call) -> Sequence[IpPrefix]:
    document = call.document()
    if document.keys() != {"prefixes"} or not document["prefixes"]:
        raise BadRequestError("Request body contains invalid data: 'prefixes' must be a list.")
    return _PREFIXES("prefixes", document["prefixes"])


def _render(cloud: Cloud, caller: Caller, pools: Sequence[SubnetPool]) -> list[Json]:
    shared = cloud.shared_with(caller, SubnetPool)
    return [_render_one(pool, shared=pool.id in shared) for pool in pools]


def _render_one(pool: SubnetPool, *, shared: bool) -> Json:
    return {
        **render_standard(pool.id, pool.meta),
        "prefixes": [str(one) for one in pool.prefixes],
        "ip_version": pool.ip_version,
        # Neutron writes these three as text.
        "min_prefixlen": str(pool.min_prefixlen),
        "max_prefixlen": str(pool.max_prefixlen),
        "default_prefixlen": str(pool.default_prefixlen),
        "default_quota": pool.default_quota,
        "is_default": pool.is_default,
        "shared": shared,
        "address_scope_id": pool.address_scope_id,
    }


SUBNET_POOLS: Resource[SubnetPool, SubnetPoolId, SubnetPoolDraft, SubnetPoolDraft] = Resource(
    name="subnetpool",
    plural="subnetpools",
    attributes=_ATTRIBUTES,
    identifier=SubnetPoolId,
    draft=SubnetPoolDraft,
    change=SubnetPoolDraft,
    use=lambda cloud: cloud.subnet_pools,
    render=_render,
    where={"address_scope_id": "address_scope_id"},
)
