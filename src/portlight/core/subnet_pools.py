"""What a valid subnet pool or address scope is, and how drafts make and change one. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from portlight.core.changes import Birth, first_meta, given, next_meta, required
from portlight.core.drafts import UNSET
from portlight.core.drafts_addressing import AddressScopeDraft, SubnetPoolDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_subnet_pool import (
    AddressScopeAffinityError,
    AddressScopeFamilyError,
    AddressScopePrefixConflictError,
    EmptySubnetPoolError,
    PrefixBoundsError,
    PrefixQuotaExceededError,
    PrefixTooLongError,
    PrefixTooShortError,
    PrefixUpdateError,
    PrefixVersionMismatchError,
    SubnetPoolAffinityError,
)
from portlight.core.network import Subnet
from portlight.core.prefixes import common, compact, difference
from portlight.core.subnet_pool import AddressScope, PrefixUse, SubnetPool
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressScopeId, SubnetPoolId

MAX_PREFIXES = 1_000
_LONGEST = {4: 32, 6: 128}
_DEFAULT_SHORTEST = {4: 8, 6: 64}
_QUOTA_LENGTH = {4: 32, 6: 64}
"""The prefix length that counts as one in a quota."""


def build_scope(draft: AddressScopeDraft, birth: Birth) -> AddressScope:
    """Return the new address scope."""
    version = required(draft.ip_version, "ip_version")
    if version not in _LONGEST:
        raise InvalidRequestError("ip_version", f"{version} is neither 4 nor 6")
    return AddressScope(
        id=AddressScopeId(birth.id),
        meta=first_meta(draft, birth),
        ip_version=version,
    )


def change_scope(scope: AddressScope, draft: AddressScopeDraft, *, now: float) -> AddressScope:
    """Return the address scope after the change."""
    if draft.ip_version not in (UNSET, scope.ip_version):
        raise InvalidRequestError("ip_version", "it cannot be changed")
    return replace(scope, meta=next_meta(scope.meta, draft, now))


def build_pool(draft: SubnetPoolDraft, birth: Birth) -> SubnetPool:
    """Return the new subnet pool; raise a domain error when the draft breaks a rule."""
    prefixes = required(draft.prefixes, "prefixes")
    if not prefixes:
        raise EmptySubnetPoolError
    version = prefixes[0].version
    shortest = given(draft.min_prefixlen, _DEFAULT_SHORTEST[version])
    pool = SubnetPool(
        id=SubnetPoolId(birth.id),
        meta=first_meta(draft, birth),
        ip_version=version,
        prefixes=_checked(prefixes, version),
        min_prefixlen=shortest,
        max_prefixlen=given(draft.max_prefixlen, _LONGEST[version]),
        default_prefixlen=given(draft.default_prefixlen, shortest),
        default_quota=given(draft.default_quota, None),
        is_default=given(draft.is_default, default=False),
        address_scope_id=given(draft.address_scope_id, None),
    )
    _check_bounds(pool)
    return pool


def change_pool(pool: SubnetPool, draft: SubnetPoolDraft, *, now: float) -> SubnetPool:
    """Return the subnet pool after the change; its prefixes can only grow."""
    prefixes = pool.prefixes
    if draft.prefixes is not UNSET:
        prefixes = _checked(draft.prefixes, pool.ip_version)
        if difference(pool.prefixes, prefixes):
            raise PrefixUpdateError("Existing prefixes must be a subset of the new prefixes")
    changed = replace(
        pool,
        meta=next_meta(pool.meta, draft, now),
        prefixes=prefixes,
        min_prefixlen=given(draft.min_prefixlen, pool.min_prefixlen),
        max_prefixlen=given(draft.max_prefixlen, pool.max_prefixlen),
        default_prefixlen=given(draft.default_prefixlen, pool.default_prefixlen),
        default_quota=given(draft.default_quota, pool.default_quota),
        is_default=given(draft.is_default, pool.is_default),
        address_scope_id=given(draft.address_scope_id, pool.address_scope_id),
    )
    _check_bounds(changed)
    return changed


def with_prefixes(pool: SubnetPool, prefixes: Iterable[IpPrefix], *, now: float) -> SubnetPool:
    """Return the pool with exactly these prefixes; none is allowed."""
    checked = _checked(tuple(prefixes), pool.ip_version)
    return replace(pool, meta=next_meta(pool.meta, None, now), prefixes=checked)


def with_pool(subnet: Subnet, pool_id: SubnetPoolId, *, now: float) -> Subnet:
    """Return the subnet as one of the pool's."""
    return replace(subnet, meta=next_meta(subnet.meta, None, now), subnetpool_id=pool_id)


def check_scope(pool: SubnetPool, scope: AddressScope, others: Sequence[SubnetPool]) -> None:
    """Raise a domain error when the pool does not fit the scope beside its other pools."""
    if pool.ip_version != scope.ip_version:
        raise AddressScopeFamilyError(scope.id, scope.ip_version)
    for other in others:
        if other.id != pool.id and common(other.prefixes, pool.prefixes):
            raise AddressScopePrefixConflictError(scope.id, other.id)


def check_length(pool: SubnetPool, length: int) -> None:
    """Raise a domain error when the pool gives no subnets of this prefix length."""
    if length > pool.max_prefixlen:
        raise PrefixTooLongError(length, pool.max_prefixlen)
    if length < pool.min_prefixlen:
        raise PrefixTooShortError(length, pool.min_prefixlen)


def check_affinity(
    pool: SubnetPool | None, siblings: Sequence[Subnet], pools: Sequence[SubnetPool]
) -> None:
    """Raise when a subnet from `pool` may not stand beside others of its family on a network.

    `pools` are the pools of the siblings.
    """
    scopes = {one.address_scope_id for one in pools} - {None}
    if scopes:
        if pool is None or pool.address_scope_id not in scopes:
            raise AddressScopeAffinityError
        return
    wanted = None if pool is None else pool.id
    if any(subnet.subnetpool_id != wanted for subnet in siblings):
        raise SubnetPoolAffinityError


def use_after(use: PrefixUse, length: int, by: int) -> PrefixUse:
    """Return what the project has when it takes (1) or gives back (-1) a prefix of this length."""
    count = use.subnets.get(length, 0) + by
    others = {known: number for known, number in use.subnets.items() if known != length}
    return replace(use, subnets=others | ({length: count} if count else {}))


def check_use(pool: SubnetPool, use: PrefixUse) -> None:
    """Raise PrefixQuotaExceededError when the project has more than the pool's quota."""
    if not pool.default_quota:
        return
    unit = _QUOTA_LENGTH[pool.ip_version]
    used = sum(Fraction(2) ** (unit - length) * count for length, count in use.subnets.items())
    if used > pool.default_quota:
        raise PrefixQuotaExceededError(pool.id, pool.default_quota)


def _checked(prefixes: Sequence[IpPrefix], version: int) -> tuple[IpPrefix, ...]:
    if any(prefix.version != version for prefix in prefixes):
        raise PrefixVersionMismatchError
    if len(prefixes) > MAX_PREFIXES:
        raise InvalidRequestError("prefixes", f"more than {MAX_PREFIXES} of them")
    return compact(prefixes)


def _check_bounds(pool: SubnetPool) -> None:
    shortest, usual, longest = pool.min_prefixlen, pool.default_prefixlen, pool.max_prefixlen
    checks = (
        ("min_prefixlen", shortest, "max_prefixlen", longest, shortest <= longest),
        (
            "max_prefixlen",
            longest,
            "ip_version_max",
            _LONGEST[pool.ip_version],
            longest <= _LONGEST[pool.ip_version],
        ),
        ("default_prefixlen", usual, "min_prefixlen", shortest, shortest <= usual),
        ("default_prefixlen", usual, "max_prefixlen", longest, usual <= longest),
    )
    for field, length, bound, bound_length, holds in checks:
        if not holds:
            raise PrefixBoundsError(field, length, bound, bound_length)
