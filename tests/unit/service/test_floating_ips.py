"""What the service does about public addresses: taken, led to ports, forwarded, given back."""

import pytest
from tests.support.clouds import (
    ADMIN,
    HOST,
    MEMBER,
    STRANGER,
    a_network,
    a_port,
    a_subnet,
    a_world,
    an_external_network,
)

from portlight.core.drafts import (
    FixedIpRequest,
    InstanceDraft,
    InterfaceRequest,
    PortDraft,
    VirtualIpDraft,
)
from portlight.core.drafts_routing import (
    FloatingIpDraft,
    GatewayDraft,
    InterfaceDraft,
    PortForwardingDraft,
    RouterDraft,
)
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.errors_network import IpAddressInUseError
from portlight.core.errors_routing import (
    DuplicatePortForwardingError,
    ExternalAddressExhaustedError,
    ExternalGatewayForFloatingIpNotFoundError,
    FloatingIpInUseError,
    FloatingIpPortAlreadyAssociatedError,
    FloatingIpProtectedError,
    NotExternalError,
    PortHasBindingFloatingIpError,
    PortHasFloatingIpError,
)
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.network import Network
from portlight.core.port import OWNER_FLOATING_IP, Port
from portlight.core.router import PathStatus, Router
from portlight.service.report import AgentReport, WayReport
from portlight.values.addresses import parse_ip
from portlight.values.ranges import PortRange


class Street:
    """A network behind a router with a gateway, and a port on it."""

    def __init__(self) -> None:
        self.world = a_world()
        self.cloud = self.world.cloud
        self.public: Network = an_external_network(self.world)
        self.router: Router = self.cloud.routers.create(
            MEMBER, RouterDraft(gateway=GatewayDraft(network_id=self.public.id))
        )
        self.network = a_network(self.world)
        self.subnet = a_subnet(self.world, self.network)
        self.cloud.routers.add_interface(
            MEMBER, self.router.id, InterfaceDraft(subnet_id=self.subnet.id)
        )
        self.port: Port = a_port(self.world, self.network)

    def take(self, **fields: object) -> FloatingIp:
        draft = FloatingIpDraft(floating_network_id=self.public.id, **fields)  # type: ignore[arg-type]
        return self.cloud.floating_ips.create(MEMBER, draft)

    def change(self, one: FloatingIp, **fields: object) -> FloatingIp:
        draft = FloatingIpDraft(**fields)  # type: ignore[arg-type]
        return self.cloud.floating_ips.update(MEMBER, one.id, draft)

    def get(self, one: FloatingIp) -> FloatingIp:
        return self.cloud.floating_ips.get(MEMBER, one.id)

    def forward(self, one: FloatingIp, outside: int, inside: int) -> PortForwarding:
        return self.forward_range(one, (outside, outside), (inside, inside))

    def forward_range(
        self, one: FloatingIp, outside: tuple[int, int], inside: tuple[int, int]
    ) -> PortForwarding:
        draft = PortForwardingDraft(
            floating_ip_id=one.id,
            protocol=6,
            external_ports=PortRange(first=outside[0], last=outside[1]),
            internal_ports=PortRange(first=inside[0], last=inside[1]),
            internal_port_id=self.port.id,
        )
        return self.cloud.port_forwardings.create(MEMBER, draft)

    def settle(self, one: FloatingIp, revision: int) -> None:
        way = WayReport(number=one.number, revision=revision)
        self.cloud.report(HOST, AgentReport(host=HOST, floating_ips=(way,)))


def test_a_floating_ip_keeps_its_address_by_a_port_of_nobodys() -> None:
    street = Street()

    one = street.take()

    port = street.cloud.ports.get(ADMIN, one.floating_port_id)
    assert (port.device_owner, port.device_id) == (OWNER_FLOATING_IP, one.id)
    assert (one.port_id, one.router_id, one.status) == (None, None, PathStatus.DOWN)
    with pytest.raises(IpAddressInUseError):
        street.take(address=one.address)


@pytest.mark.covers("H140")
def test_an_address_can_be_chosen_and_is_free_again_after_it_was_given_back() -> None:
    street = Street()
    wanted = parse_ip("203.0.113.99")

    one = street.take(address=wanted)
    street.cloud.floating_ips.delete(MEMBER, one.id)

    assert one.address == wanted
    assert street.take(address=wanted).address == wanted


@pytest.mark.covers("H147")
def test_a_floating_ip_moves_from_port_to_port_in_one_call() -> None:
    street = Street()
    other = a_port(street.world, street.network)
    one = street.take(port_id=street.port.id)

    moved = street.change(one, port_id=other.id)
    freed = street.change(one, port_id=None)

    assert (one.port_id, one.router_id) == (street.port.id, street.router.id)
    assert (moved.port_id, moved.fixed_ip_address) == (other.id, other.fixed_ips[0].address)
    assert (moved.cuts, freed.cuts) == (1, 2)
    assert (freed.port_id, freed.fixed_ip_address, freed.router_id) == (None, None, None)


def test_flows_drain_instead_when_that_was_asked_for() -> None:
    street = Street()
    one = street.take(port_id=street.port.id)

    assert street.change(one, port_id=None, drains=True).cuts == 0


def test_it_is_active_when_the_host_has_this_very_state_in_place() -> None:
    street = Street()
    one = street.take(port_id=street.port.id)
    street.settle(one, one.meta.revision_number)
    active = street.get(one)

    street.change(one, port_id=None)
    again = street.change(one, port_id=street.port.id)
    street.settle(one, again.meta.revision_number - 1)

    assert (one.status, active.status) == (PathStatus.BUILD, PathStatus.ACTIVE)
    assert street.get(one).status is PathStatus.BUILD


@pytest.mark.covers("H147")
def test_two_floating_ips_never_stand_for_one_address() -> None:
    street = Street()
    one = street.take(port_id=street.port.id)

    with pytest.raises(FloatingIpPortAlreadyAssociatedError) as refusal:
        street.take(port_id=street.port.id)

    assert refusal.value.floating_ip_id == one.id


def test_there_must_be_a_router_between_the_port_and_the_external_network() -> None:
    street = Street()
    lonely = a_network(street.world)
    a_subnet(street.world, lonely, "10.7.0.0/24")
    port = a_port(street.world, lonely)

    with pytest.raises(ExternalGatewayForFloatingIpNotFoundError):
        street.take(port_id=port.id)


def test_which_address_of_a_port_is_said_when_there_are_several() -> None:
    street = Street()
    requests = tuple(FixedIpRequest(subnet_id=street.subnet.id) for _ in range(2))
    port = street.cloud.ports.create(
        MEMBER, PortDraft(network_id=street.network.id, fixed_ips=requests)
    )
    second = port.fixed_ips[1].address

    with pytest.raises(InvalidRequestError, match="multiple fixed IPv4 addresses"):
        street.take(port_id=port.id)
    with pytest.raises(InvalidRequestError, match="does not have fixed ip"):
        street.take(port_id=port.id, fixed_ip_address=parse_ip("10.0.0.77"))

    one = street.take(port_id=port.id, fixed_ip_address=second)
    assert one.fixed_ip_address == second


def test_only_an_external_network_with_room_gives_addresses() -> None:
    street = Street()
    inner = FloatingIpDraft(floating_network_id=street.network.id)
    small = an_external_network(street.world, "198.51.100.0/30")
    tiny = FloatingIpDraft(floating_network_id=small.id)

    with pytest.raises(NotExternalError):
        street.cloud.floating_ips.create(MEMBER, inner)
    street.cloud.floating_ips.create(MEMBER, tiny)
    with pytest.raises(ExternalAddressExhaustedError):
        street.cloud.floating_ips.create(MEMBER, tiny)


@pytest.mark.covers("N18")
def test_the_addresses_of_a_port_stay_while_a_floating_ip_stands_for_them() -> None:
    street = Street()
    one = street.take(port_id=street.port.id)

    with pytest.raises(PortHasFloatingIpError) as refusal:
        street.cloud.ports.update(MEMBER, street.port.id, PortDraft(fixed_ips=()))
    draft = PortDraft(name="renamed", security_groups=())
    renamed = street.cloud.ports.update(MEMBER, street.port.id, draft)

    assert [blocker.id for blocker in refusal.value.blockers] == [one.id]
    assert renamed.meta.name == "renamed"


@pytest.mark.covers("N20", "H145")
def test_a_port_with_a_floating_ip_is_not_deleted_but_goes_with_its_instance() -> None:
    street = Street()
    interface = InterfaceRequest(network_id=street.network.id)
    instance = street.cloud.instances.create(MEMBER, InstanceDraft(interfaces=(interface,)))
    (port,) = street.cloud.ports.find(MEMBER, {"device_id": [instance.id]})
    held, led = street.take(port_id=street.port.id), street.take(port_id=port.id)

    with pytest.raises(PortHasFloatingIpError):
        street.cloud.ports.delete(MEMBER, street.port.id)
    street.cloud.instances.delete(MEMBER, instance.id)

    assert street.get(held).port_id == street.port.id
    assert (street.get(led).port_id, street.get(led).router_id) == (None, None)


def test_a_virtual_ip_has_a_floating_ip_like_any_port() -> None:
    street = Street()
    virtual_ip = street.cloud.virtual_ips.create(MEMBER, VirtualIpDraft(subnet_id=street.subnet.id))
    one = street.take(port_id=virtual_ip.port_id)

    with pytest.raises(PortHasFloatingIpError):
        street.cloud.virtual_ips.delete(MEMBER, virtual_ip.id)

    assert one.fixed_ip_address == virtual_ip.address


@pytest.mark.covers("P17")
def test_a_protected_address_is_not_given_back_until_it_is_not_protected_any_more() -> None:
    street = Street()
    one = street.take(delete_protection=True, label="shop1")

    with pytest.raises(FloatingIpProtectedError):
        street.cloud.floating_ips.delete(MEMBER, one.id)
    street.change(one, delete_protection=False)
    street.cloud.floating_ips.delete(MEMBER, one.id)

    assert one.label == "shop1"
    with pytest.raises(InvalidRequestError, match="label"):
        street.take(label="no spaces")


def test_what_belongs_to_another_project_is_neither_seen_nor_led_to() -> None:
    street = Street()
    one = street.take()
    foreign = FloatingIpDraft(floating_network_id=street.public.id, port_id=street.port.id)

    with pytest.raises(NotFoundError):
        street.cloud.floating_ips.get(STRANGER, one.id)
    with pytest.raises(NotFoundError):
        street.cloud.floating_ips.create(STRANGER, foreign)


@pytest.mark.covers("P12")
def test_ports_of_a_free_floating_ip_are_forwarded_and_the_address_is_busy_then() -> None:
    street = Street()
    one = street.take()

    web = street.forward(one, 8080, 80)

    assert web.internal_address == street.port.fixed_ips[0].address
    assert street.get(one).router_id == street.router.id
    with pytest.raises(FloatingIpInUseError):
        street.change(one, port_id=street.port.id)
    with pytest.raises(PortHasFloatingIpError):
        street.cloud.ports.delete(MEMBER, street.port.id)
    street.cloud.port_forwardings.delete(MEMBER, web.id)
    assert street.get(one).router_id is None


@pytest.mark.covers("P12")
def test_one_port_outside_leads_to_one_port_inside() -> None:
    street = Street()
    one = street.take()
    street.forward(one, 8080, 80)

    with pytest.raises(DuplicatePortForwardingError):
        street.forward(one, 8080, 81)
    with pytest.raises(DuplicatePortForwardingError):
        street.forward(one, 8081, 80)


@pytest.mark.covers("P12")
def test_a_range_leads_to_as_many_ports_or_to_one_for_all_of_them() -> None:
    street = Street()
    one = street.take()

    assert len(street.forward_range(one, (8000, 8009), (80, 89)).internal_ports) == 10
    shared = street.forward_range(one, (9000, 9009), (443, 443))
    assert {shared.internal_port(place) for place in range(10)} == {443}
    with pytest.raises(InvalidRequestError, match="neither as long"):
        street.forward_range(one, (7000, 7009), (70, 71))


@pytest.mark.covers("P12")
def test_an_address_that_stands_for_a_port_forwards_nothing_beside() -> None:
    street = Street()
    street.take(port_id=street.port.id)

    with pytest.raises(PortHasBindingFloatingIpError):
        street.forward(street.take(), 8080, 80)


@pytest.mark.covers("H145")
def test_an_address_with_forwardings_is_not_given_back() -> None:
    street = Street()
    one = street.take()
    web = street.forward(one, 8080, 80)

    with pytest.raises(FloatingIpInUseError) as refusal:
        street.cloud.floating_ips.delete(MEMBER, one.id)

    assert [blocker.id for blocker in refusal.value.blockers] == [web.id]
