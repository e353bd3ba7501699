"""Remedies that are kept: after a restart, while addresses move, and until they are undone."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kernel.lab import wait_until
from tests.support.servers import Server, batch, server

GATEWAYS = ("routes", "fix", "--only", "default-gateways", "--no-confirm")
POLICY = ("routes", "fix", "--only", "policy-routing", "--no-confirm")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Server]:
    """Two interfaces, each with a gateway in both families; eth0's is the first."""
    with server(tmp_path, 2) as made:
        yield made


@contextmanager
def following(host: Server, *words: str, under: tuple[str, ...] = ()) -> Iterator[None]:
    """Follow routes in the background."""
    follower = host.start("routes", *words, "--follow", under=under)
    try:
        yield
    finally:
        follower.terminate()
        follower.wait(30)


def defaults(host: Server) -> list[str]:
    """Return the interfaces of the IPv4 default routes."""
    lines = host.run("ip", "-4", "route", "show", "default").splitlines()
    return [line.split(" dev ")[1].split()[0] for line in lines]


def rules(host: Server) -> list[str]:
    """Return the sources of our rules of IPv4."""
    lines = host.run("ip", "-4", "rule").splitlines()
    return [line.split("from ")[1].split()[0] for line in lines if "proto 74" in line]


def wait_for(host: Server, condition: Callable[[], bool]) -> None:
    """Wait as long as a busy machine may need for the work of a follower."""
    wait_until(condition, lambda: host.run("ip", "rule") + host.run("ip", "route"), seconds=30)


def reboot(host: Server) -> None:
    """Take away what a restart takes: routes and rules, ours and the others'."""
    host.must("routes", "policy", "off")
    for family in (4, 6):
        host.run("ip", f"-{family}", "route", "flush", "default")


def add_default(host: Server, number: int, metric: int = 100) -> None:
    batch(
        host.namespace, f"route append default via 10.{number}.0.1 dev eth{number} metric {metric}"
    )


@pytest.mark.covers("K9", "X16")
def test_after_a_restart_the_gateway_stays_that_stayed_before_however_late_its_lease(
    two: Server,
) -> None:
    two.must(*GATEWAYS)
    two.must(*POLICY)
    reboot(two)
    add_default(two, 1, metric=50)

    with following(two, "restore"):
        wait_for(two, lambda: len(rules(two)) == 2)
        assert defaults(two) == ["eth1"], "the only way out is not taken away"
        add_default(two, 0)
        wait_for(two, lambda: defaults(two) == ["eth0"])
        add_default(two, 1, metric=50)
        wait_for(two, lambda: defaults(two) == ["eth0"])

    assert two.answers(1, 4), "the other interface keeps its gateway in its own table"


def test_a_remedy_that_is_not_possible_yet_is_said_and_stops_no_other(two: Server) -> None:
    two.must(*GATEWAYS)
    two.must(*POLICY)
    reboot(two)

    done = two.guest("routes", "restore")

    assert done.returncode == 1
    assert "default-gateways: --keep eth0: no default route leads over it" in done.stderr
    assert len(rules(two)) == 2


@pytest.mark.covers("X16")
def test_what_is_undone_is_not_followed_any_more(two: Server) -> None:
    two.must(*POLICY)
    follower = two.start("routes", "restore", "--follow")

    two.must("routes", "undo")
    assert rules(two) == []
    batch(two.namespace, "address add 10.1.0.6/24 dev eth1")
    two.must("routes", "confirm")

    assert follower.wait(30) == 0, "nothing is to be followed"
    assert rules(two) == []


@pytest.mark.covers("X16")
def test_an_undo_that_is_taken_back_is_followed_again(two: Server) -> None:
    two.must(*POLICY)

    with following(two, "restore"):
        two.must("routes", "undo")
        batch(two.namespace, "address add 10.1.0.6/24 dev eth1")
        two.must("routes", "rollback")

        wait_for(two, lambda: "10.1.0.6" in rules(two))


@pytest.mark.covers("X16")
def test_a_confirmed_change_is_undone_also_when_addresses_and_routes_moved_since(
    two: Server,
) -> None:
    two.must("routes", "fix", "--only", "policy-routing", "-o", "default-gateways", "--no-confirm")
    batch(
        two.namespace,
        "address delete 10.1.0.5/24 dev eth1",
        "address add 10.7.0.5/24 dev eth1",
        "route append default via 10.7.0.1 dev eth1 metric 100",
        "rule delete from 10.0.0.5",
    )
    two.must("routes", "policy", "on")
    assert "10.7.0.5" in rules(two)

    done = two.guest("routes", "undo", "--no-confirm")

    assert done.returncode == 0, done.stderr
    assert "passed over: ip -4 route append default via 10.1.0.1 dev eth1" in done.stderr
    assert rules(two) == []
    assert two.must("routes", "restore") == ""


@pytest.mark.covers("X11")
def test_two_changes_that_are_confirmed_together_are_both_kept(two: Server) -> None:
    two.must("routes", "fix", "--only", "policy-routing")
    two.must("routes", "fix", "--only", "default-gateways")
    two.must("routes", "confirm")
    reboot(two)
    for number in range(2):
        add_default(two, number)

    two.must("routes", "restore")

    assert (len(rules(two)), defaults(two)) == (2, ["eth0"])


@pytest.mark.covers("X16")
def test_a_follower_survives_failing_tools_and_brings_back_what_others_delete(
    two: Server, tmp_path: Path
) -> None:
    broken, tried, tool = (tmp_path / name for name in ("broken", "tried", "ip"))
    fails = f"[ ! -e {broken} ] || {{ touch {tried}; exit 1; }}"
    tool.write_text(f'#!/bin/sh\n{fails}\nexec /sbin/ip "$@"\n')
    tool.chmod(0o755)
    path = f"PATH={tmp_path}:/usr/sbin:/sbin:/usr/bin:/bin"

    with following(two, "policy", "on", under=("env", path)):
        wait_for(two, lambda: len(rules(two)) == 2)
        broken.touch()
        batch(two.namespace, "rule delete from 10.1.0.5", "address add 10.1.0.6/24 dev eth1")
        wait_for(two, tried.exists)
        broken.unlink()
        wait_for(two, lambda: len(rules(two)) == 3)


@pytest.mark.covers("X16")
def test_a_follower_that_hears_nothing_more_ends_with_an_error(two: Server) -> None:
    follower = two.start("routes", "policy", "on", "--follow")
    wait_for(two, lambda: len(rules(two)) == 2)
    (monitor,) = Path(f"/proc/{follower.pid}/task/{follower.pid}/children").read_text().split()

    os.kill(int(monitor), signal.SIGKILL)

    assert follower.wait(30) == 1


@pytest.mark.covers("X17")
def test_rules_and_files_that_are_legal_crash_nothing(two: Server, tmp_path: Path) -> None:
    keepalived = tmp_path / "keepalived.conf"
    keepalived.write_text("vrrp_instance a { virtual_ipaddress {\n$VIP\n@a 10.0.0.9/24\n} }\n")
    batch(
        two.namespace,
        "rule add from 10.9.0.5/24 table 99",
        "rule add to 10.9.0.5/16 table 98",
        "route add 10.33.0.0/16 via inet6 2001:db8:1::9 dev eth1",
    )

    found = two.faults("--keepalived-conf", str(keepalived))
    two.must(*POLICY)

    assert "reply-leaves-elsewhere" in found
    assert two.answers(1, 4)
