"""Laws of address management: it is the same as a set, whatever the order of takes and releases."""

from collections.abc import Sequence
from ipaddress import ip_network
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from portlight.core.errors_network import IpAddressInUseError, NoFreeAddressError
from portlight.core.ipam import default_pools, free_ranges, is_in_pools, step
from portlight.core.meta import Meta
from portlight.core.network import Subnet
from portlight.service import ipam
from portlight.store.memory import MemoryStore
from portlight.store.protocol import Writing
from portlight.values.addresses import AddressRange, IpAddress, parse_ip
from portlight.values.ids import NetworkId, PortId, ProjectId, SubnetId

CIDRS = st.sampled_from(["10.0.0.0/28", "10.0.0.0/29", "2001:db8::/124", "255.255.255.240/28"])
STEPS = st.lists(
    st.one_of(
        st.just(("lowest", 0)),
        st.tuples(st.just("exact"), st.integers(0, 15)),
        st.tuples(st.just("release"), st.integers(0, 15)),
    ),
    max_size=40,
)


@given(cidr=CIDRS, steps=STEPS, cuts=st.sets(st.integers(1, 14), max_size=3))
@settings(deadline=None)
def test_free_ranges_are_always_the_pools_without_what_is_held(
    cidr: str, steps: Sequence[tuple[str, int]], cuts: set[int]
) -> None:
    subnet = a_subnet(cidr, cuts)
    held: set[IpAddress] = set()
    with MemoryStore().writing() as tx:
        ipam.open_pools(tx, subnet)

        for kind, number in steps:
            take_step(tx, subnet, held, (kind, number))

            assert set(tx.holders(subnet.id)) == held
            assert tuple(tx.free_ranges(subnet.id)) == free_ranges(subnet.allocation_pools, held)


@given(cidr=CIDRS, cuts=st.sets(st.integers(1, 14), max_size=3), taken=st.sets(st.integers(0, 15)))
def test_free_ranges_hold_every_free_address_once_and_no_other(
    cidr: str, cuts: set[int], taken: set[int]
) -> None:
    subnet = a_subnet(cidr, cuts)
    held = {address_of(subnet, number) for number in taken}

    ranges = free_ranges(subnet.allocation_pools, held)

    free = [address for one in ranges for address in every(one)]
    pooled = {address for pool in subnet.allocation_pools for address in every(pool)}
    assert len(free) == len(set(free))
    assert set(free) == pooled - held
    for below, above in pairwise(ranges):
        assert int(below.last) + 1 < int(above.first), "touching ranges must be one"


def take_step(tx: Writing, subnet: Subnet, held: set[IpAddress], one: tuple[str, int]) -> None:
    kind, number = one
    port, address = PortId("p"), address_of(subnet, number)
    pooled = sorted(
        (free for pool in subnet.allocation_pools for free in every(pool) if free not in held),
        key=int,
    )
    if kind == "lowest":
        try:
            (taken,) = ipam.take_lowest(tx, [subnet], [port])
        except NoFreeAddressError:
            assert not pooled
            return
        assert taken.address == pooled[0]
        held.add(taken.address)
    elif kind == "exact":
        try:
            ipam.take_exact(tx, subnet, address, PortId(f"port-{number}-{len(held)}"))
        except IpAddressInUseError:
            assert address in held
            return
        held.add(address)
    elif address in held:
        ipam.release(tx, subnet, [address])
        held.remove(address)


def a_subnet(cidr: str, cuts: set[int]) -> Subnet:
    """Return a subnet whose pools are its hosts without some addresses."""
    prefix = ip_network(cidr)
    hosts = [address for pool in default_pools(prefix, prefix[1]) for address in every(pool)]
    left = [address for index, address in enumerate(hosts) if index not in cuts]
    pools = free_ranges([AddressRange(first=address, last=address) for address in left], ())
    return Subnet(
        id=SubnetId("s"),
        network_id=NetworkId("n"),
        meta=Meta(project_id=ProjectId("p")),
        cidr=prefix,
        gateway_ip=prefix[1],
        allocation_pools=pools,
    )


def every(pool: AddressRange) -> list[IpAddress]:
    return [step(pool.first, by) for by in range(int(pool.last) - int(pool.first) + 1)]


def address_of(subnet: Subnet, number: int) -> IpAddress:
    size = subnet.cidr.num_addresses
    return subnet.cidr[number % size]


def test_an_address_outside_the_pools_is_held_but_never_free() -> None:
    subnet = a_subnet("10.0.0.0/28", set())
    gateway = parse_ip("10.0.0.1")
    with MemoryStore().writing() as tx:
        ipam.open_pools(tx, subnet)
        before = tx.free_ranges(subnet.id)

        ipam.take_exact(tx, subnet, gateway, PortId("p"))
        ipam.release(tx, subnet, [gateway])

        assert not is_in_pools(subnet, gateway)
        assert tx.free_ranges(subnet.id) == before
