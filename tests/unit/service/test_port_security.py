"""The switch of a port's security: reason, end, audit log; ports deleted by force."""

import pytest
from tests.support.clouds import (
    ADMIN,
    MEMBER,
    READER,
    STRANGER,
    World,
    a_network,
    a_subnet,
    a_world,
)

from portlight.core.audit import AuditAction
from portlight.core.drafts import InstanceDraft, InterfaceRequest, PortDraft, SecurityGroupDraft
from portlight.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from portlight.core.errors_port import PortInUseError, ServicePortError
from portlight.core.port import AddressPair, Port
from portlight.core.posture import Exposure, findings_of
from portlight.values.addresses import parse_prefix

OPEN_FOR = 60


@pytest.fixture
def world() -> World:
    return a_world()


@pytest.fixture
def port(world: World) -> Port:
    network = a_network(world)
    a_subnet(world, network)
    return world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id))


def open_up(world: World, port: Port, reason: str = "", seconds: int | None = None) -> Port:
    draft = PortDraft(
        port_security_enabled=False,
        security_groups=(),
        port_security_reason=reason,
        port_security_seconds=seconds,
    )
    return world.cloud.ports.update(MEMBER, port.id, draft)


def audited(world: World) -> list[tuple[AuditAction, str, str]]:
    entries = world.cloud.audit_entries(ADMIN)
    return [(one.action, one.object_id, one.user_name) for one in reversed(entries)]


@pytest.mark.covers("N9")
def test_an_opening_ends_by_itself_and_the_port_is_in_its_groups_again(
    world: World, port: Port
) -> None:
    opened = open_up(world, port, "a packet capture", OPEN_FOR)
    world.clock.now += OPEN_FOR - 1
    world.cloud.tick(world.clock.now)
    still_open = world.cloud.ports.get(MEMBER, port.id)
    world.clock.now += 1
    world.cloud.tick(world.clock.now)

    again = world.cloud.ports.get(MEMBER, port.id)

    assert (opened.port_security_enabled, opened.security_groups) == (False, ())
    assert not still_open.port_security_enabled
    assert again.port_security_enabled
    assert again.security_groups == port.security_groups
    assert again.opening is None
    assert again.meta.revision_number > opened.meta.revision_number


@pytest.mark.covers("N9")
def test_who_switched_when_and_why_is_kept_in_the_audit_log(world: World, port: Port) -> None:
    open_up(world, port, "a packet capture", OPEN_FOR)
    world.clock.now += 1
    world.cloud.ports.update(MEMBER, port.id, PortDraft(port_security_reason="a longer one"))
    world.clock.now += 1
    world.cloud.ports.update(MEMBER, port.id, PortDraft(port_security_enabled=True))
    world.clock.now += 1
    open_up(world, port, "again", OPEN_FOR)
    world.clock.now += OPEN_FOR
    world.cloud.tick(world.clock.now)

    entries = world.cloud.audit_entries(MEMBER)

    assert audited(world) == [
        (AuditAction.PORT_SECURITY_OFF, port.id, "someone"),
        (AuditAction.PORT_SECURITY_CHANGED, port.id, "someone"),
        (AuditAction.PORT_SECURITY_ON, port.id, "someone"),
        (AuditAction.PORT_SECURITY_OFF, port.id, "someone"),
        (AuditAction.PORT_SECURITY_EXPIRED, port.id, "system"),
    ]
    assert [one.reason for one in entries][-2:] == ["a longer one", "a packet capture"]
    assert entries[0].until == world.clock.now
    assert world.cloud.audit_entries(STRANGER) == []


def test_a_change_of_other_fields_leaves_the_opening_and_the_log_alone(
    world: World, port: Port
) -> None:
    opened = open_up(world, port, "why", OPEN_FOR)

    renamed = world.cloud.ports.update(MEMBER, port.id, PortDraft(name="other"))

    assert renamed.opening == opened.opening
    assert len(audited(world)) == 1


def test_an_opening_without_an_end_stays(world: World, port: Port) -> None:
    open_up(world, port, "for ever")
    world.clock.now += 10**6
    world.cloud.tick(world.clock.now)

    assert not world.cloud.ports.get(MEMBER, port.id).port_security_enabled


def test_an_end_can_be_taken_back(world: World, port: Port) -> None:
    open_up(world, port, "why", OPEN_FOR)

    changed = world.cloud.ports.update(MEMBER, port.id, PortDraft(port_security_seconds=None))

    assert changed.opening is not None
    assert changed.opening.until is None


@pytest.mark.parametrize(
    "draft", [PortDraft(port_security_reason="why"), PortDraft(port_security_seconds=5)]
)
def test_a_reason_or_an_end_needs_an_opening(world: World, port: Port, draft: PortDraft) -> None:
    with pytest.raises(InvalidRequestError, match="port security is on"):
        world.cloud.ports.update(MEMBER, port.id, draft)


def test_a_port_whose_groups_are_gone_gets_the_default_one(world: World, port: Port) -> None:
    default = port.security_groups
    own = world.cloud.security_groups.create(MEMBER, SecurityGroupDraft(name="own"))
    world.cloud.ports.update(MEMBER, port.id, PortDraft(security_groups=(own.id,)))
    open_up(world, port, "why", OPEN_FOR)
    world.cloud.security_groups.delete(MEMBER, own.id)
    world.clock.now += OPEN_FOR

    world.cloud.tick(world.clock.now)

    assert world.cloud.ports.get(MEMBER, port.id).security_groups == default


def test_a_port_that_is_made_open_is_kept_in_the_audit_log(world: World, port: Port) -> None:
    draft = PortDraft(
        network_id=port.network_id, port_security_enabled=False, port_security_reason="a router"
    )

    made = world.cloud.ports.create(MEMBER, draft)

    assert audited(world) == [(AuditAction.PORT_SECURITY_OFF, made.id, "someone")]


@pytest.mark.covers("N12")
def test_the_posture_of_a_port_says_what_weakens_it_the_gravest_first(
    world: World, port: Port
) -> None:
    pairs = tuple(AddressPair(prefix=parse_prefix(one)) for one in ("10.0.0.0/24", "0.0.0.0/0"))
    paired = world.cloud.ports.update(
        MEMBER, port.id, PortDraft(allowed_address_pairs=pairs, security_groups=())
    )

    assert findings_of(port) == []
    assert [one.exposure for one in findings_of(paired)] == [
        Exposure.ANY_SOURCE,
        Exposure.ADDRESS_PAIRS,
        Exposure.NO_GROUPS,
    ]


@pytest.mark.covers("N12")
def test_the_posture_of_an_open_port_gives_the_reason(world: World, port: Port) -> None:
    network = world.cloud.networks.get(MEMBER, port.network_id)
    silent = world.cloud.ports.create(
        MEMBER, PortDraft(network_id=network.id, port_security_enabled=False)
    )

    assert [one.detail for one in findings_of(open_up(world, port, "a capture"))] == ["a capture"]
    assert [one.detail for one in findings_of(silent)] == ["no reason was given"]


def test_the_servers_of_networks_are_no_exposure(world: World) -> None:
    network = a_network(world)
    a_subnet(world, network, dhcp=True)
    (server,) = world.cloud.ports.find(ADMIN, {"device_owner": ["network:dhcp"]})

    assert findings_of(server) == []


@pytest.mark.covers("N20")
def test_an_administrator_detaches_and_deletes_a_port_by_force(world: World, port: Port) -> None:
    draft = InstanceDraft(interfaces=(InterfaceRequest(port_id=port.id),))
    instance = world.cloud.instances.create(MEMBER, draft)
    with pytest.raises(PortInUseError, match=instance.id):
        world.cloud.ports.delete(MEMBER, port.id)
    for caller in (MEMBER, READER):
        with pytest.raises(ForbiddenError, match="force_detach"):
            world.cloud.delete_port_by_force(caller, port.id)

    world.cloud.delete_port_by_force(ADMIN, port.id)

    with pytest.raises(NotFoundError):
        world.cloud.ports.get(MEMBER, port.id)
    (entry,) = world.cloud.audit_entries(MEMBER)
    assert (entry.action, instance.id in entry.detail) == (AuditAction.PORT_FORCED_OFF, True)


def test_force_does_not_take_the_port_of_a_service(world: World) -> None:
    network = a_network(world)
    a_subnet(world, network, dhcp=True)
    (server,) = world.cloud.ports.find(ADMIN, {"device_owner": ["network:dhcp"]})

    with pytest.raises(ServicePortError):
        world.cloud.delete_port_by_force(ADMIN, server.id)


def test_force_obeys_the_revision(world: World, port: Port) -> None:
    with pytest.raises(PreconditionFailedError):
        world.cloud.delete_port_by_force(ADMIN, port.id, if_revision=99)
