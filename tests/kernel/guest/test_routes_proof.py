"""A change of routes is proven before it is made: sessions over every interface, on real routes."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.kernel.lab import wait_until
from tests.support.servers import HOSTS, SERVERS, Server, batch, server

from portlight.guest.guard.clock import boottime
from portlight.guest.routes.planned import planned
from portlight.guest.routes.remedies import plan_remedies
from portlight.guest.routes.values import Route, Snapshot

FIX = ("routes", "fix", "--only", "default-gateways", "--keep")
PEER, LOCAL = HOSTS[4].format(n=2), SERVERS[4].format(n=1)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Server]:
    """Two interfaces; what is far away is reached by the second, and the first could do it."""
    with server(tmp_path, 2, gateways=False) as made:
        batch(
            made.namespace,
            "route add default via 10.1.0.1 dev eth1 metric 100",
            "route add default via 10.0.0.1 dev eth0 metric 200",
        )
        yield made


@dataclass(frozen=True, slots=True)
class Session:
    """A TCP connection from far away to the second interface."""

    port: int
    client: subprocess.Popen[bytes]
    service: subprocess.Popen[bytes]

    @property
    def environment(self) -> tuple[str, ...]:
        """What an SSH server tells those who come by this connection."""
        return ("env", f"SSH_CONNECTION={PEER} {self.port} {LOCAL} 22")

    def answers(self) -> bool:
        """Whether what one end says reaches the other, and the answer comes back."""
        for near, far in ((self.client, self.service), (self.service, self.client)):
            assert near.stdin
            assert far.stdout
            near.stdin.write(b"x\n")
            near.stdin.flush()
            if far.stdout.readline() != b"x\n":
                return False
        return True


@contextmanager
def session(host: Server, port: int = 40001, *, service: int = 22) -> Iterator[Session]:
    listen = ("nc", "-l", LOCAL, str(service))
    reach = ("nc", "-s", PEER, "-p", str(port), LOCAL, str(service))
    ends: list[subprocess.Popen[bytes]] = []
    try:
        ends.append(_start(host.namespace, listen))
        wait_until(lambda: f"{LOCAL}:{service}" in host.run("ss", "-Hltn"))
        ends.append(_start(host.worlds[1], reach))
        wait_until(lambda: f"{PEER}:{port}" in host.run("ss", "-Htn"))
        yield Session(port, ends[1], ends[0])
    finally:
        for one in ends:
            one.kill()
            one.communicate()


def _start(namespace: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    enter = ("nsenter", f"--net=/run/netns/{namespace}", *command)
    return subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def defaults(host: Server) -> list[str]:
    return host.run("ip", "route", "show", "default").splitlines()


@pytest.mark.covers("X12", "K48")
def test_a_remedy_that_would_cut_off_the_session_is_refused_with_its_packet(two: Server) -> None:
    before = defaults(two)
    with session(two) as mine:
        refused = two.guest(*FIX, "eth0", under=mine.environment)

        assert refused.returncode == 1
        assert f"you work through SSH: {PEER} -> {LOCAL}" in refused.stdout
        assert "WOULD BE LOST: SSH session" in refused.stdout
        assert (
            f"the next packet out: {LOCAL}:22 -> {PEER}:40001 would leave by eth0; the other end"
            " is behind eth1" in refused.stdout
        )
        assert "nothing was changed" in refused.stderr
        assert defaults(two) == before
        assert mine.answers()


@pytest.mark.covers("X11", "X12")
def test_a_forced_remedy_is_taken_back_within_a_second_and_the_session_lives(two: Server) -> None:
    before = defaults(two)
    with session(two) as mine:
        told = two.guest(*FIX, "eth0", "--force", "--confirm-within", "3", under=mine.environment)
        cut_off = defaults(two)
        wait_until(lambda: defaults(two) == before)
        late = boottime() - json.loads((two.state / "changes/000001.json").read_text())["deadline"]

        assert told.returncode == 0
        assert cut_off == [before[1]]
        assert 0 <= late < 1
        assert mine.answers()


@pytest.mark.covers("X12", "X16")
@pytest.mark.parametrize("remedy", [(*FIX, "eth1"), ("routes", "fix", "--only", "policy-routing")])
def test_a_remedy_that_keeps_the_session_goes_through(two: Server, remedy: tuple[str, ...]) -> None:
    with session(two) as mine:
        told = two.guest(*remedy, "--no-confirm", under=mine.environment)

        assert told.returncode == 0, told.stdout + told.stderr
        assert f"stays open: SSH session, {PEER}:40001 -> {LOCAL}:22 tcp" in told.stdout
        assert "change 1 is applied and confirmed" in told.stdout
        assert mine.answers()


@pytest.mark.covers("X12")
def test_what_policy_routing_holds_is_not_let_go_of_unless_forced(two: Server) -> None:
    two.must("routes", "policy", "on")
    batch(two.namespace, "route delete default via 10.1.0.1 dev eth1 metric 100")
    with session(two) as mine:
        refused = two.guest("routes", "policy", "off", under=mine.environment)

        assert refused.returncode == 1
        assert "WOULD BE LOST: SSH session" in refused.stdout
        assert mine.answers()
        two.must("routes", "policy", "off", "--force")
    assert not two.answers(1, 4)


@pytest.mark.covers("K49")
def test_live_flows_that_would_die_are_listed_and_do_not_stop_a_remedy(two: Server) -> None:
    with session(two, service=7):
        told = two.guest(*FIX, "eth0", "--preview", "--json", "--force")
        kept = two.guest(*FIX, "eth1", "--preview", "--json")

    flow = f"{PEER}:40001 -> {LOCAL}:7 tcp"
    assert [one["flow"] for one in json.loads(told.stdout)["dying"]] == [flow]
    assert (json.loads(kept.stdout)["dying"], json.loads(kept.stdout)["kept"]) == ([], 1)
    assert len(defaults(two)) == 2


@pytest.mark.covers("X12")
def test_a_declared_network_is_kept_on_every_address_that_it_reaches(two: Server) -> None:
    two.must("routes", "policy", "on")
    batch(two.namespace, "route delete default via 10.1.0.1 dev eth1 metric 100")
    two.must("protect", "add", "198.51.100.0/24", "tcp/22")

    refused = two.guest("routes", "policy", "off")

    assert refused.returncode == 1
    assert f"{LOCAL}:22 -> 198.51.100.0:50022 would leave by eth0" in refused.stdout


@pytest.mark.covers("X12")
def test_the_reverse_path_filter_counts_for_what_comes_in(two: Server) -> None:
    two.run("sysctl", "-qw", "net.ipv4.conf.eth1.rp_filter=2")
    two.must("routes", "fix", "--only", "policy-routing", "--no-confirm")
    two.run("sysctl", "-qw", "net.ipv4.conf.eth1.rp_filter=1")
    batch(two.namespace, "route delete default via 10.1.0.1 dev eth1 metric 100")
    with session(two) as mine:
        refused = two.guest("routes", "undo", under=mine.environment)

        assert refused.returncode == 1
        assert (
            f"the next packet in: {PEER}:40001 -> {LOCAL}:22 would be dropped when it comes in by"
            " eth1: rp_filter is 1 there, and the way back leaves by eth0" in refused.stdout
        )


@pytest.mark.covers("X12", "X16")
def test_what_is_planned_is_what_the_kernel_makes_of_it_and_of_the_way_back(two: Server) -> None:
    two.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.eth1.rp_filter=1")
    for kinds in (("policy-routing",), ("rp-filter", "forwarding", "mtu"), ("default-gateways",)):
        as_planned(two, kinds)
    batch(
        two.namespace,
        "route flush default",
        "route add default nexthop via 10.0.0.1 dev eth0 nexthop via 10.1.0.1 dev eth1",
        "route append default via 2001:db8:0::1 dev eth0 metric 1024",
        "route append default via 2001:db8:1::1 dev eth1 metric 1024",
    )
    as_planned(two, ("default-gateways",))


def as_planned(host: Server, kinds: tuple[str, ...]) -> None:
    """Apply remedies and take them back; the kernel has each time what was foreseen."""
    plan = plan_remedies(host.snapshot(), kinds)
    for commands in (plan.apply, plan.undo):
        foreseen = planned(host.snapshot(), commands)
        for command in commands:
            host.run(*command)
        assert commands
        assert ways(foreseen) == ways(host.snapshot())


def ways(snapshot: Snapshot) -> tuple[object, ...]:
    """Return what of a server decides about ways; the kernel fills in what we left open."""
    places = [one for one in snapshot.routes if one.family == 4]
    places.sort(key=lambda one: (one.table, one.destination, one.metric))
    return (
        # Of IPv4 also the order counts: the first of equals is taken.
        [_bare(one) for one in places],
        {_bare(one) for one in snapshot.routes},
        set(snapshot.rules),
        dict(snapshot.forwarding),
        {one.name: one.settings["ipv4/rp_filter"] for one in snapshot.interfaces},
    )


def _bare(route: Route) -> Route:
    return replace(route, scope="", mtu=0, hops=tuple(replace(one, weight=1) for one in route.hops))
