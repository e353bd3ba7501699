"""The change stream that agents follow, and the counters they send."""

import pytest
from tests.support.clouds import HOST, MEMBER, STRANGER, a_network, a_port, a_subnet, a_world

from portlight.core.drafts import NetworkDraft, PortDraft
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.network import Network
from portlight.core.observation import ErrorReport
from portlight.core.port import PortStatus
from portlight.core.security_group import Direction
from portlight.service.report import AgentReport, Count, CounterReport, PortReport
from portlight.values.ids import HostName


def test_without_a_number_an_agent_gets_everything() -> None:
    world = a_world()
    network = a_network(world)
    port = a_port(world, network)

    batch = world.cloud.changes_after(HOST, None)

    assert batch.snapshot
    assert {(change.kind, change.id) for change in batch.changes} >= {
        ("networks", network.id),
        ("ports", port.id),
        ("security_groups", port.security_groups[0]),
    }
    assert [change.entity for change in batch.changes if change.kind == "ports"] == [port]


def test_after_a_number_it_gets_each_changed_entity_once_in_its_present_form() -> None:
    world = a_world()
    network = a_network(world)
    gone = a_network(world)
    start = world.cloud.changes_after(HOST, None).sequence

    world.cloud.networks.update(MEMBER, network.id, NetworkDraft(name="a"))
    last = world.cloud.networks.update(MEMBER, network.id, NetworkDraft(name="b"))
    world.cloud.networks.delete(MEMBER, gone.id)
    batch = world.cloud.changes_after(HOST, start)

    assert not batch.snapshot
    assert batch.sequence == start + 3
    assert [(change.id, change.entity) for change in batch.changes] == [
        (network.id, last),
        (gone.id, None),
    ]
    assert world.cloud.changes_after(HOST, batch.sequence).changes == ()


@pytest.mark.parametrize("after", [-1, 10_000])
def test_a_number_that_the_log_does_not_reach_gives_everything(after: int) -> None:
    world = a_world()
    a_network(world)

    assert world.cloud.changes_after(HOST, after).snapshot


def test_an_agent_that_is_too_far_behind_gets_everything() -> None:
    world = a_world()
    a_network(world)
    a_network(world)
    with world.store.writing() as tx:
        tx.prune_changes(1)

    assert world.cloud.changes_after(HOST, 0).snapshot
    assert not world.cloud.changes_after(HOST, 1).snapshot


def test_a_failed_request_changes_nothing_in_the_stream() -> None:
    world = a_world()
    start = world.cloud.changes_after(HOST, None).sequence

    with pytest.raises(InvalidRequestError):
        a_network(world, NetworkDraft(mtu=1))

    assert world.cloud.changes_after(HOST, start).sequence == start


def test_who_waits_is_woken_after_the_commit_and_not_for_reports() -> None:
    world = a_world()
    seen: list[int] = []
    stop = world.cloud.subscribe(
        lambda: seen.append(len(world.cloud.changes_after(HOST, 0).changes))
    )

    network = a_network(world)
    port = a_port(world, network)
    count = len(seen)
    world.cloud.report(
        HOST,
        AgentReport(host=HOST, ports=(PortReport(number=port.number, status=PortStatus.ACTIVE),)),
    )
    assert len(seen) == count == 2
    assert seen[0] == 1, "the network was there when the call came"

    stop()
    a_network(world)
    assert len(seen) == count


def test_numbers_are_never_given_twice() -> None:
    world = a_world()
    network = a_network(world)
    first = a_port(world, network)
    world.cloud.ports.delete(MEMBER, first.id)
    world.cloud.networks.delete(MEMBER, network.id)

    second: Network = a_network(world)

    assert second.number == network.number + 1
    assert a_port(world, second).number == first.number + 1


def test_counters_are_totals_by_direction_and_reason() -> None:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    port, quiet = a_port(world, network), a_port(world, network)
    egress = Direction.EGRESS

    for packets in (5, 7):
        world.cloud.report(
            HOST,
            AgentReport(
                host=HOST,
                counters=(
                    CounterReport(port=port.number, direction=egress, packets=packets, bytes=70),
                    CounterReport(
                        port=port.number,
                        direction=egress,
                        reason="spoofed_mac",
                        packets=packets,
                        bytes=99,
                    ),
                ),
            ),
        )
    counters = world.cloud.port_counters(MEMBER, port.id)

    assert counters.allowed[egress] == Count(packets=7, bytes=70)
    assert counters.dropped[egress] == {"spoofed_mac": Count(packets=7, bytes=99)}
    assert counters.allowed[Direction.INGRESS] == Count()
    assert world.cloud.port_counters(MEMBER, quiet.id).dropped[egress] == {}
    assert world.cloud.all_counters() == [counters]
    with pytest.raises(NotFoundError):
        world.cloud.port_counters(STRANGER, port.id)

    world.cloud.ports.delete(MEMBER, port.id)
    assert world.cloud.all_counters() == []


def test_the_last_words_of_a_host_are_remembered_and_nobody_speaks_for_another() -> None:
    world = a_world()
    error = ErrorReport(object="link 5", message="no such device")

    world.cloud.report(HOST, AgentReport(host=HOST, applied_sequence=3, errors=(error,)))
    (state,) = world.cloud.hosts()

    assert (state.applied_sequence, state.errors) == (3, (error,))
    with pytest.raises(InvalidRequestError):
        world.cloud.report(HostName("host-2"), AgentReport(host=HOST))


def test_housekeeping_keeps_a_young_log() -> None:
    world = a_world()
    network = a_network(world)
    world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id))
    before = world.cloud.changes_after(HOST, 0)

    world.cloud.tick(world.clock.now)

    assert world.cloud.changes_after(HOST, 0) == before
