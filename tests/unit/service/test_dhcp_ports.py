"""A network has a DHCP port for as long as one of its subnets wants DHCP."""

import pytest
from tests.support.clouds import (
    HOST,
    MEMBER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    addresses_of,
)

from portlight.core.drafts import PortDraft, SubnetDraft
from portlight.core.errors import NotFoundError
from portlight.core.errors_port import ServicePortError
from portlight.core.network import Ipv6Mode
from portlight.core.port import OWNER_DHCP, Port
from portlight.values.addresses import AddressRange, parse_ip, parse_prefix


def dhcp_ports(world: World) -> list[Port]:
    return world.cloud.ports.find(MEMBER, {"device_owner": [OWNER_DHCP]})


@pytest.mark.covers("H54")
def test_the_first_subnet_makes_it_and_later_ones_extend_it() -> None:
    world = a_world()
    network = a_network(world)

    a_subnet(world, network, dhcp=True)
    (first,) = dhcp_ports(world)
    a_subnet(world, network, "2001:db8::/64", dhcp=True)
    (second,) = dhcp_ports(world)

    assert addresses_of(first) == ["10.0.0.2"]
    assert (first.host, first.security_groups) == (HOST, ())
    assert second.id == first.id
    assert addresses_of(second) == ["10.0.0.2", "2001:db8::2"]
    assert addresses_of(a_port(world, network)) == ["10.0.0.3", "2001:db8::3"]


@pytest.mark.covers("H54")
def test_it_goes_with_the_last_subnet_that_wants_it() -> None:
    world = a_world()
    network = a_network(world)
    four = a_subnet(world, network, dhcp=True)
    six = a_subnet(world, network, "2001:db8::/64", dhcp=True)

    world.cloud.subnets.delete(MEMBER, four.id)
    (left,) = dhcp_ports(world)
    assert addresses_of(left) == ["2001:db8::2"]

    world.cloud.subnets.update(MEMBER, six.id, SubnetDraft(enable_dhcp=False))
    assert dhcp_ports(world) == []
    assert addresses_of(a_port(world, network)) == ["2001:db8::2"]


def test_it_does_not_keep_its_network_and_goes_with_it() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network, dhcp=True)

    world.cloud.networks.delete(MEMBER, network.id)

    assert dhcp_ports(world) == []
    with pytest.raises(NotFoundError):
        world.cloud.networks.get(MEMBER, network.id)


def test_it_is_neither_deleted_nor_readdressed_by_hand() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network, dhcp=True)
    (port,) = dhcp_ports(world)

    with pytest.raises(ServicePortError):
        world.cloud.ports.delete(MEMBER, port.id)
    with pytest.raises(ServicePortError):
        world.cloud.ports.update(MEMBER, port.id, PortDraft(fixed_ips=()))


def test_ports_of_a_slaac_subnet_have_the_address_that_their_mac_makes() -> None:
    world = a_world()
    network = a_network(world)
    draft = SubnetDraft(
        network_id=network.id,
        cidr=parse_prefix("2001:db8::/64"),
        ipv6_address_mode=Ipv6Mode.SLAAC,
        ipv6_ra_mode=Ipv6Mode.SLAAC,
    )
    world.cloud.subnets.create(MEMBER, draft)

    port = a_port(world, network)

    interface = int(port.mac.link_local) & (1 << 64) - 1
    assert int(port.fixed_ips[0].address) & (1 << 64) - 1 == interface
    assert port.fixed_ips[0].address in parse_prefix("2001:db8::/64")


def test_changed_pools_are_used_at_once_and_held_addresses_stay() -> None:
    world = a_world()
    network = a_network(world)
    subnet = a_subnet(world, network)
    old = a_port(world, network)
    pool = AddressRange(first=parse_ip("10.0.0.100"), last=parse_ip("10.0.0.110"))

    world.cloud.subnets.update(MEMBER, subnet.id, SubnetDraft(allocation_pools=(pool,)))
    new = a_port(world, network)
    world.cloud.ports.delete(MEMBER, old.id)

    assert addresses_of(new) == ["10.0.0.100"]
    assert addresses_of(a_port(world, network)) == ["10.0.0.101"], "10.0.0.2 is in no pool now"
