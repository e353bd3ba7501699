"""Instances and their interfaces: what goes with them, what stays, what moves."""

import pytest
from tests.support.clouds import (
    HOST,
    MEMBER,
    READER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    addresses_of,
)

from portlight.core.drafts import (
    FixedIpRequest,
    InstanceDraft,
    InterfaceRequest,
    NetworkDraft,
    PortDraft,
)
from portlight.core.errors import ForbiddenError, InvalidRequestError, NotFoundError
from portlight.core.errors_network import IpAddressInUseError
from portlight.core.errors_port import InstanceStoppedError, PortInUseError, PortNotAttachedError
from portlight.core.instance import Instance, InstanceStatus, PowerState
from portlight.core.port import OWNER_INSTANCE, Port, PortStatus
from portlight.service.report import AgentReport, InstanceReport, PortReport
from portlight.values.addresses import parse_ip, parse_mac
from portlight.values.ids import NetworkId


class Scene:
    """A network with a subnet, ready for instances."""

    def __init__(self) -> None:
        self.world: World = a_world()
        self.cloud = self.world.cloud
        self.network = a_network(self.world)
        self.subnet = a_subnet(self.world, self.network)

    def start(self, *interfaces: InterfaceRequest, name: str = "i") -> Instance:
        return self.cloud.instances.create(MEMBER, InstanceDraft(name=name, interfaces=interfaces))

    def ports_of(self, instance: Instance) -> list[Port]:
        found = self.cloud.ports.find(MEMBER, {"device_id": [instance.id]})
        return sorted(found, key=lambda port: port.device_index or 0)


@pytest.mark.covers("H68")
def test_interfaces_are_in_the_order_of_the_request() -> None:
    scene = Scene()
    port = a_port(scene.world, scene.network)

    instance = scene.start(
        InterfaceRequest(subnet_id=scene.subnet.id, address=parse_ip("10.0.0.50")),
        InterfaceRequest(port_id=port.id),
        InterfaceRequest(network_id=scene.network.id),
    )

    made = scene.ports_of(instance)
    assert [addresses_of(one) for one in made] == [["10.0.0.50"], ["10.0.0.2"], ["10.0.0.3"]]
    assert [one.device_index for one in made] == [0, 1, 2]
    assert {(one.device_owner, one.host, one.status) for one in made} == {
        (OWNER_INSTANCE, HOST, PortStatus.BUILD)
    }


@pytest.mark.covers("N14", "N15")
def test_a_port_made_with_it_goes_with_it_and_one_from_before_stays() -> None:
    scene = Scene()
    before = a_port(scene.world, scene.network)
    instance = scene.start(
        InterfaceRequest(port_id=before.id), InterfaceRequest(network_id=scene.network.id)
    )

    scene.cloud.instances.delete(MEMBER, instance.id)

    (left,) = scene.cloud.ports.find(MEMBER)
    assert left.id == before.id
    assert (left.device_id, left.device_owner, left.device_index) == ("", "", None)
    assert left.status is PortStatus.DOWN
    assert addresses_of(a_port(scene.world, scene.network)) == ["10.0.0.3"]


@pytest.mark.covers("N14", "N15")
def test_each_port_can_be_told_otherwise_at_creation_and_later() -> None:
    scene = Scene()
    before = a_port(scene.world, scene.network)
    instance = scene.start(
        InterfaceRequest(port_id=before.id, delete_on_termination=True),
        InterfaceRequest(network_id=scene.network.id),
    )
    fresh = scene.ports_of(instance)[1]

    scene.cloud.ports.update(MEMBER, fresh.id, PortDraft(delete_on_termination=False))
    scene.cloud.instances.delete(MEMBER, instance.id)

    assert [port.id for port in scene.cloud.ports.find(MEMBER)] == [fresh.id]


@pytest.mark.covers("N16")
def test_a_port_that_outlived_one_instance_works_in_another_with_all_it_has() -> None:
    scene = Scene()
    port = a_port(scene.world, scene.network)
    first = scene.start(InterfaceRequest(port_id=port.id))
    second = scene.start(name="second")

    scene.cloud.instances.delete(MEMBER, first.id)
    moved = scene.cloud.attach_interface(MEMBER, second.id, InterfaceRequest(port_id=port.id))

    assert (moved.device_id, moved.device_index) == (second.id, 0)
    assert moved.fixed_ips == port.fixed_ips
    assert moved.security_groups == port.security_groups
    assert (moved.mac, moved.number) == (port.mac, port.number)


@pytest.mark.covers("N20", "H73")
def test_an_attached_port_is_neither_deleted_nor_attached_twice() -> None:
    scene = Scene()
    instance = scene.start(InterfaceRequest(network_id=scene.network.id))
    (port,) = scene.ports_of(instance)

    with pytest.raises(PortInUseError, match=instance.id):
        scene.cloud.ports.delete(MEMBER, port.id)
    with pytest.raises(PortInUseError, match=instance.id):
        scene.start(InterfaceRequest(port_id=port.id))
    with pytest.raises(PortInUseError):
        scene.cloud.ports.update(MEMBER, port.id, PortDraft(mac=parse_mac("02:00:00:00:00:01")))


@pytest.mark.covers("H68", "H71")
def test_interfaces_come_and_go_while_it_runs_and_take_the_lowest_free_place() -> None:
    scene = Scene()
    instance = scene.start(*(InterfaceRequest(network_id=scene.network.id) for _ in range(3)))
    middle = scene.ports_of(instance)[1]

    scene.cloud.detach_interface(MEMBER, instance.id, middle.id)
    fresh = scene.cloud.attach_interface(
        MEMBER, instance.id, InterfaceRequest(network_id=scene.network.id)
    )

    assert fresh.device_index == 1
    with pytest.raises(NotFoundError):
        scene.cloud.ports.get(MEMBER, middle.id)
    stray = a_port(scene.world, scene.network)
    with pytest.raises(PortNotAttachedError):
        scene.cloud.detach_interface(MEMBER, instance.id, stray.id)


@pytest.mark.covers("H68", "H71")
def test_the_neutron_way_to_attach_and_detach_is_the_device_of_the_port() -> None:
    scene = Scene()
    instance = scene.start()
    port = a_port(scene.world, scene.network)

    attached = scene.cloud.ports.update(MEMBER, port.id, PortDraft(device_id=instance.id))
    assert (attached.device_owner, attached.device_index) == (OWNER_INSTANCE, 0)
    with pytest.raises(PortInUseError):
        scene.cloud.ports.update(MEMBER, port.id, PortDraft(device_id="another"))
    detached = scene.cloud.ports.update(MEMBER, port.id, PortDraft(device_id="", device_owner=""))

    assert (detached.device_id, detached.device_owner, detached.host) == ("", "", None)


@pytest.mark.parametrize(
    "request_",
    [
        InterfaceRequest(),
        InterfaceRequest(port_id=None, address=parse_ip("10.0.0.5")),
    ],
)
def test_an_interface_without_a_place_is_refused(request_: InterfaceRequest) -> None:
    with pytest.raises(InvalidRequestError):
        Scene().start(request_)


def test_a_failed_creation_leaves_neither_instance_nor_port_nor_gap() -> None:
    scene = Scene()

    with pytest.raises(NotFoundError):
        scene.start(
            InterfaceRequest(network_id=scene.network.id),
            InterfaceRequest(network_id=NetworkId("missing")),
        )

    assert scene.cloud.instances.find(MEMBER) == []
    assert scene.cloud.ports.find(MEMBER) == []
    assert addresses_of(a_port(scene.world, scene.network)) == ["10.0.0.2"]


def test_power_changes_what_is_wanted_and_reports_change_what_is() -> None:
    scene = Scene()
    instance = scene.start(InterfaceRequest(network_id=scene.network.id))
    (port,) = scene.ports_of(instance)
    report = AgentReport(
        host=HOST,
        ports=(PortReport(number=port.number, status=PortStatus.ACTIVE),),
        instances=(
            InstanceReport(
                id=instance.id, status=InstanceStatus.ACTIVE, namespace="ns", init_pid=7
            ),
        ),
    )

    scene.cloud.report(HOST, report)
    running = scene.cloud.instances.get(MEMBER, instance.id)
    rebooted = scene.cloud.reboot_instance(MEMBER, instance.id)
    renewed = scene.cloud.renew_instance(MEMBER, instance.id)
    stopped = scene.cloud.stop_instance(MEMBER, instance.id)

    assert (running.status, running.namespace, running.init_pid) == (
        InstanceStatus.ACTIVE,
        "ns",
        7,
    )
    assert running.meta == instance.meta, "a report raises no revision"
    active = scene.cloud.ports.get(MEMBER, port.id)
    assert (active.status, active.meta) == (PortStatus.ACTIVE, port.meta)
    assert rebooted.boot == 2
    assert renewed.renewals == 1
    assert stopped.power_state is PowerState.STOPPED
    assert scene.cloud.stop_instance(MEMBER, instance.id) == stopped
    for refused in (scene.cloud.reboot_instance, scene.cloud.renew_instance):
        with pytest.raises(InstanceStoppedError):
            refused(MEMBER, instance.id)
    assert scene.cloud.start_instance(MEMBER, instance.id).power_state is PowerState.RUNNING
    with pytest.raises(ForbiddenError):
        scene.cloud.start_instance(READER, instance.id)


def test_a_late_report_does_not_make_a_detached_port_active() -> None:
    scene = Scene()
    port = a_port(scene.world, scene.network)

    scene.cloud.report(
        HOST,
        AgentReport(host=HOST, ports=(PortReport(number=port.number, status=PortStatus.ACTIVE),)),
    )

    assert scene.cloud.ports.get(MEMBER, port.id).status is PortStatus.DOWN


@pytest.mark.covers("N19", "H146")
def test_a_changed_address_of_a_running_guest_is_kept_for_a_grace_window() -> None:
    scene = Scene()
    instance = scene.start(InterfaceRequest(network_id=scene.network.id))
    (port,) = scene.ports_of(instance)
    new = (FixedIpRequest(address=parse_ip("10.0.0.9")),)
    old = (FixedIpRequest(address=parse_ip("10.0.0.2")),)

    changed = scene.cloud.ports.update(MEMBER, port.id, PortDraft(fixed_ips=new))
    assert [str(retired.fixed_ip.address) for retired in changed.retired_ips] == ["10.0.0.2"]
    with pytest.raises(IpAddressInUseError):
        scene.cloud.ports.create(MEMBER, PortDraft(network_id=scene.network.id, fixed_ips=old))

    scene.world.clock.now += 119
    scene.cloud.tick(scene.world.clock.now)
    assert scene.cloud.ports.get(MEMBER, port.id) == changed
    scene.world.clock.now += 2
    scene.cloud.tick(scene.world.clock.now)

    assert scene.cloud.ports.get(MEMBER, port.id).retired_ips == ()
    assert addresses_of(a_port(scene.world, scene.network)) == ["10.0.0.2"]


@pytest.mark.covers("N19")
def test_a_former_address_can_come_back_within_its_grace_window() -> None:
    scene = Scene()
    instance = scene.start(InterfaceRequest(network_id=scene.network.id))
    (port,) = scene.ports_of(instance)
    old, new = (
        PortDraft(fixed_ips=(FixedIpRequest(address=parse_ip(text)),))
        for text in ("10.0.0.2", "10.0.0.9")
    )

    scene.cloud.ports.update(MEMBER, port.id, new)
    back = scene.cloud.ports.update(MEMBER, port.id, old)

    assert addresses_of(back) == ["10.0.0.2"]
    assert [str(retired.fixed_ip.address) for retired in back.retired_ips] == ["10.0.0.9"]


def test_the_port_of_an_instance_keeps_the_switch_of_its_network() -> None:
    scene = Scene()
    open_network = a_network(scene.world, NetworkDraft(port_security_enabled=False))

    instance = scene.start(InterfaceRequest(network_id=open_network.id))

    assert not scene.ports_of(instance)[0].port_security_enabled
