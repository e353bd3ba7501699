"""Laws of the prefixes of a subnet pool, under any order of taking and giving back."""

from ipaddress import IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from portlight.core.errors_subnet_pool import NoFreePrefixError
from portlight.core.meta import Meta
from portlight.core.prefixes import common, compact, difference
from portlight.core.subnet_pool import SubnetPool
from portlight.service import prefixes
from portlight.store.memory import MemoryStore
from portlight.store.protocol import Reading
from portlight.values.addresses import IpPrefix
from portlight.values.ids import ProjectId, SubnetPoolId

BASE = IPv4Network("10.0.0.0/22")
LENGTHS = range(22, 29)


@st.composite
def parts(draw: st.DrawFn) -> IPv4Network:
    length = draw(st.sampled_from(LENGTHS))
    return list(BASE.subnets(new_prefix=length))[draw(st.integers(0, 2 ** (length - 22) - 1))]


def a_pool(*prefixes_of_it: IpPrefix) -> SubnetPool:
    return SubnetPool(
        id=SubnetPoolId("pool"),
        meta=Meta(project_id=ProjectId("p1")),
        ip_version=prefixes_of_it[0].version,
        prefixes=compact(prefixes_of_it),
        min_prefixlen=8,
        max_prefixlen=32,
        default_prefixlen=24,
    )


def free_in(tx: Reading) -> tuple[IpPrefix, ...]:
    found = [
        IPv4Network((int(free.first), length))
        for length in range(33)
        for free in tx.free_ranges(f"pool/{length}")
    ]
    return tuple(sorted(found))


@given(
    st.lists(parts(), min_size=1, max_size=5),
    st.lists(st.one_of(st.sampled_from(LENGTHS), parts(), st.integers(0, 20).map(str))),
)
def test_what_is_free_is_what_the_pool_has_and_nobody_took(
    held: list[IPv4Network], steps: list[int | IPv4Network | str]
) -> None:
    pool = a_pool(*held)
    taken: list[IpPrefix] = []

    with MemoryStore().writing() as tx:
        prefixes.open_pool(tx, pool)
        for step in steps:
            if isinstance(step, str):
                if taken:
                    prefixes.give(tx, pool.id, taken.pop(int(step) % len(taken)))
                continue
            before = free_in(tx)
            fits = [
                one
                for one in before
                if (one.prefixlen <= step if isinstance(step, int) else one.supernet_of(step))  # type: ignore[arg-type]
            ]
            try:
                if isinstance(step, int):
                    taken.append(prefixes.take_any(tx, pool, step))
                else:
                    prefixes.take_exact(tx, pool, step)
                    taken.append(step)
            except NoFreePrefixError:
                assert not fits
                assert free_in(tx) == before
            else:
                assert fits
            assert free_in(tx) == difference(pool.prefixes, taken)

        assert sum(one.num_addresses for one in taken) == sum(
            one.num_addresses for one in compact(taken)
        ), "two subnets share addresses"
        for prefix in taken:
            prefixes.give(tx, pool.id, prefix)
        assert free_in(tx) == pool.prefixes


@given(st.lists(parts(), max_size=6), st.lists(parts(), max_size=6))
def test_sets_of_prefixes_are_sets_of_addresses(
    some: list[IPv4Network], others: list[IPv4Network]
) -> None:
    def addresses(prefixes_of: object) -> set[int]:
        assert isinstance(prefixes_of, list | tuple)
        return {int(address) for prefix in prefixes_of for address in prefix}

    assert addresses(common(some, others)) == addresses(some) & addresses(others)
    assert addresses(difference(some, others)) == addresses(some) - addresses(others)
    assert addresses(compact(some)) == addresses(some)


def test_a_small_subnet_comes_from_the_smallest_rest_so_that_large_ones_stay_possible() -> None:
    pool = a_pool(IPv4Network("10.0.0.0/22"))
    with MemoryStore().writing() as tx:
        prefixes.open_pool(tx, pool)

        got = [str(prefixes.take_any(tx, pool, length)) for length in (24, 26, 26, 23)]

        assert got == ["10.0.0.0/24", "10.0.1.0/26", "10.0.1.64/26", "10.0.2.0/23"]


def test_prefixes_of_ipv6_are_cut_alike() -> None:
    pool = a_pool(IPv6Network("fd00::/48"))
    with MemoryStore().writing() as tx:
        prefixes.open_pool(tx, pool)

        got = [str(prefixes.take_any(tx, pool, 64)) for _ in range(3)]

        assert got == ["fd00::/64", "fd00:0:0:1::/64", "fd00:0:0:2::/64"]
