"""Use cases of subnet pools: what they hold, and what subnets and projects take from them."""

from collections.abc import Sequence

from portlight.core.changes import given
from portlight.core.drafts import UNSET
from portlight.core.drafts_addressing import SubnetPoolDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_subnet_pool import (
    AddressScopeAffinityError,
    NoFreePrefixError,
    PrefixUpdateError,
    SubnetPoolInUseError,
    SubnetPoolUpdateError,
)
from portlight.core.network import Network, Subnet
from portlight.core.prefixes import common, difference
from portlight.core.subnet_pool import AddressScope, PrefixUse, SubnetPool
from portlight.core.subnet_pools import (
    build_pool,
    change_pool,
    check_scope,
    check_use,
    use_after,
    with_pool,
    with_prefixes,
)
from portlight.service import prefixes, rbac
from portlight.service.policy import check_action, check_owner
from portlight.service.work import (
    Work,
    blocker_of,
    check_revision,
    is_set,
    load,
    load_own,
    owner_of,
)
from portlight.values.addresses import IpPrefix
from portlight.values.ids import NetworkId, ProjectId, SubnetPoolId


def create(work: Work, draft: SubnetPoolDraft) -> SubnetPool:
    """Make a subnet pool."""
    check_action(work.caller, "create_subnetpool")
    _check_fields(work, draft)
    pool = build_pool(draft, work.birth(owner_of(work.caller, draft.project_id)))
    _check_only_default(work, pool)
    _check_scope(work, pool)
    work.tx.insert(pool)
    prefixes.open_pool(work.tx, pool)
    rbac.set_public(work, pool, public=given(draft.shared, default=False))
    return pool


def update(
    work: Work, pool_id: SubnetPoolId, draft: SubnetPoolDraft, if_revision: int | None
) -> SubnetPool:
    """Change a subnet pool; its prefixes can only grow."""
    pool = load_own(work, SubnetPool, pool_id, "update_subnetpool")
    check_revision(pool, pool_id, if_revision)
    _check_fields(work, draft)
    if draft.shared not in (UNSET, rbac.is_public(work, pool)):
        raise InvalidRequestError("shared", "it cannot be changed")
    _check_scope_owner(work, pool)
    changed = change_pool(pool, draft, now=work.now)
    return _save(work, pool, changed)


def delete(work: Work, pool_id: SubnetPoolId) -> None:
    """Remove a subnet pool; raise SubnetPoolInUseError when it has subnets."""
    pool = load_own(work, SubnetPool, pool_id, "delete_subnetpool")
    users = [blocker_of(subnet) for subnet in work.tx.find(Subnet, {"subnetpool_id": [pool_id]})]
    if users:
        raise SubnetPoolInUseError(pool_id, users)
    prefixes.close_pool(work.tx, pool)
    rbac.discard(work, pool)
    work.tx.delete(pool)


def add_prefixes(work: Work, pool_id: SubnetPoolId, added: Sequence[IpPrefix]) -> SubnetPool:
    """Let the pool have more prefixes."""
    pool = load_own(work, SubnetPool, pool_id, "update_subnetpool")
    _check_scope_owner(work, pool)
    return _save(work, pool, with_prefixes(pool, (*pool.prefixes, *added), now=work.now))


def remove_prefixes(work: Work, pool_id: SubnetPoolId, gone: Sequence[IpPrefix]) -> SubnetPool:
    """Take prefixes from the pool; raise PrefixUpdateError when a subnet has some of them."""
    pool = load_own(work, SubnetPool, pool_id, "update_subnetpool")
    _check_scope_owner(work, pool)
    leaving = common(pool.prefixes, [one for one in gone if one.version == pool.ip_version])
    for part in leaving:
        try:
            prefixes.take_exact(work.tx, pool, part)
        except NoFreePrefixError as error:
            raise PrefixUpdateError(
                "One or more of the prefixes to be removed is in use by a subnet"
            ) from error
    changed = with_prefixes(pool, difference(pool.prefixes, leaving), now=work.now)
    work.tx.update(pool, changed)
    return changed


def onboard(work: Work, pool_id: SubnetPoolId, network_id: NetworkId) -> list[Subnet]:
    """Let the pool have the subnets that a network has of its family; return them."""
    pool = load_own(work, SubnetPool, pool_id, "update_subnetpool")
    network = load(work, Network, network_id)
    check_owner(work.caller, "update_network", network.meta.project_id)
    subnets = [
        subnet
        for subnet in work.tx.find(Subnet, {"network_id": [network_id]})
        if subnet.cidr.version == pool.ip_version
    ]
    added = [subnet.cidr for subnet in subnets]
    pool = add_prefixes(work, pool_id, added)
    return [_onboard(work, pool, subnet) for subnet in subnets]


def take(work: Work, pool: SubnetPool, project_id: ProjectId, wanted: int | IpPrefix) -> IpPrefix:
    """Take a prefix for a subnet of the project: of this length, or this very one."""
    taken = wanted
    if isinstance(taken, int):
        taken = prefixes.take_any(work.tx, pool, taken)
    else:
        prefixes.take_exact(work.tx, pool, taken)
    check_use(pool, _note_use(work, pool.id, project_id, taken.prefixlen, 1))
    return taken


def give_back(work: Work, subnet: Subnet) -> None:
    """Return the prefix of a subnet that goes to the pool that it is from."""
    if subnet.subnetpool_id is not None:
        prefixes.give(work.tx, subnet.subnetpool_id, subnet.cidr)
        _note_use(work, subnet.subnetpool_id, subnet.meta.project_id, subnet.cidr.prefixlen, -1)


def default_pool(work: Work, version: int) -> SubnetPool:
    """Return the default pool of a family; raise InvalidRequestError when there is none."""
    found = work.tx.find(SubnetPool, {"default_of": [str(version)]})
    if not found:
        raise InvalidRequestError(
            "use_default_subnetpool", f"No default subnetpool found for IPv{version}"
        )
    return load(work, SubnetPool, found[0].id)


def _onboard(work: Work, pool: SubnetPool, subnet: Subnet) -> Subnet:
    if subnet.subnetpool_id is not None:
        raise SubnetPoolUpdateError(
            "network_id", f"subnet {subnet.id} is of subnet pool {subnet.subnetpool_id} already"
        )
    try:
        take(work, pool, subnet.meta.project_id, subnet.cidr)
    except NoFreePrefixError as error:
        raise SubnetPoolUpdateError(
            "network_id",
            f"Onboarding subnet {subnet.id}: {subnet.cidr} conflicts with allocated prefixes in "
            f"subnet pool {pool.id}",
        ) from error
    changed = with_pool(subnet, pool.id, now=work.now)
    work.tx.update(subnet, changed)
    return changed


def _save(work: Work, pool: SubnetPool, changed: SubnetPool) -> SubnetPool:
    """Keep a pool that has at least the prefixes that it had."""
    if changed.is_default and not pool.is_default:
        _check_only_default(work, changed)
    if changed.address_scope_id != pool.address_scope_id:
        _check_affinity(work, changed)
    if (changed.address_scope_id, changed.prefixes) != (pool.address_scope_id, pool.prefixes):
        _check_scope(work, changed)
    for part in difference(changed.prefixes, pool.prefixes):
        prefixes.give(work.tx, pool.id, part)
    work.tx.update(pool, changed)
    return changed


def _note_use(
    work: Work, pool_id: SubnetPoolId, project_id: ProjectId, length: int, by: int
) -> PrefixUse:
    known = work.tx.get(PrefixUse, f"{pool_id}:{project_id}")
    before = known or PrefixUse(pool_id=pool_id, project_id=project_id)
    after = use_after(before, length, by)
    if known is None:
        work.tx.insert(after)
    elif after.subnets:
        work.tx.update(known, after)
    else:
        work.tx.delete(known)
    return after


def _check_fields(work: Work, draft: SubnetPoolDraft) -> None:
    if is_set(draft.shared) and draft.shared:
        check_action(work.caller, "subnetpool:shared")
    if draft.is_default not in (UNSET, False):
        check_action(work.caller, "subnetpool:is_default")


def _check_only_default(work: Work, pool: SubnetPool) -> None:
    if pool.is_default and work.tx.count(SubnetPool, {"default_of": [str(pool.ip_version)]}):
        raise InvalidRequestError(
            "is_default",
            "A default subnetpool for this IP family has already been set. Only one default may "
            "exist per IP family",
        )


def _check_scope(work: Work, pool: SubnetPool) -> None:
    if pool.address_scope_id is not None:
        scope = load(work, AddressScope, pool.address_scope_id)
        others = work.tx.find(SubnetPool, {"address_scope_id": [scope.id]})
        check_scope(pool, scope, others)


def _check_scope_owner(work: Work, pool: SubnetPool) -> None:
    """Raise when the pool is of a scope that is only lent to the caller."""
    if pool.address_scope_id is None or work.caller.is_admin:
        return
    scope = work.tx.get(AddressScope, pool.address_scope_id)
    if scope is not None and scope.meta.project_id != work.caller.project_id:
        raise SubnetPoolUpdateError(
            "id",
            f"subnetpool {pool.id} cannot be updated when associated with shared address scope "
            f"{scope.id}",
        )


def _check_affinity(work: Work, pool: SubnetPool) -> None:
    """Raise when a network of the pool's subnets has others of the family beside them."""
    if pool.address_scope_id is None:
        return
    places = {subnet.network_id for subnet in work.tx.find(Subnet, {"subnetpool_id": [pool.id]})}
    for subnet in work.tx.find(Subnet, {"network_id": sorted(places)}) if places else ():
        if subnet.cidr.version == pool.ip_version and subnet.subnetpool_id != pool.id:
            raise AddressScopeAffinityError
