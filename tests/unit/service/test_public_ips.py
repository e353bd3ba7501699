"""Public addresses in the hands of managers: from allocation to release, and what is left over."""

import time
from pathlib import Path

import pytest
from tests.support.clouds import (
    ADMIN,
    HOST,
    MEMBER,
    STRANGER,
    World,
    a_caller,
    a_network,
    a_port,
    a_world,
    an_external_network,
)
from tests.support.vpcs import a_vpc, a_vpc_subnet, default_table, network_of

from portlight.core.address_uses import KEPT_DAYS, Period
from portlight.core.audit import AuditAction
from portlight.core.drafts import (
    InstanceDraft,
    InterfaceRequest,
    PortDraft,
    SecurityGroupDraft,
)
from portlight.core.drafts_routing import FloatingIpDraft
from portlight.core.drafts_vpc import InternetGatewayDraft
from portlight.core.errors import ForbiddenError, InUseError, InvalidRequestError, NotFoundError
from portlight.core.errors_port import PortNotAttachedError
from portlight.core.errors_vpc import NotOnInterfaceError
from portlight.core.floating_ip import FloatingIp
from portlight.core.port import Port
from portlight.core.public_ips import Flows, PublicIpDraft, PublicIpStatus
from portlight.service.cloud import HOUSEKEEPING_SECONDS, Cloud
from portlight.service.usage import OrphanKind
from portlight.store.sql import open_store, sqlite_url
from portlight.values.ids import FloatingIpId, InstanceId

MANAGER = a_caller("p1", "manager", "member", "reader")
HOUR = 3600.0


def a_reachable_port(world: World) -> Port:
    vpc = a_vpc(world)
    external = an_external_network(world)
    gateway = world.cloud.internet_gateways.create(
        MEMBER, InternetGatewayDraft(name="out", external_network_id=external.id)
    )
    world.cloud.route_tables.attach(MEMBER, default_table(world, vpc).id, gateway.id)
    return a_port(world, network_of(world, a_vpc_subnet(world, vpc)))


def status_of(world: World, one: FloatingIp) -> PublicIpStatus:
    present = world.cloud.public_ips.get(MANAGER, one.id)
    return world.cloud.public_ips.details([present])[one.id].status


@pytest.mark.covers("K1", "K2")
def test_only_a_manager_orders_addresses_and_the_refusal_names_the_role() -> None:
    world = a_world()
    port = a_reachable_port(world)
    taken = world.cloud.public_ips.create(MANAGER, PublicIpDraft())

    for use in (
        lambda: world.cloud.public_ips.create(MEMBER, PublicIpDraft()),
        lambda: world.cloud.public_ips.associate(MEMBER, taken.id, port.id),
        lambda: world.cloud.public_ips.disassociate(MEMBER, taken.id, port.id),
        lambda: world.cloud.public_ips.delete(MEMBER, taken.id),
    ):
        with pytest.raises(ForbiddenError, match="manager"):
            use()
    assert world.cloud.public_ips.get(MEMBER, taken.id) == taken
    with pytest.raises(NotFoundError):
        world.cloud.public_ips.get(STRANGER, taken.id)


@pytest.mark.covers("K3")
def test_an_address_is_put_on_an_interface_of_an_instance_new_or_existing() -> None:
    world = a_world()
    port = a_reachable_port(world)
    instance = world.cloud.instances.create(
        MEMBER, InstanceDraft(interfaces=(InterfaceRequest(port_id=port.id),))
    )
    public_ips = world.cloud.public_ips

    made = public_ips.allocate_for(MANAGER, instance.id, port.id, PublicIpDraft(name="web"))

    assert made.port_id == port.id
    assert status_of(world, made) is PublicIpStatus.ATTACHING
    detail = public_ips.details([made])[made.id]
    assert (detail.device_type, detail.port) == ("instance", world.cloud.ports.get(MEMBER, port.id))
    other = world.cloud.instances.create(MEMBER, InstanceDraft(name="other"))
    with pytest.raises(PortNotAttachedError):
        public_ips.allocate_for(MANAGER, other.id, port.id, PublicIpDraft())
    public_ips.clear(MANAGER, InstanceId(instance.id), port.id)
    assert status_of(world, made) is PublicIpStatus.AVAILABLE


@pytest.mark.covers("K6")
def test_taking_off_and_giving_back_are_one_step_or_none() -> None:
    world = a_world()
    port = a_reachable_port(world)
    public_ips = world.cloud.public_ips
    made = public_ips.create(MANAGER, PublicIpDraft(delete_protection=True))
    public_ips.associate(MANAGER, made.id, port.id)

    with pytest.raises(Exception, match="protected"):
        public_ips.disassociate(MANAGER, made.id, port.id, release=True)
    assert public_ips.get(MANAGER, made.id).port_id == port.id

    public_ips.update(MANAGER, made.id, PublicIpDraft(delete_protection=False))
    public_ips.disassociate(MANAGER, made.id, port.id, release=True)
    assert public_ips.find(MANAGER) == []


@pytest.mark.covers("K4")
@pytest.mark.parametrize(("flows", "cuts"), [(Flows.CUT, 1), (Flows.DRAIN, 0)])
def test_established_flows_end_or_drain_as_was_asked(flows: Flows, cuts: int) -> None:
    world = a_world()
    port = a_reachable_port(world)
    made = world.cloud.public_ips.create(MANAGER, PublicIpDraft())
    world.cloud.public_ips.associate(MANAGER, made.id, port.id)

    world.cloud.public_ips.disassociate(MANAGER, made.id, port.id, flows)

    after = world.cloud.public_ips.get(MANAGER, made.id)
    assert after.cuts == cuts
    assert (after.draining_router_id is not None) == (flows is Flows.DRAIN)
    assert after.router_id is None


@pytest.mark.covers("K4")
def test_that_flows_drain_is_said_for_one_move_and_not_for_the_next() -> None:
    world = a_world()
    first = a_reachable_port(world)
    (network,) = world.cloud.networks.find(MEMBER, {"id": [first.network_id]})
    second = a_port(world, network)
    public_ips = world.cloud.public_ips
    made = public_ips.create(MANAGER, PublicIpDraft())
    public_ips.associate(MANAGER, made.id, first.id)
    public_ips.disassociate(MANAGER, made.id, first.id, Flows.DRAIN)
    public_ips.associate(MANAGER, made.id, first.id)

    world.cloud.floating_ips.update(MANAGER, made.id, FloatingIpDraft(port_id=second.id))

    assert public_ips.get(MANAGER, made.id).cuts == 1


def test_an_address_in_use_is_not_given_back_and_one_elsewhere_is_not_taken_off() -> None:
    world = a_world()
    port = a_reachable_port(world)
    made = world.cloud.public_ips.create(MANAGER, PublicIpDraft())
    with pytest.raises(NotOnInterfaceError):
        world.cloud.public_ips.disassociate(MANAGER, made.id, port.id)

    world.cloud.public_ips.associate(MANAGER, made.id, port.id)

    with pytest.raises(InUseError, match=port.id):
        world.cloud.public_ips.delete(MANAGER, made.id)


@pytest.mark.covers("H147")
def test_an_address_moves_between_interfaces_in_one_call() -> None:
    world = a_world()
    port = a_reachable_port(world)
    network = world.cloud.networks.get(MEMBER, port.network_id)
    other = a_port(world, network)
    made = world.cloud.public_ips.create(MANAGER, PublicIpDraft())
    world.cloud.public_ips.associate(MANAGER, made.id, port.id)

    moved = world.cloud.public_ips.associate(MANAGER, made.id, other.id)

    assert moved.port_id == other.id


def test_of_several_external_networks_one_is_named() -> None:
    world = a_world()
    with pytest.raises(InvalidRequestError, match="0 external"):
        world.cloud.public_ips.create(MANAGER, PublicIpDraft())


@pytest.mark.covers("K5")
def test_hours_held_and_hours_used_add_up_whichever_face_changed_them() -> None:
    world = a_world()
    port = a_reachable_port(world)
    start = world.clock.now
    made = world.cloud.public_ips.create(MANAGER, PublicIpDraft())
    world.clock.now += 1 * HOUR
    world.cloud.public_ips.associate(MANAGER, made.id, port.id)
    world.clock.now += 2 * HOUR
    world.cloud.public_ips.disassociate(MANAGER, made.id, port.id)
    world.clock.now += 3 * HOUR
    world.cloud.floating_ips.delete(MEMBER, FloatingIpId(made.id))
    world.clock.now += 4 * HOUR

    (usage,) = world.cloud.usage(MEMBER, Period(since=0.0, until=world.clock.now))
    (part,) = world.cloud.usage(MEMBER, Period(since=start + 2 * HOUR, until=start + 4 * HOUR))

    assert (usage.held_seconds, usage.used_seconds) == (6 * HOUR, 2 * HOUR)
    assert (part.held_seconds, part.used_seconds) == (2 * HOUR, 1 * HOUR)
    assert world.cloud.usage(STRANGER, Period(since=0.0, until=world.clock.now)) == []
    assert world.cloud.usage(ADMIN, Period(since=0.0, until=world.clock.now)) == [usage]


@pytest.mark.covers("K5", "X23")
def test_what_nobody_uses_is_listed_with_its_age() -> None:
    world = a_world()
    port = a_reachable_port(world)
    made = world.cloud.public_ips.create(MANAGER, PublicIpDraft())
    empty = world.cloud.security_groups.create(MEMBER, SecurityGroupDraft(name="empty"))
    since = world.clock.now
    world.clock.now += HOUR

    found = {orphan.id: orphan for orphan in world.cloud.orphans(MEMBER)}

    assert found[made.id].kind is OrphanKind.PUBLIC_IP
    assert found[port.id].kind is OrphanKind.NETWORK_INTERFACE
    assert found[empty.id].kind is OrphanKind.SECURITY_GROUP
    assert {orphan.since for orphan in found.values()} == {since}
    assert len(found) == 3
    assert world.cloud.orphans(STRANGER) == []


@pytest.mark.covers("X23")
def test_an_operator_may_let_idle_addresses_go_by_themselves() -> None:
    world = a_world()
    port = a_reachable_port(world)
    kept = [
        world.cloud.public_ips.create(MANAGER, PublicIpDraft(delete_protection=True)),
        world.cloud.public_ips.create(MANAGER, PublicIpDraft()),
    ]
    world.cloud.public_ips.associate(MANAGER, kept[1].id, port.id)
    idle = world.cloud.public_ips.create(MANAGER, PublicIpDraft())
    patient = Cloud(
        store=world.store, ids=world.ids, clock=world.clock, host=HOST, idle_seconds=5 * HOUR
    )
    world.clock.now += 4 * HOUR
    patient.tick(world.clock.now)
    assert len(world.cloud.public_ips.find(MANAGER)) == 3

    world.clock.now += 2 * HOUR + HOUSEKEEPING_SECONDS
    world.cloud.tick(world.clock.now)
    assert len(world.cloud.public_ips.find(MANAGER)) == 3
    patient.tick(world.clock.now)

    assert {one.id for one in world.cloud.public_ips.find(MANAGER)} == {one.id for one in kept}
    (entry,) = world.cloud.audit_entries(MEMBER)
    assert (entry.action, entry.object_id) == (AuditAction.PUBLIC_IP_RELEASED, idle.id)


@pytest.mark.covers("K5")
def test_records_of_addresses_go_long_after_their_end_and_not_before() -> None:
    world = a_world()
    a_reachable_port(world)
    for one in [world.cloud.public_ips.create(MANAGER, PublicIpDraft()) for _ in range(2)][:1]:
        world.cloud.public_ips.delete(MANAGER, one.id)
    ended = world.clock.now

    def left() -> int:
        # Long before it is housekeeping's turn again, every project has had its own.
        for _ in range(3):
            world.clock.now += HOUSEKEEPING_SECONDS
            world.cloud.tick(world.clock.now)
        return len(world.cloud.address_uses(ADMIN))

    assert left() == 2
    world.clock.now = ended + (KEPT_DAYS - 1) * 24 * HOUR
    assert left() == 2
    world.clock.now = ended + (KEPT_DAYS + 1) * 24 * HOUR
    assert left() == 1


@pytest.mark.covers("X23")
def test_the_report_of_what_nobody_uses_takes_no_second_at_many_ports(tmp_path: Path) -> None:
    world = a_world(open_store(sqlite_url(tmp_path / "many.db")))
    network = a_network(world)
    drafts = [PortDraft(network_id=network.id, device_id="elsewhere")] * 5_000
    for _ in range(2):
        world.cloud.ports.create_many(MEMBER, drafts)
    loose = a_port(world, network)

    begin = time.perf_counter()
    found = world.cloud.orphans(MEMBER)
    took = time.perf_counter() - begin

    assert [orphan.id for orphan in found] == [loose.id]
    assert took < 1.0
    world.store.close()
