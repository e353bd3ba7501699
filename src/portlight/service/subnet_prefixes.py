"""Where the prefix of a new subnet comes from: said by the caller, or taken from a pool."""

from collections.abc import Sequence
from dataclasses import replace

from portlight.core.changes import given
from portlight.core.drafts import SubnetDraft, Unset
from portlight.core.errors import InvalidRequestError
from portlight.core.network import Subnet
from portlight.core.subnet_pool import SubnetPool
from portlight.core.subnet_pools import check_affinity, check_length
from portlight.service import subnet_pools
from portlight.service.work import Work, load
from portlight.values.addresses import IpPrefix, parse_prefix
from portlight.values.ids import ProjectId


def with_prefix(
    work: Work, draft: SubnetDraft, project_id: ProjectId, siblings: Sequence[Subnet]
) -> SubnetDraft:
    """Return the draft with its cidr, which is taken from the pool that it names, if any."""
    _check_words(draft)
    pool = _pool(work, draft)
    if pool is None:
        _check_beside(work, None, _cidr(draft).version, siblings)
        return draft
    _check_family(draft, pool)
    _check_beside(work, pool, pool.ip_version, siblings)
    wanted = _wanted(draft, pool)
    check_length(pool, wanted if isinstance(wanted, int) else wanted.prefixlen)
    cidr = subnet_pools.take(work, pool, project_id, wanted)
    return replace(draft, cidr=cidr, subnetpool_id=pool.id)


def _check_words(draft: SubnetDraft) -> None:
    has_cidr = not isinstance(draft.cidr, Unset)
    if has_cidr and not isinstance(draft.prefixlen, Unset):
        raise InvalidRequestError("prefixlen", "cidr and prefixlen must not be supplied together")
    named = given(draft.subnetpool_id, None) is not None
    if named and given(draft.use_default_subnetpool, default=False):
        raise InvalidRequestError(
            "subnetpool_id", "subnetpool_id and use_default_subnetpool cannot both be specified"
        )
    pooled = named or given(draft.use_default_subnetpool, default=False)
    if not pooled and not has_cidr:
        raise InvalidRequestError("cidr", "a subnetpool must be specified in the absence of a cidr")
    if pooled and not has_cidr and given(draft.allocation_pools, ()):
        raise InvalidRequestError(
            "allocation_pools", "allocation_pools allowed only for specific subnet requests"
        )


def _pool(work: Work, draft: SubnetDraft) -> SubnetPool | None:
    pool_id = given(draft.subnetpool_id, None)
    if pool_id is not None:
        return load(work, SubnetPool, pool_id)
    if not given(draft.use_default_subnetpool, default=False):
        return None
    if not isinstance(draft.cidr, Unset):
        return subnet_pools.default_pool(work, draft.cidr.version)
    if isinstance(draft.ip_version, Unset):
        raise InvalidRequestError(
            "ip_version", "ip_version must be specified in the absence of cidr and subnetpool_id"
        )
    return subnet_pools.default_pool(work, draft.ip_version)


def _wanted(draft: SubnetDraft, pool: SubnetPool) -> int | IpPrefix:
    """Return the length of the prefix, or the prefix itself when cidr or gateway decide it."""
    if not isinstance(draft.cidr, Unset):
        return draft.cidr
    length = given(draft.prefixlen, pool.default_prefixlen)
    gateway = given(draft.gateway_ip, None)
    if gateway is None:
        return length
    check_length(pool, length)
    return parse_prefix(f"{gateway}/{length}", strict=False)


def _check_family(draft: SubnetDraft, pool: SubnetPool) -> None:
    version = given(draft.ip_version, pool.ip_version)
    if not isinstance(draft.cidr, Unset):
        version = draft.cidr.version
    gateway = given(draft.gateway_ip, None)
    if gateway is not None and gateway.version != pool.ip_version:
        version = gateway.version
    if version != pool.ip_version:
        raise InvalidRequestError(
            "subnetpool_id",
            f"Cannot allocate IPv{version} subnet from IPv{pool.ip_version} subnet pool",
        )


def _check_beside(
    work: Work, pool: SubnetPool | None, version: int, siblings: Sequence[Subnet]
) -> None:
    same = [subnet for subnet in siblings if subnet.cidr.version == version]
    named = sorted({subnet.subnetpool_id for subnet in same if subnet.subnetpool_id is not None})
    pools = work.tx.find(SubnetPool, {"id": named}) if named else []
    check_affinity(pool, same, pools)


def _cidr(draft: SubnetDraft) -> IpPrefix:
    if isinstance(draft.cidr, Unset):
        raise InvalidRequestError("cidr", "it is required")
    return draft.cidr
