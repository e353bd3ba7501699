"""Which subnets are valid."""

import pytest

from portlight.core.changes import Birth
from portlight.core.drafts import NetworkDraft, SubnetDraft
from portlight.core.errors import DomainError, InvalidRequestError
from portlight.core.errors_network import (
    AllocationPoolOutOfBoundsError,
    AllocationPoolsOverlapError,
    GatewayInAllocationPoolError,
    SubnetOverlapError,
)
from portlight.core.network import HostRoute, Ipv6Mode, Network, Subnet
from portlight.core.networks import build_network, change_network
from portlight.core.subnets import build_subnet, change_subnet
from portlight.values.addresses import AddressRange, parse_ip, parse_prefix
from portlight.values.ids import ProjectId

BIRTH = Birth(id="x", project_id=ProjectId("p1"), now=5.0, number=1)


def a_network(draft: NetworkDraft | None = None) -> Network:
    return build_network(draft or NetworkDraft(), BIRTH)


def a_subnet(draft: SubnetDraft, *siblings: Subnet, network: Network | None = None) -> Subnet:
    return build_subnet(draft, network=network or a_network(), siblings=siblings, birth=BIRTH)


def of(cidr: str) -> SubnetDraft:
    return SubnetDraft(cidr=parse_prefix(cidr))


def pools_of(subnet: Subnet) -> list[str]:
    return [f"{pool.first}-{pool.last}" for pool in subnet.allocation_pools]


def a_range(first: str, last: str) -> AddressRange:
    return AddressRange(first=parse_ip(first), last=parse_ip(last))


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/24", "10.0.0.1", ["10.0.0.2-10.0.0.254"]),
        ("10.0.0.8/29", "10.0.0.9", ["10.0.0.10-10.0.0.14"]),
        ("10.0.0.0/30", "10.0.0.1", ["10.0.0.2-10.0.0.2"]),
        ("2001:db8::/64", "2001:db8::1", ["2001:db8::2-2001:db8::ffff:ffff:ffff:ffff"]),
        ("2001:db8::/126", "2001:db8::1", ["2001:db8::2-2001:db8::3"]),
    ],
)
@pytest.mark.covers("H54")
def test_gateway_is_the_first_address_and_pools_are_the_rest(
    cidr: str, gateway: str, pools: list[str]
) -> None:
    subnet = a_subnet(of(cidr))

    assert str(subnet.gateway_ip) == gateway
    assert pools_of(subnet) == pools


def test_a_gateway_in_the_middle_splits_the_pool() -> None:
    draft = SubnetDraft(cidr=parse_prefix("10.0.0.0/29"), gateway_ip=parse_ip("10.0.0.4"))

    assert pools_of(a_subnet(draft)) == ["10.0.0.1-10.0.0.3", "10.0.0.5-10.0.0.6"]


def test_without_a_gateway_the_pool_is_every_host() -> None:
    draft = SubnetDraft(cidr=parse_prefix("10.0.0.0/29"), gateway_ip=None)

    assert pools_of(a_subnet(draft)) == ["10.0.0.1-10.0.0.6"]


def test_point_to_point_prefixes_have_no_network_address() -> None:
    pair = SubnetDraft(cidr=parse_prefix("10.0.0.0/31"), enable_dhcp=False)
    single = SubnetDraft(cidr=parse_prefix("10.0.0.7/32"), enable_dhcp=False)

    assert pools_of(a_subnet(pair)) == ["10.0.0.1-10.0.0.1"]
    assert pools_of(a_subnet(single)) == ["10.0.0.7-10.0.0.7"]


@pytest.mark.parametrize(
    "cidr",
    ["0.0.0.0/0", "224.0.0.0/24", "127.0.0.0/24", "169.254.0.0/24", "fe80::/64", "ff00::/64",
     "10.0.0.0/31", "10.0.0.0/32", "2001:db8::/127"],
)  # fmt: skip
def test_prefixes_that_guests_cannot_use_are_refused(cidr: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        a_subnet(of(cidr))
    assert caught.value.field == "cidr"


def test_a_missing_cidr_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="cidr"):
        a_subnet(SubnetDraft())


@pytest.mark.parametrize("other", ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/8"])
def test_overlap_inside_a_network_is_refused_and_names_the_other(other: str) -> None:
    present = a_subnet(of("10.0.0.0/24"))

    with pytest.raises(SubnetOverlapError) as caught:
        a_subnet(of(other), present)
    assert caught.value.subnet_id == present.id


def test_families_do_not_overlap() -> None:
    assert a_subnet(of("2001:db8::/64"), a_subnet(of("10.0.0.0/24"))).cidr.version == 6


@pytest.mark.parametrize(
    ("gateway", "field"),
    [
        ("10.0.0.0", "gateway_ip"),
        ("10.0.0.255", "gateway_ip"),
        ("10.0.1.1", "gateway_ip"),
        ("2001:db8::1", "gateway_ip"),
    ],
)
def test_a_gateway_that_no_host_can_have_is_refused(gateway: str, field: str) -> None:
    draft = SubnetDraft(cidr=parse_prefix("10.0.0.0/24"), gateway_ip=parse_ip(gateway))

    with pytest.raises(InvalidRequestError) as caught:
        a_subnet(draft)
    assert caught.value.field == field


def test_an_ipv6_gateway_may_be_link_local() -> None:
    draft = SubnetDraft(cidr=parse_prefix("2001:db8::/64"), gateway_ip=parse_ip("fe80::1"))

    assert str(a_subnet(draft).gateway_ip) == "fe80::1"


@pytest.mark.parametrize(
    ("pools", "refusal"),
    [
        ([("10.0.0.5", "10.0.1.5")], AllocationPoolOutOfBoundsError),
        ([("10.0.0.0", "10.0.0.5")], AllocationPoolOutOfBoundsError),
        ([("10.0.0.1", "10.0.0.5")], GatewayInAllocationPoolError),
        ([("10.0.0.5", "10.0.0.9"), ("10.0.0.9", "10.0.0.12")], AllocationPoolsOverlapError),
        ([("10.0.0.20", "10.0.0.30"), ("10.0.0.5", "10.0.0.25")], AllocationPoolsOverlapError),
        ([("2001:db8::5", "2001:db8::9")], AllocationPoolOutOfBoundsError),
    ],
)
def test_impossible_pools_are_refused(
    pools: list[tuple[str, str]], refusal: type[DomainError]
) -> None:
    ranges = tuple(a_range(first, last) for first, last in pools)

    with pytest.raises(refusal):
        a_subnet(SubnetDraft(cidr=parse_prefix("10.0.0.0/24"), allocation_pools=ranges))


def test_pools_are_kept_sorted() -> None:
    ranges = (a_range("10.0.0.20", "10.0.0.30"), a_range("10.0.0.5", "10.0.0.9"))
    subnet = a_subnet(SubnetDraft(cidr=parse_prefix("10.0.0.0/24"), allocation_pools=ranges))

    assert pools_of(subnet) == ["10.0.0.5-10.0.0.9", "10.0.0.20-10.0.0.30"]


@pytest.mark.parametrize(
    "draft",
    [
        SubnetDraft(cidr=parse_prefix("10.0.0.0/24"), ipv6_ra_mode=Ipv6Mode.SLAAC),
        SubnetDraft(
            cidr=parse_prefix("2001:db8::/64"), ipv6_ra_mode=Ipv6Mode.SLAAC, enable_dhcp=False
        ),
        SubnetDraft(
            cidr=parse_prefix("2001:db8::/64"),
            ipv6_ra_mode=Ipv6Mode.SLAAC,
            ipv6_address_mode=Ipv6Mode.DHCPV6_STATEFUL,
        ),
        SubnetDraft(
            cidr=parse_prefix("2001:db8::/80"),
            ipv6_ra_mode=Ipv6Mode.SLAAC,
            ipv6_address_mode=Ipv6Mode.SLAAC,
        ),
    ],
)
def test_impossible_ipv6_modes_are_refused(draft: SubnetDraft) -> None:
    with pytest.raises(InvalidRequestError):
        a_subnet(draft)


def test_stateful_dhcpv6_works_with_other_prefix_lengths() -> None:
    mode = Ipv6Mode.DHCPV6_STATEFUL
    draft = SubnetDraft(
        cidr=parse_prefix("2001:db8::/80"), ipv6_ra_mode=mode, ipv6_address_mode=mode
    )

    assert a_subnet(draft).ipv6_address_mode is mode


@pytest.mark.parametrize(
    "draft",
    [
        SubnetDraft(cidr=parse_prefix("2001:db8::/64")),
        SubnetDraft(network_id=None),  # type: ignore[arg-type]
        SubnetDraft(ipv6_ra_mode=Ipv6Mode.SLAAC),
    ],
)
def test_what_guests_were_told_cannot_change(draft: SubnetDraft) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be changed"):
        change_subnet(a_subnet(of("10.0.0.0/24")), draft, now=6.0)


@pytest.mark.covers("H54")
def test_a_change_raises_the_revision_and_keeps_what_it_does_not_name() -> None:
    subnet = a_subnet(of("10.0.0.0/24"))
    route = HostRoute(destination=parse_prefix("10.1.0.0/16"), nexthop=parse_ip("10.0.0.9"))
    draft = SubnetDraft(
        name="new", dns_nameservers=(parse_ip("9.9.9.9"),), host_routes=(route,), enable_dhcp=False
    )

    changed = change_subnet(subnet, draft, now=6.0)

    assert changed.meta.name == "new"
    assert changed.meta.revision_number == subnet.meta.revision_number + 1
    assert (changed.meta.created_at, changed.meta.updated_at) == (5.0, 6.0)
    assert changed.dns_nameservers == (parse_ip("9.9.9.9"),)
    assert changed.host_routes == (route,)
    assert not changed.enable_dhcp
    assert changed.gateway_ip == subnet.gateway_ip


def test_a_route_of_another_family_and_doubles_are_refused() -> None:
    subnet = a_subnet(of("10.0.0.0/24"))
    foreign = HostRoute(destination=parse_prefix("2001:db8::/64"), nexthop=parse_ip("10.0.0.9"))
    server = parse_ip("9.9.9.9")

    with pytest.raises(InvalidRequestError):
        change_subnet(subnet, SubnetDraft(host_routes=(foreign,)), now=6.0)
    with pytest.raises(InvalidRequestError):
        change_subnet(subnet, SubnetDraft(dns_nameservers=(server, server)), now=6.0)


@pytest.mark.parametrize("mtu", [67, 9217, -1])
def test_an_impossible_mtu_is_refused(mtu: int) -> None:
    with pytest.raises(InvalidRequestError, match="mtu"):
        a_network(NetworkDraft(mtu=mtu))


def test_ipv6_needs_an_mtu_of_1280_whichever_comes_first() -> None:
    small = a_network(NetworkDraft(mtu=1279))
    subnet = a_subnet(of("2001:db8::/64"))

    with pytest.raises(InvalidRequestError, match="1280"):
        a_subnet(of("2001:db8::/64"), network=small)
    with pytest.raises(InvalidRequestError, match="1280"):
        change_network(a_network(), NetworkDraft(mtu=1279), subnets=(subnet,), now=6.0)


def test_names_tags_and_descriptions_have_a_limit() -> None:
    assert a_network(NetworkDraft(name="x" * 255)).meta.name == "x" * 255
    for draft in (
        NetworkDraft(name="x" * 256),
        NetworkDraft(description="x" * 256),
        NetworkDraft(tags=frozenset({"x" * 256})),
        NetworkDraft(tags=frozenset(str(number) for number in range(51))),
    ):
        with pytest.raises(InvalidRequestError):
            a_network(draft)
