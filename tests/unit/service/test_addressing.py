"""What subnets promise to ports: automatic addresses, service types; zones, domains, hosts."""

import pytest
from tests.support.clouds import (
    ADMIN,
    HOST,
    MEMBER,
    READER,
    STRANGER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    addresses_of,
)

from portlight.core.dns import names_of
from portlight.core.drafts import (
    FixedIpRequest,
    InstanceDraft,
    InterfaceRequest,
    NetworkDraft,
    PortDraft,
    SubnetDraft,
)
from portlight.core.errors import ForbiddenError, InvalidRequestError, NotFoundError
from portlight.core.errors_network import (
    AutoAddressSubnetError,
    AvailabilityZoneNotFoundError,
    DnsDomainError,
    HostAliveError,
    NoServiceSubnetError,
    SubnetInUseError,
    SubnetServiceTypeError,
)
from portlight.core.host import HostDraft
from portlight.core.network import Ipv6Mode, Network, Subnet
from portlight.core.port import Port
from portlight.values.addresses import parse_ip, parse_mac, parse_prefix

MAC = parse_mac("fa:16:3e:01:02:03")
AUTO = "fd00::f816:3eff:fe01:203"


def an_auto_subnet(
    world: World,
    network: Network,
    *,
    cidr: str = "fd00::/64",
    address_mode: Ipv6Mode | None = Ipv6Mode.SLAAC,
    ra_mode: Ipv6Mode | None = Ipv6Mode.SLAAC,
) -> Subnet:
    draft = SubnetDraft(
        network_id=network.id,
        cidr=parse_prefix(cidr),
        ipv6_address_mode=address_mode,
        ipv6_ra_mode=ra_mode,
    )
    return world.cloud.subnets.create(MEMBER, draft)


def again(world: World, port: Port) -> Port:
    return world.cloud.ports.get(MEMBER, port.id)


@pytest.mark.parametrize("mode", [Ipv6Mode.SLAAC, Ipv6Mode.DHCPV6_STATELESS])
@pytest.mark.parametrize("half", ["both", "address", "advertised"])
def test_a_port_gets_the_address_that_its_guest_will_make(mode: Ipv6Mode, half: str) -> None:
    world = a_world()
    network = a_network(world)
    an_auto_subnet(
        world,
        network,
        address_mode=None if half == "advertised" else mode,
        ra_mode=None if half == "address" else mode,
    )

    port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id, mac=MAC))

    assert addresses_of(port) == [AUTO]


def test_an_automatic_address_comes_along_whatever_else_is_asked_for() -> None:
    world = a_world()
    network = a_network(world)
    plain = a_subnet(world, network)
    an_auto_subnet(world, network)
    asked = (FixedIpRequest(subnet_id=plain.id),)
    make, change = world.cloud.ports.create, world.cloud.ports.update

    port = make(MEMBER, PortDraft(network_id=network.id, mac=MAC, fixed_ips=asked))
    none = make(MEMBER, PortDraft(network_id=network.id, fixed_ips=()))
    changed = change(MEMBER, port.id, PortDraft(fixed_ips=()))

    assert addresses_of(port) == ["10.0.0.2", AUTO]
    assert len(none.fixed_ips) == 1
    assert addresses_of(changed) == [AUTO]


def test_a_new_mac_moves_the_automatic_address_also_beside_a_request() -> None:
    world = a_world()
    network = a_network(world)
    plain, auto = a_subnet(world, network), an_auto_subnet(world, network)
    port = a_port(world, network)
    asked = (FixedIpRequest(subnet_id=plain.id), FixedIpRequest(subnet_id=auto.id))

    changed = world.cloud.ports.update(MEMBER, port.id, PortDraft(mac=MAC, fixed_ips=asked))

    assert addresses_of(changed) == ["10.0.0.2", AUTO]


def test_no_other_address_of_an_automatic_subnet_can_be_chosen() -> None:
    world = a_world()
    network = a_network(world)
    an_auto_subnet(world, network)
    other = (FixedIpRequest(address=parse_ip("fd00::1234")),)

    with pytest.raises(AutoAddressSubnetError):
        world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id, fixed_ips=other))


def test_ports_that_are_there_join_an_automatic_subnet_and_leave_with_it() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id, mac=MAC))

    subnet = an_auto_subnet(world, network)

    joined = again(world, port)
    assert addresses_of(joined) == ["10.0.0.2", AUTO]
    assert joined.security_groups == port.security_groups
    assert joined.meta.revision_number == port.meta.revision_number + 1
    world.cloud.subnets.delete(MEMBER, subnet.id)
    assert addresses_of(again(world, port)) == ["10.0.0.2"]
    an_auto_subnet(world, network)
    assert addresses_of(again(world, port)) == ["10.0.0.2", AUTO]


def test_a_subnet_whose_addresses_were_given_out_by_us_stays_while_ports_have_some() -> None:
    world = a_world()
    network = a_network(world)
    stateful = Ipv6Mode.DHCPV6_STATEFUL
    subnet = an_auto_subnet(world, network, address_mode=stateful, ra_mode=stateful)
    port = a_port(world, network)

    with pytest.raises(SubnetInUseError):
        world.cloud.subnets.delete(MEMBER, subnet.id)
    assert addresses_of(port) == ["fd00::3"]


@pytest.mark.parametrize(
    ("address_mode", "ra_mode", "cidr"),
    [
        (Ipv6Mode.SLAAC, Ipv6Mode.DHCPV6_STATEFUL, "fd00::/64"),
        (Ipv6Mode.SLAAC, Ipv6Mode.SLAAC, "fd00::/80"),
        (None, Ipv6Mode.DHCPV6_STATELESS, "fd00::/60"),
        (Ipv6Mode.SLAAC, None, "10.0.0.0/24"),
    ],
)
def test_modes_that_contradict_each_other_or_the_prefix_are_refused(
    address_mode: Ipv6Mode | None, ra_mode: Ipv6Mode | None, cidr: str
) -> None:
    world = a_world()

    with pytest.raises(InvalidRequestError):
        an_auto_subnet(
            world, a_network(world), cidr=cidr, address_mode=address_mode, ra_mode=ra_mode
        )


def a_service_subnet(world: World, network: Network, cidr: str, *types: str) -> Subnet:
    draft = SubnetDraft(
        network_id=network.id, cidr=parse_prefix(cidr), service_types=types, enable_dhcp=False
    )
    return world.cloud.subnets.create(ADMIN, draft)


@pytest.mark.extension("subnet-service-types")
def test_a_port_gets_its_address_where_its_owner_belongs() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network, "10.0.0.0/24")
    a_service_subnet(world, network, "10.1.0.0/24", "compute:portlight")
    a_service_subnet(world, network, "10.2.0.0/24", "compute:elsewhere")
    instance = world.cloud.instances.create(
        MEMBER, InstanceDraft(interfaces=(InterfaceRequest(network_id=network.id),))
    )
    make = world.cloud.ports.create

    plain = make(MEMBER, PortDraft(network_id=network.id))
    named = make(MEMBER, PortDraft(network_id=network.id, device_owner="compute:elsewhere"))
    (attached,) = world.cloud.ports.find(MEMBER, {"device_id": [instance.id]})

    assert addresses_of(plain) == ["10.0.0.2"]
    assert addresses_of(named) == ["10.2.0.2"]
    assert addresses_of(attached) == ["10.1.0.2"]


def test_a_port_that_belongs_nowhere_gets_no_address() -> None:
    world = a_world()
    network = a_network(world)
    subnet = a_service_subnet(world, network, "10.1.0.0/24", "compute:elsewhere")
    asked = (FixedIpRequest(subnet_id=subnet.id),)

    with pytest.raises(NoServiceSubnetError):
        a_port(world, network)
    with pytest.raises(InvalidRequestError, match="fixed_ips"):
        world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id, fixed_ips=asked))


def test_what_a_port_has_stays_when_its_subnet_is_for_others() -> None:
    world = a_world()
    network = a_network(world)
    subnet = a_subnet(world, network)
    port = a_port(world, network)
    world.cloud.subnets.update(ADMIN, subnet.id, SubnetDraft(service_types=("network:routed",)))
    kept = (FixedIpRequest(address=parse_ip("10.0.0.2")),)

    changed = world.cloud.ports.update(MEMBER, port.id, PortDraft(fixed_ips=kept, mac=MAC))

    assert addresses_of(changed) == ["10.0.0.2"]


def test_service_types_are_owners_and_the_administrators_to_set() -> None:
    world = a_world()
    network = a_network(world)
    subnet = a_subnet(world, network)

    with pytest.raises(SubnetServiceTypeError):
        a_service_subnet(world, network, "10.1.0.0/24", "printer")
    with pytest.raises(ForbiddenError):
        world.cloud.subnets.update(MEMBER, subnet.id, SubnetDraft(service_types=()))


def test_a_zone_that_no_host_is_in_is_not_found() -> None:
    world = a_world()
    hints = ("nova",)

    network = a_network(world, NetworkDraft(availability_zone_hints=hints))

    assert network.availability_zone_hints == hints
    with pytest.raises(AvailabilityZoneNotFoundError):
        a_network(world, NetworkDraft(availability_zone_hints=("moon",)))


@pytest.mark.parametrize(
    "domain", ["example.org", ".", "a..b.", "-a.b.", "a.1.", "a b.", "a\n.", f"{'x' * 64}.org."]
)
def test_a_domain_that_is_no_full_name_is_refused(domain: str) -> None:
    with pytest.raises(DnsDomainError):
        a_network(a_world(), NetworkDraft(dns_domain=domain))


def test_a_domain_is_kept_in_small_letters() -> None:
    assert a_network(a_world(), NetworkDraft(dns_domain="Cloud.Example.")).dns_domain == (
        "cloud.example."
    )


def test_ports_are_called_in_the_domain_that_their_network_has_now() -> None:
    world = a_world()
    network = a_network(world, NetworkDraft(dns_domain="one.example."))
    a_subnet(world, network)
    draft = PortDraft(network_id=network.id, dns_name="db")
    port = world.cloud.ports.create(MEMBER, draft)

    world.cloud.networks.update(MEMBER, network.id, NetworkDraft(dns_domain="two.example."))
    moved = again(world, port)
    world.cloud.ports.update(MEMBER, port.id, PortDraft(dns_name="db.two.example."))

    assert [one.fqdn for one in names_of(moved)] == ["db.two.example."]
    with pytest.raises(InvalidRequestError, match="dns_name"):
        world.cloud.networks.update(MEMBER, network.id, NetworkDraft(dns_domain=""))
    assert world.cloud.networks.get(MEMBER, network.id).dns_domain == "two.example."


def test_everybody_sees_an_external_network_and_only_administrators_make_one() -> None:
    world = a_world()
    with pytest.raises(ForbiddenError):
        a_network(world, NetworkDraft(external=True))
    network = a_network(world, NetworkDraft(external=True), by=ADMIN)

    assert [seen.id for seen in world.cloud.networks.find(STRANGER)] == [network.id]
    assert world.cloud.external_networks([network]) == {network.id}
    world.cloud.networks.update(ADMIN, network.id, NetworkDraft(external=False))
    assert world.cloud.networks.find(STRANGER) == []


def test_who_only_sees_a_network_as_external_has_no_ports_on_it() -> None:
    world = a_world()
    network = a_network(world, NetworkDraft(external=True), by=ADMIN)

    with pytest.raises(ForbiddenError):
        world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))


def test_used_addresses_are_counted_whatever_the_size_of_the_subnet() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    a_subnet(world, network, "fd00::/48", dhcp=True)
    a_port(world, network)

    (found,) = world.cloud.ip_availabilities(ADMIN, None)

    counted = [(str(one.subnet.cidr), one.used, one.total) for one in found.subnets]
    assert counted == [("10.0.0.0/24", 1, 253), ("fd00::/48", 2, (1 << 80) - 2)]
    assert world.cloud.ip_availabilities(MEMBER, None) == []


def test_a_host_is_alive_while_its_agent_asks_for_work() -> None:
    world = a_world()
    world.cloud.changes_after(HOST, None)
    (host,) = world.cloud.agents.find(ADMIN)
    assert world.cloud.is_alive(host)
    with pytest.raises(HostAliveError):
        world.cloud.agents.delete(ADMIN, host.id)

    world.clock.now += 60
    world.cloud.changes_after(HOST, 0)
    world.clock.now += 60
    assert world.cloud.is_alive(world.cloud.agents.get(ADMIN, host.id))
    world.clock.now += 60
    assert not world.cloud.is_alive(world.cloud.agents.get(ADMIN, host.id))

    world.cloud.agents.delete(ADMIN, host.id)
    assert world.cloud.agents.find(ADMIN) == []
    world.cloud.changes_after(HOST, 0)
    assert [one.name for one in world.cloud.agents.find(ADMIN)] == [HOST]


def test_hosts_are_shown_to_administrators_and_hidden_from_all_others() -> None:
    world = a_world()
    world.cloud.changes_after(HOST, None)
    (host,) = world.cloud.agents.find(ADMIN)

    assert world.cloud.agents.find(READER) == []
    with pytest.raises(NotFoundError):
        world.cloud.agents.get(READER, host.id)
    with pytest.raises(NotFoundError):
        world.cloud.agents.update(MEMBER, host.id, HostDraft(description="mine"))
    described = world.cloud.agents.update(ADMIN, host.id, HostDraft(description="rack 7"))
    assert described.meta.description == "rack 7"
