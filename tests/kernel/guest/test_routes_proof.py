"""A change of routes is proven before it is made: sessions over every interface, on real routes."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.kernel.lab import wait_until
from tests.support.servers import HOSTS, SERVERS, Server, batch, server
from tests.support.talk import Talk, talk

from portlight.guest.guard.clock import boottime
from portlight.guest.routes.planned import planned
from portlight.guest.routes.remedies import plan_remedies
from portlight.guest.routes.values import Route, Snapshot

FIX = ("routes", "fix", "--only", "default-gateways", "--keep")
PEER, LOCAL = HOSTS[4].format(n=2), SERVERS[4].format(n=1)
OVER_SSH = ("env", f"SSH_CONNECTION={PEER} 40001 {LOCAL} 22")
"""What an SSH server tells those who come by the session."""


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


def session(host: Server, *, service: int = 22) -> AbstractContextManager[Talk]:
    """Hold a TCP connection from far away to the second interface."""
    return talk((host.worlds[1], PEER, 40001), (host.namespace, LOCAL, service))


def defaults(host: Server) -> list[str]:
    return host.run("ip", "route", "show", "default").splitlines()


@pytest.mark.covers("X12", "K48")
def test_a_remedy_that_would_cut_off_the_session_is_refused_with_its_packet(two: Server) -> None:
    before = defaults(two)
    with session(two) as mine:
        refused = two.guest(*FIX, "eth0", under=OVER_SSH)

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
        told = two.guest(*FIX, "eth0", "--force", "--confirm-within", "3", under=OVER_SSH)
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
        told = two.guest(*remedy, "--no-confirm", under=OVER_SSH)

        assert told.returncode == 0, told.stdout + told.stderr
        assert f"stays open: SSH session, {PEER}:40001 -> {LOCAL}:22 tcp" in told.stdout
        assert "change 1 is applied and confirmed" in told.stdout
        assert mine.answers()


@pytest.mark.covers("X12")
def test_what_policy_routing_holds_is_not_let_go_of_unless_forced(two: Server) -> None:
    two.must("routes", "policy", "on")
    batch(two.namespace, "route delete default via 10.1.0.1 dev eth1 metric 100")
    with session(two) as mine:
        refused = two.guest("routes", "policy", "off", under=OVER_SSH)

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
    with session(two):
        refused = two.guest("routes", "undo", under=OVER_SSH)

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
