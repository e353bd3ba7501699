"""Which addresses ports get, keep and give back."""

import pytest
from tests.support.clouds import MEMBER, a_network, a_port, a_subnet, a_world, addresses_of

from portlight.core.drafts import FixedIpRequest, PortDraft
from portlight.core.errors_network import (
    InvalidIpForNetworkError,
    InvalidIpForSubnetError,
    IpAddressInUseError,
    NoFreeAddressError,
)
from portlight.values.addresses import parse_ip


@pytest.mark.covers("N3")
def test_a_port_gets_the_lowest_free_address_and_a_released_one_is_first_again() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)

    first, second = a_port(world, network), a_port(world, network)
    world.cloud.ports.delete(MEMBER, first.id)
    third = a_port(world, network)

    assert addresses_of(first) == ["10.0.0.2"]
    assert addresses_of(second) == ["10.0.0.3"]
    assert addresses_of(third) == ["10.0.0.2"]


@pytest.mark.covers("N3")
def test_a_port_can_have_several_addresses_some_of_them_chosen() -> None:
    world = a_world()
    network = a_network(world)
    subnet = a_subnet(world, network)
    requests = (
        FixedIpRequest(subnet_id=subnet.id),
        FixedIpRequest(address=parse_ip("10.0.0.2")),
        FixedIpRequest(subnet_id=subnet.id, address=parse_ip("10.0.0.99")),
    )

    port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id, fixed_ips=requests))

    assert addresses_of(port) == ["10.0.0.3", "10.0.0.2", "10.0.0.99"]


def test_a_port_gets_one_address_of_each_family() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    a_subnet(world, network, "2001:db8::/64")

    assert addresses_of(a_port(world, network)) == ["10.0.0.2", "2001:db8::2"]


def test_a_taken_address_is_refused_and_nothing_is_half_done() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    a_port(world, network)
    request = FixedIpRequest(address=parse_ip("10.0.0.2"))

    with pytest.raises(IpAddressInUseError):
        world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id, fixed_ips=(request,)))

    assert len(world.cloud.ports.find(MEMBER)) == 1
    assert addresses_of(a_port(world, network)) == ["10.0.0.3"]


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("10.0.0.0", InvalidIpForSubnetError),
        ("10.0.0.255", InvalidIpForSubnetError),
        ("10.9.9.9", InvalidIpForNetworkError),
        ("2001:db8::1", InvalidIpForNetworkError),
    ],
)
def test_an_address_that_is_none_of_the_network_is_refused(
    address: str, refusal: type[Exception]
) -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    request = FixedIpRequest(address=parse_ip(address))

    with pytest.raises(refusal):
        world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id, fixed_ips=(request,)))


def test_a_full_subnet_says_so() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network, "10.0.0.0/30")
    a_port(world, network)

    with pytest.raises(NoFreeAddressError):
        a_port(world, network)
