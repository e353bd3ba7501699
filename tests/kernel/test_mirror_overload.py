"""Production goes first: what becomes of copies that cannot be made or carried."""

import re
import time
from collections.abc import Iterator

import pytest
from tests.kernel.lab import wait_until
from tests.support.builders import a_mirror_filter, a_mirror_rule, a_mirror_session
from tests.support.captures import OUTER
from tests.support.mirror_scene import (
    EVERYTHING,
    GUESTS,
    OTHER,
    PEER,
    SOURCE,
    TARGET,
    a_cloud,
    addresses,
    finish,
    mirror_host,
    mirrors,
    outcomes,
    transfer,
)
from tests.support.plan_host import PlanHost

from portlight.compiler.mirrors import MAX_CHAINS
from portlight.core.mirror import DEFAULT_PACKET_LENGTH
from portlight.core.security_group import Direction
from portlight.core.topology import Entity
from portlight.dataplane.bpf.abi import MirrorOutcome

STREAMS, SMALL_MTU = 4, 200
"""A super-packet of 64 KiB has 400 segments then: copies for two sessions are too many at once."""

GIGABIT = 125_000_000
"""A second, in bytes."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanHost]:
    with mirror_host(tmp_path_factory.mktemp("objects")) as made:
        yield made


@pytest.mark.covers("H41")
def test_a_budget_bounds_the_copies_and_counts_what_it_held_back(host: PlanHost) -> None:
    """Half the budget at least is spent, even if the machine is too busy to ping all the time."""
    rate = 20_000
    host.show(a_cloud(*mirrors(a_mirror_rule(1, protocol=1), bytes_per_second=rate)))
    before = outcomes(host)
    began = time.monotonic()
    told = host.inside(SOURCE, "ping", "-q", "-i0.001", "-c1000", "-s1000", addresses(PEER)[0])
    took = time.monotonic() - began
    after = outcomes(host)
    pinged = re.search(r"time (\d+)ms", told)

    held = after[MirrorOutcome.OVER_BUDGET] - before.get(MirrorOutcome.OVER_BUDGET, 0)
    copied = after[MirrorOutcome.COPIED] - before.get(MirrorOutcome.COPIED, 0)
    assert held + copied == 1000
    assert pinged is not None
    copy = DEFAULT_PACKET_LENGTH + OUTER
    assert rate * int(pinged[1]) / 1000 / 2 < copied * copy < rate * (took + 0.1) + copy


@pytest.mark.covers("X34")
def test_without_a_way_to_the_target_the_traffic_goes_on_and_the_copies_are_counted(
    host: PlanHost,
) -> None:
    pings = (
        a_mirror_rule(1, protocol=1, direction=Direction.EGRESS),
        a_mirror_rule(2, protocol=1, direction=Direction.INGRESS),
    )
    host.show(a_cloud(a_mirror_filter(), *pings, a_mirror_session(1, (SOURCE,), 99)))
    before = outcomes(host)
    assert " 0% packet loss" in host.inside(SOURCE, "ping", "-i0.01", "-c20", addresses(PEER)[0])
    assert outcomes(host)[MirrorOutcome.NO_TARGET] - before.get(MirrorOutcome.NO_TARGET, 0) == 40


@pytest.mark.covers("H36")
def test_a_collector_with_default_buffers_gets_the_copies_of_a_cut_stream(host: PlanHost) -> None:
    host.show(a_cloud(*mirrors(a_mirror_rule(1, protocol=6), packet_length=96)))
    before, (got, lost) = outcomes(host), datagrams(host, TARGET)

    transfer(host, addresses(PEER)[0], bytes_sent=60_000_000, bytes_per_second=GIGABIT)

    made = outcomes(host)[MirrorOutcome.COPIED] - before.get(MirrorOutcome.COPIED, 0)
    deadline = time.monotonic() + 10
    while sum(datagrams(host, TARGET)) - got - lost < made:
        assert time.monotonic() < deadline, "copies on their way"
        time.sleep(0.1)
    assert made > 40_000
    # The listener is a plain socket in plain Python. With 128 KiB for each it got 2 in 100.
    assert datagrams(host, TARGET)[0] - got > 0.5 * made


def datagrams(host: PlanHost, number: int) -> tuple[int, int]:
    """Return how many datagrams a guest's sockets got, and found no room for."""
    rows = host.inside(number, "grep", "Udp:", "/proc/net/snmp").splitlines()
    told = dict(zip(*(row.split() for row in rows), strict=True))
    return int(told["InDatagrams"]), int(told["RcvbufErrors"])


def counted(host: PlanHost, number: int) -> dict[str, int]:
    """Return what the guest's kernel says: IPv4 packets got and sent, frames not taken."""
    text = host.inside(number, "cat", "/proc/net/dev")
    fields = re.sub(r".*eth0:", "", text, flags=re.DOTALL).split()
    protocols = host.inside(number, "cat", "/proc/net/snmp")
    names, values = re.findall(r"^Ip: (.*)", protocols, re.MULTILINE)
    ip = dict(zip(names.split(), map(int, values.split()), strict=True))
    return {"received": ip["InReceives"], "sent": ip["OutRequests"], "lost": int(fields[11])}


def many_sessions() -> Iterator[Entity]:
    """Yield as many sessions as can each have a copy of the same packet."""
    yield from mirrors(*EVERYTHING)
    for number in range(2, MAX_CHAINS + 1):
        yield a_mirror_session(number, (SOURCE,), TARGET, copies_all=True)


@pytest.mark.covers("X34")
def test_copies_beyond_what_the_machine_carries_are_counted_and_take_no_place_of_production(
    host: PlanHost,
) -> None:
    host.show(a_cloud(*many_sessions()))
    for number in GUESTS:
        # IPv6 would send multicasts of its own, at times of its own.
        host.inside(number, "sysctl", "-q", "net.ipv6.conf.all.disable_ipv6=1")
    for number in (SOURCE, PEER):
        host.inside(number, "ip", "link", "set", "eth0", "mtu", str(SMALL_MTU))
    # It would still ask the source for its MAC, some seconds after they spoke.
    host.inside(OTHER, "ip", "link", "set", "eth0", "down")
    before = outcomes(host)
    guests = {number: counted(host, number) for number in (SOURCE, PEER, TARGET)}

    server = host.start(PEER, "iperf3", "--server", "--one-off", "--forceflush")
    assert server.stdout is not None
    server.stdout.readline()
    host.inside(SOURCE, "iperf3", "--client", addresses(PEER)[0], "--time", "2", "-P", str(STREAMS))
    finish(server)

    def more(number: int, what: str) -> int:
        return counted(host, number)[what] - guests[number][what]

    def made() -> dict[MirrorOutcome, int]:
        after = outcomes(host)
        return {one: after.get(one, 0) - before.get(one, 0) for one in MirrorOutcome}

    # What waits when the traffic ends is still made into copies.
    wait_until(
        lambda: made()[MirrorOutcome.COPIED] == more(TARGET, "received"), lambda: f"{made()}"
    )
    assert more(SOURCE, "lost") == more(PEER, "lost") == 0
    assert more(SOURCE, "sent") == more(PEER, "received")
    assert made()[MirrorOutcome.OVERLOAD] > 0
    assert made()[MirrorOutcome.FAILED] == made()[MirrorOutcome.REFUSED] == 0
