"""Who guesses passwords is banned by the real SSHGUARD; who must get in never is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.lab import inside, run, wait_until
from tests.support.guest_pair import (
    ATTACKER,
    ATTACKER6,
    OPERATOR,
    OPERATOR6,
    SERVER,
    GuestPair,
    guest_pair,
)

from portlight.guest.guard.journal import held

BURST = 3
"""Logins that fail at once; SSHGUARD bans at the third."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestPair]:
    """A server whose SSHGUARD reads the log of its real SSH server."""
    with guest_pair(tmp_path_factory.mktemp("brute")) as pair:
        # A rule of the owner that lets SSH in: the ban must come before it.
        pair.iptables("-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        pair.guest("sshguard", "start", "--log", str(pair.auth_log), "--block-seconds", "600")
        yield pair
        pair.guest("sshguard", "stop")


@pytest.fixture
def pair(guarded: GuestPair) -> GuestPair:
    """The same server with nobody banned and nothing protected."""
    banned, earlier = bans(guarded), blocker(guarded)
    for network in banned:
        guarded.guest("sshguard", "unban", network)
    # Only another one looks at an address again whose ban was lifted.
    wait_until(lambda: not banned or blocker(guarded) not in {"", earlier})
    return guarded


def blocker(pair: GuestPair) -> str:
    """Return the process of SSHGUARD that decides."""
    guard = (pair.state / "sshguard.pid").read_text()
    return run("pgrep", "-P", guard, "-f", "sshg-blocker", check=False).strip()


def bans(pair: GuestPair, group: str = "banned") -> dict[str, str]:
    """Return the networks, each with its reason."""
    path = pair.state / "bans.json"
    found = json.loads(path.read_text())[group] if path.exists() else []
    return {one["network"]: one["reason"] for one in found}


def burst(pair: GuestPair, source: str) -> None:
    pair.fail_to_log_in(BURST, source)


@pytest.mark.covers("K42", "K41", "X22")
def test_a_burst_of_failures_is_banned_with_its_reason_until_it_is_lifted(pair: GuestPair) -> None:
    assert pair.reaches(ATTACKER)

    burst(pair, ATTACKER)

    wait_until(lambda: f"{ATTACKER}/32" in bans(pair))
    assert "SSH: for 600 secs" in pair.guest("sshguard", "bans").stdout
    wait_until(lambda: not pair.reaches(ATTACKER))
    assert pair.reaches(OPERATOR)
    pair.guest("sshguard", "unban", ATTACKER)
    assert pair.reaches(ATTACKER)
    assert pair.guest("sshguard", "unban", ATTACKER, check=False).returncode == 1


@pytest.mark.covers("X22")
def test_an_address_with_a_live_session_is_spared_and_that_is_told(pair: GuestPair) -> None:
    command = ("ssh", *pair.ssh_options(), f"root@{SERVER}", "echo in; cat")
    session = pair.start(pair.client, *command)
    assert session.stdin
    assert session.stdout
    assert session.stdout.readline() == b"in\n"

    burst(pair, OPERATOR)

    wait_until(lambda: f"{OPERATOR}/32" in bans(pair, "spared"))
    assert "SSH session of root" in bans(pair, "spared")[f"{OPERATOR}/32"]
    assert bans(pair) == {}
    session.stdin.write(b"still here\n")
    session.stdin.flush()
    assert session.stdout.readline() == b"still here\n"


@pytest.mark.covers("X22")
def test_a_declared_address_is_not_banned_and_one_that_was_is_released(pair: GuestPair) -> None:
    burst(pair, ATTACKER)
    wait_until(lambda: f"{ATTACKER}/32" in bans(pair))
    pair.guest("protect", "add", "10.77.0.64/26", "tcp/22")
    try:
        wait_until(lambda: bans(pair) == {})
        wait_until(lambda: pair.reaches(ATTACKER))

        burst(pair, ATTACKER)

        wait_until(lambda: f"{ATTACKER}/32" in bans(pair, "spared"))
        assert pair.reaches(ATTACKER)
    finally:
        pair.guest("protect", "remove", "10.77.0.64/26", "tcp/22")


@pytest.mark.covers("K43")
def test_bans_are_a_layer_of_their_own_that_outlives_the_owners_rules(pair: GuestPair) -> None:
    ban = f"-A sshguard -s {ATTACKER6}/128 -j DROP"
    burst(pair, ATTACKER6)
    wait_until(lambda: ban in pair.rules("ip6tables"))
    assert pair.rules("ip6tables")[3:5] == ["-N sshguard", "-A INPUT -j sshguard"]

    inside(pair.server, "ip6tables", "-w", "-F")

    wait_until(lambda: ban in pair.rules("ip6tables"))
    # The chain comes first, then the jump to it.
    wait_until(lambda: not pair.reaches(ATTACKER6))
    assert pair.reaches(OPERATOR6)
    assert ":sshguard - [0:0]\n" in pair.guest("firewall", "save").stdout


@pytest.mark.covers("K42", "X22")
def test_a_rule_that_is_put_before_the_bans_comes_to_stand_behind_them(pair: GuestPair) -> None:
    burst(pair, ATTACKER)
    wait_until(lambda: not pair.reaches(ATTACKER))
    accept = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"

    pair.iptables("-I", *accept.split()[1:])

    wait_until(lambda: pair.rules()[4:6] == ["-A INPUT -j sshguard", accept], pair.rules)
    assert not pair.reaches(ATTACKER)
    assert pair.rules().count("-A INPUT -j sshguard") == 1
    pair.iptables("-D", *accept.split()[1:])


@pytest.mark.covers("X11")
def test_bans_wait_for_nobody_who_changes_rules_and_nobody_for_them(pair: GuestPair) -> None:
    with held(pair.state / "lock"):
        burst(pair, ATTACKER)
        wait_until(lambda: not pair.reaches(ATTACKER))
    with held(pair.state / "bans.lock"):
        pair.guest("iptables", "--confirm-within", "1", "-A", "FORWARD", "-j", "DROP")
        wait_until(
            lambda: "not confirmed in time" in pair.guest("firewall", "show", "1").stdout,
            seconds=30,
        )


@pytest.mark.covers("K42")
def test_bans_begin_and_end_although_nothing_can_be_written(pair: GuestPair) -> None:
    in_the_way = pair.state / ".bans.json.new"
    in_the_way.mkdir()
    try:
        burst(pair, ATTACKER)
        wait_until(lambda: not pair.reaches(ATTACKER))
        assert bans(pair) == {}
    finally:
        in_the_way.rmdir()

    wait_until(lambda: f"{ATTACKER}/32" in bans(pair))
    assert pair.guest("sshguard", "status").returncode == 0


def test_without_its_log_nothing_is_started(pair: GuestPair, tmp_path: Path) -> None:
    refused = pair.guest("--state-dir", str(tmp_path), "sshguard", "start", "--log",
                         str(tmp_path / "no.log"), check=False)  # fmt: skip

    assert refused.returncode == 1
    assert "no.log" in refused.stderr
