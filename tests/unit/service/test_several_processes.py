"""Two services on one store, as two server processes are: each answers for both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.clouds import (
    HOST,
    MEMBER,
    Clock,
    CountingIds,
    World,
    a_network,
    a_port,
    a_subnet,
)
from tests.support.stores import ON_DISK, a_url

from portlight.core.drafts import VirtualIpDraft
from portlight.core.observation import CounterBlock, ErrorReport
from portlight.core.port import Port
from portlight.core.security_group import Direction
from portlight.core.virtual_ip import AnnouncementKind, VirtualIpMember
from portlight.service.cloud import HOUSEKEEPING_SECONDS
from portlight.service.report import AgentReport, ClaimReport, Count, CounterReport
from portlight.store.sql import open_store

Pair = tuple[World, World]


@pytest.fixture(params=ON_DISK)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    url = a_url(request.param, tmp_path, request)
    clock = Clock()
    one = World(store=open_store(url), clock=clock)
    other = World(store=open_store(url), clock=clock, ids=CountingIds(10**6))
    yield one, other
    one.store.close()
    other.store.close()


def a_report(port: Port, packets: int, *, reason: str | None = None) -> AgentReport:
    counter = CounterReport(
        port=port.number,
        direction=Direction.EGRESS,
        reason=reason,
        packets=packets,
        bytes=packets * 60,
    )
    return AgentReport(host=HOST, applied_sequence=packets, counters=(counter,))


def allowed(world: World, port: Port) -> Count:
    return world.cloud.port_counters(MEMBER, port.id).allowed[Direction.EGRESS]


def test_a_commit_of_one_wakes_those_who_wait_at_the_other(pair: Pair) -> None:
    one, other = pair
    woken: list[str] = []
    other.cloud.notice_commits()
    other.cloud.subscribe(lambda: woken.append("up"))

    other.cloud.notice_commits()
    assert not woken, "nothing has happened"
    a_network(one)
    other.cloud.notice_commits()

    assert woken == ["up"]


def test_counters_and_hosts_told_to_one_are_known_to_the_other(pair: Pair) -> None:
    one, other = pair
    port = a_port(one, a_network(one))
    error = ErrorReport(object="link 5", message="no such device")

    one.cloud.report(HOST, a_report(port, 5))
    one.cloud.report(HOST, AgentReport(host=HOST, applied_sequence=9, errors=(error,)))
    assert one.cloud.hosts()[0].applied_sequence == 9, "what is not kept yet is shown here"
    one.clock.now += 1
    one.cloud.tick(one.clock.now)

    assert allowed(other, port) == Count(packets=5, bytes=300)
    assert [counters.port_id for counters in other.cloud.all_counters()] == [port.id]
    (state,) = other.cloud.hosts()
    assert (state.applied_sequence, state.errors) == (9, (error,))


def test_of_two_counts_told_to_two_processes_the_later_one_counts(pair: Pair) -> None:
    one, other = pair
    port = a_port(one, a_network(one))
    one.cloud.report(HOST, a_report(port, 5))
    # Not kept at once: the second within a second.
    one.clock.now += 0.2
    one.cloud.report(HOST, a_report(port, 7))
    one.clock.now += 0.2
    other.cloud.report(HOST, a_report(port, 8))
    assert allowed(other, port).packets == 8

    one.clock.now += 1
    one.cloud.tick(one.clock.now)

    assert allowed(one, port).packets == allowed(other, port).packets == 8


def test_counters_outlive_the_process_that_was_told(pair: Pair) -> None:
    one, other = pair
    port = a_port(one, a_network(one))
    one.cloud.report(HOST, a_report(port, 5))
    one.cloud.report(HOST, a_report(port, 6, reason="spoofed_mac"))

    one.cloud.settle()

    counters = other.cloud.port_counters(MEMBER, port.id)
    assert counters.allowed[Direction.EGRESS].packets == 5
    assert counters.dropped[Direction.EGRESS]["spoofed_mac"].packets == 6


def test_the_counters_of_ports_that_are_gone_are_forgotten(pair: Pair) -> None:
    one, other = pair
    network = a_network(one)
    gone, stays = a_port(one, network), a_port(one, network)
    for port in (gone, stays):
        one.clock.now += 2
        one.cloud.report(HOST, a_report(port, 5))
    one.cloud.ports.delete(MEMBER, gone.id)

    one.clock.now += HOUSEKEEPING_SECONDS
    one.cloud.tick(one.clock.now)

    with other.store.reading() as tx:
        (block,) = tx.find(CounterBlock)
    assert len(block.counts) == 1
    assert allowed(other, stays).packets == 5


@pytest.mark.covers("X3")
def test_a_fight_over_a_virtual_ip_is_noticed_whichever_process_hears_of_it(pair: Pair) -> None:
    one, other = pair
    network = a_network(one)
    subnet = a_subnet(one, network)
    ports = [a_port(one, network) for _ in range(2)]
    members = tuple(VirtualIpMember(port_id=port.id) for port in ports)
    draft = VirtualIpDraft(subnet_id=subnet.id, members=members)
    vip = one.cloud.virtual_ips.create(MEMBER, draft)

    for number in range(4):
        one.clock.now += 0.5
        port = ports[number % 2]
        claim = ClaimReport(
            network=network.number,
            address=vip.address,
            port=port.number,
            mac=port.mac,
            kind=AnnouncementKind.ARP,
            accepted=True,
            at=one.clock.now,
        )
        pair[number // 2].cloud.report(HOST, AgentReport(host=HOST, claims=(claim,)))

    assert one.cloud.virtual_ip_state(MEMBER, vip.id).split_brain
    assert other.cloud.virtual_ip_state(MEMBER, vip.id).split_brain
    one.clock.now += 11
    for world in pair:
        world.cloud.tick(one.clock.now)
    assert not other.cloud.virtual_ip_state(MEMBER, vip.id).split_brain
