"""Subnet pools and address scopes: what they give, to whom, and what they refuse."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.clouds import (
    ADMIN,
    MEMBER,
    STRANGER,
    World,
    a_network,
    a_world,
)

from portlight.core.drafts import NetworkDraft, SubnetDraft
from portlight.core.drafts_addressing import AddressScopeDraft, SubnetPoolDraft
from portlight.core.errors import ForbiddenError, InvalidRequestError, NotFoundError
from portlight.core.errors_subnet_pool import (
    AddressScopeAffinityError,
    AddressScopeFamilyError,
    AddressScopeInUseError,
    AddressScopePrefixConflictError,
    AddressScopeUpdateError,
    EmptySubnetPoolError,
    NoFreePrefixError,
    PrefixBoundsError,
    PrefixQuotaExceededError,
    PrefixTooLongError,
    PrefixTooShortError,
    PrefixUpdateError,
    PrefixVersionMismatchError,
    SubnetPoolAffinityError,
    SubnetPoolInUseError,
    SubnetPoolUpdateError,
)
from portlight.core.network import Subnet
from portlight.core.subnet_pool import AddressScope, SubnetPool
from portlight.service.caller import Caller
from portlight.store.sql import open_store, sqlite_url
from portlight.values.addresses import IpPrefix, parse_ip, parse_prefix

ANY = SubnetPoolDraft()


def prefixes(*texts: str) -> tuple[IpPrefix, ...]:
    return tuple(parse_prefix(text) for text in texts)


def a_pool(
    world: World, *texts: str, by: Caller = MEMBER, like: SubnetPoolDraft = ANY
) -> SubnetPool:
    draft = replace(like, name="pool", prefixes=prefixes(*(texts or ("10.0.0.0/16",))))
    return world.cloud.subnet_pools.create(by, draft)


def a_scope(world: World, version: int = 4, *, by: Caller = MEMBER) -> AddressScope:
    return world.cloud.address_scopes.create(by, AddressScopeDraft(ip_version=version))


def pooled(
    world: World, pool: SubnetPool, *, by: Caller = MEMBER, like: SubnetDraft | None = None
) -> Subnet:
    """A subnet from the pool, on a network of its own unless `like` names one."""
    draft = replace(like or SubnetDraft(), subnetpool_id=pool.id)
    if like is None or not isinstance(like.network_id, str):
        draft = replace(draft, network_id=a_network(world, by=by).id)
    return world.cloud.subnets.create(by, draft)


def of_length(length: int) -> SubnetDraft:
    return SubnetDraft(prefixlen=length)


def test_bounds_that_are_not_given_are_those_of_the_family() -> None:
    world = a_world()

    four, six = a_pool(world), a_pool(world, "fd00::/48")

    assert (four.min_prefixlen, four.default_prefixlen, four.max_prefixlen) == (8, 8, 32)
    assert (six.min_prefixlen, six.default_prefixlen, six.max_prefixlen) == (64, 64, 128)


def test_prefixes_that_touch_or_overlap_are_kept_as_one() -> None:
    pool = a_pool(a_world(), "10.0.1.0/24", "10.0.0.0/24", "10.0.0.0/26", "10.9.0.0/16")

    assert pool.prefixes == prefixes("10.0.0.0/23", "10.9.0.0/16")


@pytest.mark.parametrize(
    ("draft", "error"),
    [
        (SubnetPoolDraft(prefixes=()), EmptySubnetPoolError),
        (SubnetPoolDraft(prefixes=prefixes("10.0.0.0/8", "fd00::/48")), PrefixVersionMismatchError),
        (
            SubnetPoolDraft(prefixes=prefixes("10.0.0.0/8"), min_prefixlen=25, max_prefixlen=24),
            PrefixBoundsError,
        ),
        (
            SubnetPoolDraft(prefixes=prefixes("10.0.0.0/8"), max_prefixlen=33),
            PrefixBoundsError,
        ),
        (
            SubnetPoolDraft(prefixes=prefixes("10.0.0.0/8"), default_prefixlen=7),
            PrefixBoundsError,
        ),
        (SubnetPoolDraft(), InvalidRequestError),
    ],
)
def test_a_pool_that_contradicts_itself_is_refused(
    draft: SubnetPoolDraft, error: type[Exception]
) -> None:
    with pytest.raises(error):
        a_world().cloud.subnet_pools.create(MEMBER, draft)


def test_a_subnet_gets_the_next_prefix_and_gives_it_back() -> None:
    world = a_world()
    pool = a_pool(world, like=SubnetPoolDraft(default_prefixlen=24))
    first, second = pooled(world, pool), pooled(world, pool)

    world.cloud.subnets.delete(MEMBER, first.id)

    assert (str(first.cidr), str(second.cidr)) == ("10.0.0.0/24", "10.0.1.0/24")
    assert pooled(world, pool).cidr == first.cidr


def test_a_prefix_goes_back_with_its_network_too() -> None:
    world = a_world()
    pool = a_pool(world, "10.0.0.0/24", like=SubnetPoolDraft(default_prefixlen=24))
    subnet = pooled(world, pool)

    world.cloud.networks.delete(MEMBER, subnet.network_id)

    assert pooled(world, pool).cidr == subnet.cidr


def test_a_failed_creation_takes_nothing() -> None:
    world = a_world()
    pool = a_pool(world, "10.0.0.0/24", like=SubnetPoolDraft(default_prefixlen=24))
    bad = SubnetDraft(host_routes=(), gateway_ip=parse_ip("10.0.0.0"))

    with pytest.raises(InvalidRequestError):
        pooled(world, pool, like=bad)

    assert str(pooled(world, pool).cidr) == "10.0.0.0/24"


@pytest.mark.parametrize(
    ("like", "cidr"),
    [
        (SubnetDraft(prefixlen=28), "10.0.0.0/28"),
        (SubnetDraft(cidr=parse_prefix("10.0.7.0/24")), "10.0.7.0/24"),
        (SubnetDraft(gateway_ip=parse_ip("10.0.9.1"), prefixlen=24), "10.0.9.0/24"),
    ],
)
def test_a_subnet_can_say_which_prefix_it_wants(like: SubnetDraft, cidr: str) -> None:
    world = a_world()

    subnet = pooled(world, a_pool(world), like=like)

    assert str(subnet.cidr) == cidr


@pytest.mark.parametrize(
    ("like", "error"),
    [
        (SubnetDraft(prefixlen=27), PrefixTooLongError),
        (SubnetDraft(prefixlen=17), PrefixTooShortError),
        (SubnetDraft(cidr=parse_prefix("10.1.0.0/24")), NoFreePrefixError),
        (SubnetDraft(cidr=parse_prefix("fd00::/64")), InvalidRequestError),
        (SubnetDraft(cidr=parse_prefix("10.0.0.0/24"), prefixlen=24), InvalidRequestError),
        (SubnetDraft(use_default_subnetpool=True), InvalidRequestError),
        (SubnetDraft(ip_version=6), InvalidRequestError),
    ],
)
def test_what_a_pool_does_not_give_is_refused(like: SubnetDraft, error: type[Exception]) -> None:
    world = a_world()
    pool = a_pool(world, like=SubnetPoolDraft(min_prefixlen=18, max_prefixlen=26))

    with pytest.raises(error):
        pooled(world, pool, like=like)


def test_a_full_pool_says_so() -> None:
    world = a_world()
    pool = a_pool(world, "10.0.0.0/24")
    pooled(world, pool, like=of_length(25))
    pooled(world, pool, like=of_length(26))

    with pytest.raises(NoFreePrefixError, match="/25"):
        pooled(world, pool, like=of_length(25))
    assert str(pooled(world, pool, like=of_length(26)).cidr) == "10.0.0.192/26"


@pytest.mark.extension("default-subnetpools")
def test_the_default_pool_of_the_family_is_used_when_asked_for() -> None:
    world = a_world()
    like = SubnetPoolDraft(is_default=True, shared=True, default_prefixlen=24)
    a_pool(world, by=ADMIN, like=like)
    network = a_network(world)
    wanted = SubnetDraft(network_id=network.id, ip_version=4, use_default_subnetpool=True)

    subnet = world.cloud.subnets.create(MEMBER, wanted)

    assert str(subnet.cidr) == "10.0.0.0/24"
    with pytest.raises(InvalidRequestError, match="already been set"):
        a_pool(world, "10.9.0.0/16", by=ADMIN, like=like)
    with pytest.raises(InvalidRequestError, match="IPv6"):
        world.cloud.subnets.create(MEMBER, replace(wanted, ip_version=6))


def test_without_a_prefix_and_without_a_pool_there_is_no_subnet() -> None:
    world = a_world()

    with pytest.raises(InvalidRequestError, match="subnetpool must be specified"):
        world.cloud.subnets.create(MEMBER, SubnetDraft(network_id=a_network(world).id))


def test_a_project_takes_no_more_than_its_quota_and_others_may_still_take() -> None:
    world = a_world()
    pool = a_pool(world, by=ADMIN, like=SubnetPoolDraft(shared=True, default_quota=384))
    first = pooled(world, pool, like=of_length(24))
    pooled(world, pool, like=of_length(25))

    with pytest.raises(PrefixQuotaExceededError):
        pooled(world, pool, like=of_length(32))
    pooled(world, pool, by=STRANGER, like=of_length(24))
    world.cloud.subnets.delete(MEMBER, first.id)
    assert str(pooled(world, pool, like=of_length(24)).cidr) == "10.0.0.0/24"


def test_an_ipv6_quota_counts_prefixes_of_length_64() -> None:
    world = a_world()
    pool = a_pool(world, "fd00::/48", like=SubnetPoolDraft(default_quota=1))
    pooled(world, pool, like=of_length(65))
    pooled(world, pool, like=of_length(65))

    with pytest.raises(PrefixQuotaExceededError):
        pooled(world, pool, like=of_length(128))


def test_a_pool_with_subnets_stays_and_names_them() -> None:
    world = a_world()
    pool = a_pool(world, like=SubnetPoolDraft(default_prefixlen=24))
    subnet = pooled(world, pool)

    with pytest.raises(SubnetPoolInUseError) as refusal:
        world.cloud.subnet_pools.delete(MEMBER, pool.id)

    assert [blocker.id for blocker in refusal.value.blockers] == [subnet.id]
    world.cloud.subnets.delete(MEMBER, subnet.id)
    world.cloud.subnet_pools.delete(MEMBER, pool.id)
    assert world.cloud.subnet_pools.find(MEMBER) == []


def test_a_pool_grows_and_shrinks_where_nobody_is() -> None:
    world = a_world()
    pools = world.cloud.subnet_pools
    pool = a_pool(world, "10.0.0.0/24", like=SubnetPoolDraft(default_prefixlen=25))
    pooled(world, pool)

    grown = pools.add_prefixes(MEMBER, pool.id, prefixes("10.0.1.0/24"))
    assert grown.prefixes == prefixes("10.0.0.0/23")
    pools.update(MEMBER, pool.id, SubnetPoolDraft(prefixes=prefixes("10.0.0.0/22")))
    with pytest.raises(PrefixUpdateError, match="in use by a subnet"):
        pools.remove_prefixes(MEMBER, pool.id, prefixes("10.0.0.0/26"))
    with pytest.raises(PrefixUpdateError, match="subset"):
        pools.update(MEMBER, pool.id, SubnetPoolDraft(prefixes=prefixes("10.0.0.0/24")))
    shrunk = pools.remove_prefixes(MEMBER, pool.id, prefixes("10.0.1.0/24", "10.0.2.0/23"))

    assert shrunk.prefixes == prefixes("10.0.0.0/24")
    assert str(pooled(world, pool).cidr) == "10.0.0.128/25"
    with pytest.raises(NoFreePrefixError):
        pooled(world, pool)


def test_subnets_that_are_there_can_join_a_pool() -> None:
    world = a_world()
    network = a_network(world)
    cidr = parse_prefix("10.5.0.0/24")
    subnet = world.cloud.subnets.create(MEMBER, SubnetDraft(network_id=network.id, cidr=cidr))
    pool = a_pool(world, "10.0.0.0/24")

    (joined,) = world.cloud.subnet_pools.onboard(MEMBER, pool.id, network.id)

    assert (joined.id, joined.subnetpool_id) == (subnet.id, pool.id)
    held = world.cloud.subnet_pools.get(MEMBER, pool.id).prefixes
    assert held == prefixes("10.0.0.0/24", "10.5.0.0/24")
    with pytest.raises(NoFreePrefixError):
        pooled(world, pool, like=SubnetDraft(cidr=cidr))
    with pytest.raises(SubnetPoolUpdateError, match="already"):
        world.cloud.subnet_pools.onboard(MEMBER, pool.id, network.id)


def test_a_pool_is_its_owners_unless_it_is_shared() -> None:
    world = a_world()
    pool = a_pool(world)
    shared = a_pool(world, by=ADMIN, like=SubnetPoolDraft(shared=True, default_prefixlen=24))

    assert world.cloud.subnet_pools.find(STRANGER) == [shared]
    with pytest.raises(NotFoundError):
        pooled(world, pool, by=STRANGER)
    pooled(world, shared, by=STRANGER)
    with pytest.raises(ForbiddenError):
        world.cloud.subnet_pools.delete(STRANGER, shared.id)
    with pytest.raises(ForbiddenError):
        a_pool(world, like=SubnetPoolDraft(shared=True))
    with pytest.raises(ForbiddenError):
        a_pool(world, like=SubnetPoolDraft(is_default=True))
    with pytest.raises(InvalidRequestError, match="shared"):
        world.cloud.subnet_pools.update(ADMIN, pool.id, SubnetPoolDraft(shared=True))


def test_the_subnets_of_a_network_are_all_from_one_pool_or_all_from_none() -> None:
    world = a_world()
    pool, other = a_pool(world), a_pool(world, "10.8.0.0/16")
    subnet = pooled(world, pool, like=of_length(24))
    beside = SubnetDraft(network_id=subnet.network_id, prefixlen=24)

    pooled(world, pool, like=beside)
    with pytest.raises(SubnetPoolAffinityError):
        pooled(world, other, like=beside)
    plain = SubnetDraft(network_id=subnet.network_id, cidr=parse_prefix("10.9.0.0/24"))
    with pytest.raises(SubnetPoolAffinityError):
        world.cloud.subnets.create(MEMBER, plain)
    six = SubnetDraft(network_id=subnet.network_id, cidr=parse_prefix("fd00::/64"))
    world.cloud.subnets.create(MEMBER, six)


def test_pools_of_one_scope_share_no_address_and_serve_one_network_together() -> None:
    world = a_world()
    scope = a_scope(world)
    within = SubnetPoolDraft(address_scope_id=scope.id, default_prefixlen=24)
    pool, other = a_pool(world, like=within), a_pool(world, "10.8.0.0/16", like=within)
    free = a_pool(world, "10.9.0.0/16")
    subnet = pooled(world, pool)
    beside = SubnetDraft(network_id=subnet.network_id)

    pooled(world, other, like=beside)
    with pytest.raises(AddressScopeAffinityError):
        pooled(world, free, like=replace(beside, prefixlen=24))
    with pytest.raises(AddressScopePrefixConflictError):
        a_pool(world, "10.8.4.0/24", like=within)
    with pytest.raises(AddressScopePrefixConflictError):
        world.cloud.subnet_pools.add_prefixes(MEMBER, pool.id, prefixes("10.0.0.0/8"))
    with pytest.raises(AddressScopeFamilyError):
        a_pool(world, "fd00::/48", like=replace(within, default_prefixlen=64))
    away = SubnetPoolDraft(address_scope_id=a_scope(world).id)
    with pytest.raises(AddressScopeAffinityError):
        world.cloud.subnet_pools.update(MEMBER, pool.id, away)


def test_a_scope_with_pools_stays_and_names_them() -> None:
    world = a_world()
    scope = a_scope(world)
    pool = a_pool(world, like=SubnetPoolDraft(address_scope_id=scope.id))

    with pytest.raises(AddressScopeInUseError) as refusal:
        world.cloud.address_scopes.delete(MEMBER, scope.id)

    assert [blocker.id for blocker in refusal.value.blockers] == [pool.id]
    world.cloud.subnet_pools.update(MEMBER, pool.id, SubnetPoolDraft(address_scope_id=None))
    world.cloud.address_scopes.delete(MEMBER, scope.id)


def test_a_shared_scope_is_never_taken_back_and_its_pools_are_its_owners_to_change() -> None:
    world = a_world()
    scope = a_scope(world, by=ADMIN)
    world.cloud.address_scopes.update(ADMIN, scope.id, AddressScopeDraft(shared=True))
    pool = a_pool(world, like=SubnetPoolDraft(address_scope_id=scope.id))

    with pytest.raises(AddressScopeUpdateError):
        world.cloud.address_scopes.update(ADMIN, scope.id, AddressScopeDraft(shared=False))
    with pytest.raises(SubnetPoolUpdateError, match="shared address scope"):
        world.cloud.subnet_pools.update(MEMBER, pool.id, SubnetPoolDraft(name="mine"))
    with pytest.raises(NotFoundError):
        a_pool(world, like=SubnetPoolDraft(address_scope_id=a_scope(world, by=STRANGER).id))


def test_parallel_callers_never_get_the_same_prefix(tmp_path: Path) -> None:
    world = a_world(open_store(sqlite_url(tmp_path / "db")))
    pool = a_pool(world, "10.0.0.0/20", like=SubnetPoolDraft(default_prefixlen=24))
    networks = [world.cloud.networks.create(MEMBER, NetworkDraft()) for _ in range(16)]

    def take(index: int) -> str:
        draft = SubnetDraft(network_id=networks[index].id, subnetpool_id=pool.id, enable_dhcp=False)
        return str(world.cloud.subnets.create(MEMBER, draft).cidr)

    with ThreadPoolExecutor(8) as workers:
        got = list(workers.map(take, range(16)))

    assert len(set(got)) == 16
