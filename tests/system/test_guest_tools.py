"""`portlight guest`: the tools for inside a server, run in an instance."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.support.deployment import PORTLIGHT, Deployment, Guest, wait_for


def tool(cloud: Deployment, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `portlight guest`; what follows the instance's name is the tool's own."""
    return subprocess.run(
        [PORTLIGHT, "--state", str(cloud.state), "guest", *words],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.covers("X11", "K59")
def test_rules_of_an_instance_are_guarded_and_outlive_its_reboot(cloud: Deployment) -> None:
    network = cloud.network("tools")
    cloud.subnet(network, "10.96.1.0/24")
    guest = cloud.guest("tools", {"network_id": network["id"]})

    kept = tool(cloud, "iptables", guest.name, "--keep", "-A", "INPUT", "-p", "tcp",
                           "--dport", "80", "-j", "DROP")  # fmt: skip
    passing = tool(cloud, "iptables", guest.name, "--confirm-within", "60",
                              "-A", "INPUT", "-j", "DROP")  # fmt: skip

    assert kept.returncode == 0, kept.stderr
    assert "you work through Portlight: no packet carries you" in kept.stdout
    assert "change 2 is taken back in" in passing.stdout
    assert guest.must("iptables", "-S").count("-A INPUT") == 2
    cloud.portlight("instance", "reboot", guest.name)
    wait_for("the guest is back", guest.is_active)
    wait_for("its rules too", lambda: "--dport 80 -j DROP" in guest.must("iptables", "-S"))
    assert guest.must("iptables", "-S").count("-A INPUT") == 1
    history = tool(cloud, "firewall", guest.name, "history").stdout
    assert "root through Portlight" in history
    assert "rolled back" in history.splitlines()[2]


GUESS = "Nov 20 22:00:00 web sshd[101]: Invalid user nobody from 10.96.2.99 port 4011\n"


@pytest.mark.covers("K59", "X22", "K11")
def test_what_was_confirmed_in_an_instance_outlives_the_host(
    cloud: Deployment, tmp_path: Path
) -> None:
    log = tmp_path / "auth.log"
    log.touch()
    networks = [cloud.network(name) for name in ("front", "back")]
    for number, network in enumerate(networks):
        cloud.subnet(network, f"10.96.{number + 2}.0/24")
    web = cloud.guest("web", *({"network_id": network["id"]} for network in networks))
    inside(web, "iptables --keep -A INPUT -p tcp --dport 80 -j DROP")
    inside(web, "routes fix --only default-gateways --keep eth0 --no-confirm")
    inside(web, f"sshguard start --log {log}")

    assert cloud.portlight("down").returncode == 0
    cloud.up()

    cloud.wait_active(web)
    assert "--dport 80 -j DROP" in web.must("iptables", "-S")
    wait_for("one gateway", lambda: gateways(web) == ["eth0"], seconds=30)
    wait_for("a ban", lambda: bans_who_guesses(web, log), seconds=30, every=0.2)
    kept = cloud.state / "instances" / web.id
    assert kept.stat().st_mode & 0o777 == 0o700
    cloud.native("DELETE", f"/instances/{web.id}")
    wait_for("nothing of it is left", lambda: not kept.exists())
    cloud.guests.remove(web)


def inside(guest: Guest, words: str) -> str:
    """Run `portlight-guest` in a guest."""
    return guest.must("/bin/sh", "/run/guest/portlight-guest", *words.split())


def gateways(guest: Guest) -> list[str]:
    """Return the interfaces of the default routes of the main table."""
    routes = json.loads(guest.must("ip", "-json", "route", "show", "default"))
    return [route["dev"] for route in routes]


def bans_who_guesses(guest: Guest, log: Path) -> bool:
    """Whether one more wrong guess finds its author banned; the reader starts at the log's end."""
    with log.open("a") as file:
        file.write(GUESS)
    return "-A sshguard -s 10.96.2.99/32 -j DROP" in guest.must("iptables", "-S")
