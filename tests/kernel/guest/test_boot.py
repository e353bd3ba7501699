"""What was confirmed is there again after a real boot: a systemd of its own starts a server."""

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest
from tests.kernel.lab import inside, wait_until
from tests.support.machine import Machine, machine
from tests.support.servers import batch

OPEN, SHUT, ATTACKER = "10.0.0.66", "10.0.0.77", "10.0.0.88"
"""Hosts of the first segment: one may ping the server, one may not, one guesses passwords."""
NETWORKD = ("systemd-networkd.service", "systemd-networkd-wait-online.service")
_NETWORK = """\
[Match]
Name=eth{n}
[Network]
Address=10.{n}.0.5/24
Gateway=10.{n}.0.1
Address=2001:db8:{n}::5/64
Gateway=2001:db8:{n}::1
IPv6AcceptRA=no
"""
_GUESS = "Nov 20 22:00:0{n} server sshd[10{n}]: Invalid user nobody from {attacker} port 401{n}\n"


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A server with two interfaces under networkd, as its owner set it up."""
    with machine(tmp_path_factory.mktemp("boot"), 2) as made:
        made.enable(*NETWORKD)
        for number in range(2):
            made.write(f"/etc/systemd/network/eth{number}.network", _NETWORK.format(n=number))
        made.write("/var/log/auth.log", "")
        made.boot()
        yield made


class Pings:
    """Two hosts that ping the server all the time, from before it has power."""

    def __init__(self, booted: Machine) -> None:
        self._machine = booted
        self._running: dict[str, subprocess.Popen[str]] = {}

    def begin(self) -> None:
        """Let them ping; they know the server's MAC, so that no packet waits for ARP."""
        worlds = self._machine.worlds
        (shown,) = json.loads(worlds.run("ip", "-json", "link", "show", "eth0"))
        batch(
            worlds.worlds[0],
            *(f"address add {address}/24 dev wire" for address in (OPEN, SHUT)),
            f"neighbour replace 10.0.0.5 lladdr {shown['address']} dev wire nud permanent",
        )
        for source in (OPEN, SHUT):
            ping = ("ping", "-q", "-n", "-i", "0.005", "-I", source, "10.0.0.5")
            self._running[source] = subprocess.Popen(
                ("nsenter", f"--net=/run/netns/{worlds.worlds[0]}", *ping),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )

    def open_way(self) -> bool:
        """Whether the host that may ping gets an answer by now."""
        ping = ("ping", "-n", "-c", "1", "-W", "1", "-I", OPEN, "10.0.0.5")
        return "1 received" in inside(self._machine.worlds.worlds[0], *ping, check=False)

    def end(self) -> dict[str, int]:
        """Return how many answers each of them had; it counts them when it is interrupted."""
        found = {}
        for source, process in self._running.items():
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=10)[0]
            found[source] = int(said.split(" received")[0].split()[-1])
        return found


def reboot(booted: Machine) -> dict[str, int]:
    """Boot it while both hosts ping; return their answers."""
    pings = Pings(booted)
    booted.reboot(pings.begin)
    wait_until(lambda: booted.worlds.answers(0, 6))
    wait_until(pings.open_way)
    return pings.end()


def started_at(booted: Machine, unit: str, moment: str) -> int:
    """Return microseconds since the kernel's start."""
    return int(booted.run("systemctl", "show", "--value", "--property", moment, unit))


@pytest.mark.covers("K59")
def test_confirmed_rules_stand_before_the_first_packet_and_no_others(booted: Machine) -> None:
    booted.guest("iptables", "--keep", "-A", "INPUT", "-s", SHUT, "-p", "icmp", "-j", "DROP")
    booted.guest("ip6tables", "--keep", "-A", "FORWARD", "-j", "DROP")
    booted.guest("iptables", "-A", "INPUT", "-p", "udp", "--dport", "9", "-j", "DROP")
    assert "--dport 9" in booted.run("iptables", "-S")

    answered = reboot(booted)

    assert answered[SHUT] == 0
    assert answered[OPEN] > 0
    assert booted.run("iptables", "-S", "INPUT").splitlines() == [
        "-P INPUT ACCEPT",
        f"-A INPUT -s {SHUT}/32 -p icmp -j DROP",
    ]
    assert "-A FORWARD -j DROP" in booted.run("ip6tables", "-S")
    assert "the server restarted" in booted.guest("firewall", "show", "3")
    restored = started_at(
        booted, "portlight-guest-restore.service", "ExecMainExitTimestampMonotonic"
    )
    network = started_at(booted, "systemd-networkd.service", "ExecMainStartTimestampMonotonic")
    assert 0 < restored <= network


@pytest.mark.covers("K59")
def test_without_the_unit_the_same_packets_are_answered(booted: Machine) -> None:
    booted.guest("iptables", "--keep", "-A", "INPUT", "-s", SHUT, "-p", "icmp", "-j", "DROP")
    booted.disable("portlight-guest-restore.service")

    answered = reboot(booted)

    assert answered[SHUT] > 0
    assert booted.guest("firewall", "at-boot").startswith("systemd runs")
    assert reboot(booted)[SHUT] == 0


@pytest.mark.covers("X16")
def test_confirmed_routing_by_source_is_followed_at_once_there_again_and_gone_when_undone(
    booted: Machine,
) -> None:
    booted.guest("routes", "fix", "--no-confirm")
    wait_until(lambda: follower(booted) == "active")

    booted.reboot()

    wait_until(lambda: set(booted.worlds.answered().values()) == {True}, seconds=20)
    assert "from 10.1.0.5 lookup 7401 proto 74" in booted.run("ip", "rule")
    booted.guest("routes", "undo", "--no-confirm")
    wait_until(lambda: follower(booted) == "inactive")
    assert "proto 74" not in booted.run("ip", "rule")


def follower(booted: Machine) -> str:
    """Return whether what follows routes runs."""
    unit = "portlight-guest-routes.service"
    return booted.run("systemctl", "is-active", unit, check=False).strip()


@pytest.mark.covers("X22", "K42")
def test_sshguard_runs_again_as_it_was_started_and_stays_off_once_stopped(booted: Machine) -> None:
    # Over SSH nothing is installed; a copy is left for the boot.
    booted.from_memory("sshguard", "start", "--block-seconds", "600", "--threshold", "20")

    booted.reboot()

    wait_until(lambda: "runs as process" in status(booted), lambda: status(booted))
    assert "sshg-blocker -a 20 -p 600 " in booted.run("ps", "ax")
    wait_until(lambda: "monitoring" in journal(booted, "portlight-guest-sshguard.service"))
    with (booted.root / "var/log/auth.log").open("a") as log:
        log.writelines(_GUESS.format(n=number, attacker=ATTACKER) for number in range(2))
    wait_until(lambda: f"-A sshguard -s {ATTACKER}/32 -j DROP" in booted.run("iptables", "-S"))

    booted.guest("sshguard", "stop")
    assert "inactive" in booted.run(
        "systemctl", "is-active", "portlight-guest-sshguard.service", check=False
    )
    booted.reboot()

    assert "does not run" in status(booted)
    assert "portlight-guest-sshguard" not in booted.run("systemctl", "list-unit-files")


def default_way(booted: Machine) -> str:
    """Return the interface by which the server itself begins."""
    return booted.run("ip", "route", "get", "203.0.113.9").split(" dev ")[1].split()[0]


@pytest.fixture(scope="module")
def rendered(booted: Machine) -> Machine:
    """The same server, with files of ours beside, and nothing else of ours to route by source."""
    for name in ("networkd", "networkmanager"):
        booted.guest("routes", "render", "--format", name, "--out", f"/rendered/{name}")
    booted.run("systemctl", "disable", "portlight-guest-routes.service", check=False)
    return booted


def reboot_with(rendered: Machine, name: str) -> None:
    """Let the files of one format do the work."""
    rendered.run("cp", "--archive", f"/rendered/{name}/.", "/")
    rendered.reboot()
    wait_until(lambda: set(rendered.worlds.answered().values()) == {True}, seconds=20)


@pytest.mark.covers("H84", "X16")
def test_after_a_boot_under_networkd_our_files_bring_every_reply_back(rendered: Machine) -> None:
    way = default_way(rendered)

    reboot_with(rendered, "networkd")

    assert "from 10.1.0.5 lookup 7401 proto static" in rendered.run("ip", "rule")
    assert default_way(rendered) == way


@pytest.mark.covers("H83", "X16")
def test_after_a_boot_under_networkmanager_our_files_bring_every_reply_back(
    rendered: Machine,
) -> None:
    way = default_way(rendered)
    rendered.disable(*NETWORKD, "systemd-networkd.socket")
    rendered.enable("NetworkManager.service")

    reboot_with(rendered, "networkmanager")

    for family, source in (("-4", "10.1.0.5"), ("-6", "2001:db8:1::5")):
        assert f"from {source} lookup 7401 proto static" in rendered.run("ip", family, "rule")
        assert "default via" in rendered.run("ip", family, "route", "show", "table", "7401")
    wait_until(
        lambda: (
            {"portlight-eth0:activated", "portlight-eth1:activated"}
            <= set(rendered.run("nmcli", "-t", "-f", "NAME,STATE", "connection").splitlines())
        )
    )
    assert default_way(rendered) == way


def status(booted: Machine) -> str:
    return booted.run("/usr/bin/python3", "/usr/local/bin/portlight-guest.pyz", "sshguard",
                      "status", check=False)  # fmt: skip


def journal(booted: Machine, unit: str) -> str:
    return booted.run("journalctl", "--boot", "--no-pager", "--unit", unit)
