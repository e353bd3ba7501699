"""The remedies: packets find their way back, and so does the server when nobody confirms."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.lab import run, wait_until
from tests.support.servers import Server, batch, server

from portlight.guest.routes.policy import PROTOCOL


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Server]:
    """Four interfaces, each with a gateway in both families."""
    with server(tmp_path, 4) as made:
        yield made


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path, 2) as made:
        yield made


def state_of(host: Server) -> str:
    """Return all that a change of routes may touch, but what only counts."""
    routes = [host.run("ip", f"-{family}", "route", "show", "table", "all") for family in (4, 6)]
    # Ways of IPv6 that cost the same have no order: the kernel shares flows among them.
    routes[1] = "\n".join(sorted(routes[1].splitlines()))
    rules = [host.run("ip", f"-{family}", "rule") for family in (4, 6)]
    settings = host.run("sysctl", "net.ipv4.conf", "net.ipv6.conf")
    return "\n".join((*routes, *rules, settings))


@pytest.mark.covers("X16", "K7", "H82")
def test_every_reply_leaves_by_the_interface_it_came_in_by(four: Server) -> None:
    before = [four.answers(3, family) for family in (4, 6)]

    four.must("routes", "fix", "--no-confirm")

    assert before == [False, False]
    assert set(four.answered().values()) == {True}


@pytest.mark.covers("X16")
def test_with_policy_routing_every_interface_keeps_its_gateway(two: Server) -> None:
    two.must("routes", "fix", "--only", "policy-routing", "--no-confirm")
    two.must("routes", "fix", "--only", "default-gateways", "--keep", "eth0", "--no-confirm")

    two.must("routes", "policy", "on")

    assert two.answered() == {(0, 4): True, (0, 6): True, (1, 4): True, (1, 6): True}


@pytest.mark.covers("X16")
def test_rules_of_the_owner_stay_and_come_first(two: Server) -> None:
    batch(
        two.namespace,
        "route add blackhole default table 300",
        "rule add from 10.1.0.5 table 300 priority 32765",
        "rule add fwmark 7 table 300",
    )
    own = two.run("ip", "-4", "rule")

    two.must("routes", "policy", "on")

    during = two.run("ip", "-4", "rule").splitlines()
    assert [line for line in during if f"proto {PROTOCOL}" not in line] == own.splitlines()
    assert not two.answers(1, 4)
    two.must("routes", "policy", "off")
    assert two.run("ip", "-4", "rule") == own


@pytest.mark.covers("X16")
def test_a_table_that_somebody_uses_is_not_taken(two: Server) -> None:
    batch(two.namespace, "route add 10.50.0.0/16 via 10.0.0.1 table 7400")

    two.must("routes", "policy", "on")

    assert (
        two.run("ip", "route", "show", "table", "7400") == "10.50.0.0/16 via 10.0.0.1 dev eth0 \n"
    )
    assert two.answers(1, 4)


@pytest.mark.covers("X16")
def test_doing_it_twice_changes_nothing(two: Server) -> None:
    two.must("routes", "policy", "on")
    once = state_of(two)

    assert two.must("routes", "fix", "--only", "policy-routing") == "nothing to do\n"

    two.must("routes", "policy", "on")
    assert state_of(two) == once


@pytest.mark.covers("K9", "K11")
def test_the_other_gateways_are_deleted_and_the_table_shows_it(two: Server) -> None:
    preview = two.must(
        *("routes", "fix", "--only", "default-gateways", "--keep", "eth0", "--preview")
    )
    unchanged = two.must("routes", "show")

    two.must("routes", "fix", "--only", "default-gateways", "--keep", "eth0", "--no-confirm")

    assert "ip -4 route delete default via 10.1.0.1 dev eth1 proto 3 metric 100" in preview
    assert unchanged.count("\n0.0.0.0 ") == 2
    after = two.must("routes", "show")
    assert after == two.run("route", "-n")
    assert [line for line in unchanged.splitlines() if line not in after.splitlines()] == [
        "0.0.0.0         10.1.0.1        0.0.0.0         UG    100    0        0 eth1"
    ]
    assert "::/0" in two.run("route", "-6", "-n")
    assert two.faults() == {}


@pytest.mark.covers("K11")
@pytest.mark.parametrize("keep", ["eth0", "eth1"])
def test_an_undone_deletion_leaves_everything_as_it_was(two: Server, keep: str) -> None:
    before = state_of(two)
    two.must("routes", "fix", "--only", "default-gateways", "--keep", keep, "--no-confirm")
    assert state_of(two) != before

    two.must("routes", "undo", "--no-confirm")

    assert state_of(two) == before


@pytest.mark.covers("K9")
def test_of_a_route_with_two_hops_one_is_left(tmp_path: Path) -> None:
    with server(tmp_path, 2, gateways=False) as host:
        batch(
            host.namespace,
            "route add default nexthop via 10.0.0.1 dev eth0 nexthop via 10.1.0.1 dev eth1",
        )
        before = state_of(host)

        host.must("routes", "fix", "--only", "default-gateways", "--keep", "eth1", "--no-confirm")

        assert host.run("ip", "route", "show", "default") == "default via 10.1.0.1 dev eth1 \n"
        host.must("routes", "undo", "--no-confirm")
        assert state_of(host) == before


@pytest.mark.covers("X11", "X16")
def test_a_remedy_that_nobody_confirms_is_taken_back(two: Server) -> None:
    before = state_of(two)

    said = two.must("routes", "fix", "--only", "policy-routing", "--confirm-within", "10")

    assert "change 1 is taken back in " in said
    assert "portlight-guest routes confirm 1" in said
    assert two.answers(1, 4)
    wait_until(lambda: state_of(two) == before, seconds=30)


@pytest.mark.covers("X11", "K11")
def test_a_confirmed_remedy_stays_and_its_difference_is_kept(two: Server) -> None:
    two.must("routes", "fix", "--only", "default-gateways", "--keep", "eth0")

    two.must("routes", "confirm")

    assert "nothing waits" in two.must("routes", "status")
    gone = "-0.0.0.0         10.1.0.1        0.0.0.0         UG    100    0        0 eth1"
    assert gone in two.must("routes", "change", "1")
    assert "fix default-gateways" in two.must("routes", "history")


@pytest.mark.covers("X11")
def test_a_remedy_that_fails_half_way_is_taken_back_at_once(two: Server) -> None:
    before = state_of(two)
    tool = two.state.parent / "ip"
    refused = '*"rule add from 10.1.0.5"*) echo no >&2; exit 1 ;;'
    tool.write_text(f'#!/bin/sh\ncase "$*" in {refused} esac\nexec /sbin/ip "$@"\n')
    tool.chmod(0o755)

    done = two.guest(
        *("routes", "fix", "--only", "policy-routing"),
        under=("env", f"PATH={tool.parent}:/usr/sbin:/sbin:/usr/bin:/bin"),
    )

    assert done.returncode == 1
    assert "rule add from 10.1.0.5 table 7401 priority 32765 protocol 74: no" in done.stderr
    assert state_of(two) == before


@pytest.mark.covers("X16")
def test_what_was_confirmed_is_there_again_after_a_restart(two: Server) -> None:
    two.must("routes", "fix", "--only", "policy-routing", "--no-confirm")
    done = state_of(two)
    two.must("routes", "policy", "off")
    assert not two.answers(1, 4)

    two.must("routes", "restore")

    assert state_of(two) == done
    intent = json.loads((two.state / "routes.json").read_text())
    assert intent["kinds"] == ["policy-routing"]


@pytest.mark.covers("X16")
def test_an_undone_remedy_is_not_there_again_after_a_restart(two: Server) -> None:
    two.must("routes", "fix", "--only", "policy-routing", "--no-confirm")
    two.must("routes", "undo", "--no-confirm")

    assert two.must("routes", "restore") == ""

    assert "nothing" in two.guest("routes", "fix", "--only", "mtu").stdout
    assert two.guest("routes", "undo").returncode == 1


@pytest.mark.covers("X16")
def test_tables_follow_addresses_and_gateways_that_come_later(tmp_path: Path) -> None:
    with server(tmp_path, 2) as host:
        follower = host.start("routes", "policy", "on", "--follow")
        try:
            wait_until(lambda: host.answers(1, 4))
            batch(
                host.namespace,
                "address delete 10.1.0.5/24 dev eth1",
                "address add 10.1.0.5/24 dev eth1",
                "route append default via 10.1.0.1 dev eth1 metric 100",
            )
            wait_until(lambda: host.answers(1, 4))
        finally:
            follower.terminate()
            follower.wait(5)

        assert run("ip", "netns", "pids", host.namespace) == ""
