"""The host as an operator meets it: crashes, other people's hands, several deployments, the end."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.deployment import Deployment, Guest, deployment, wait_for

REPAIR_SECONDS = 2.0


def tag(cloud: Deployment) -> str:
    """Return the letters in the names of this deployment's kernel objects."""
    named: str = json.loads((cloud.state / "settings.json").read_text())["tag"]
    return named


def agent_pid(cloud: Deployment) -> int:
    return int((cloud.state / "agent.pid").read_text().split()[0])


def in_fabric(cloud: Deployment, *command: str) -> str:
    namespace = f"--net=/run/netns/pl-{tag(cloud)}-fabric"
    done = subprocess.run(
        ["nsenter", namespace, *command], capture_output=True, text=True, check=True
    )
    return done.stdout


def host_links(cloud: Deployment) -> list[str]:
    """Return the names of the host ends of this deployment's ports."""
    links = json.loads(in_fabric(cloud, "ip", "-json", "link"))
    return [link["ifname"] for link in links if link["ifname"].startswith(f"pl{tag(cloud)}p")]


def two_guests(cloud: Deployment, name: str, cidr: str) -> tuple[Guest, Guest]:
    network = cloud.network(name)
    cloud.subnet(network, cidr)
    ping = cloud.group(name, {"protocol": "icmp"})
    ports = [cloud.port(network, security_groups=[ping["id"]]) for _ in range(2)]
    one, two = (cloud.guest(f"{name}{n}", {"port_id": port["id"]}) for n, port in enumerate(ports))
    return one, two


def address(guest: Guest) -> str:
    return guest.addresses()[0]


@pytest.mark.covers("X14")
def test_killing_and_restarting_the_agent_under_traffic_loses_no_packet(cloud: Deployment) -> None:
    one, two = two_guests(cloud, "crash", "10.60.0.0/24")
    flood = one.start("ping", "-q", "-n", "-i", "0.002", "-w", "12", address(two))
    time.sleep(0.5)

    for _ in range(3):
        os.kill(agent_pid(cloud), signal.SIGKILL)
        time.sleep(0.3)
        cloud.up()

    said = flood.communicate(timeout=30)[0]
    counted = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert counted, said
    sent, received = map(int, counted.groups())
    assert sent > 1000
    # The last request may still be on its way when ping ends.
    assert sent - received <= 1, said


@pytest.mark.covers("X14")
def test_what_was_closed_stays_closed_while_the_agent_is_dead(cloud: Deployment) -> None:
    one, two = two_guests(cloud, "hole", "10.61.0.0/24")
    spoof = ("ping", "-c", "3", "-i", "0.05", "-W", "1", "-I", "10.61.0.77", address(two))
    os.kill(agent_pid(cloud), signal.SIGKILL)
    one.must("ip", "address", "add", "10.61.0.77/24", "dev", "eth0")

    leaked = one.run(*spoof).returncode == 0
    reached = one.pings(address(two))
    cloud.up()

    assert not leaked
    assert reached


def void(_: str) -> None:
    return


def bridge(cloud: Deployment) -> str:
    links = json.loads(in_fabric(cloud, "ip", "-json", "link", "show", "type", "bridge"))
    name: str = links[-1]["ifname"]
    return name


def delete_entry(cloud: Deployment, link: str) -> None:
    shown = json.loads(in_fabric(cloud, "ip", "-json", "link", "show", link))
    index = shown[0]["ifindex"].to_bytes(4, "little").hex(" ").split()
    pinned = f"/run/portlight/{tag(cloud)}/bpf/links"
    key = [f"0x{byte}" for byte in index]
    subprocess.run(["bpftool", "map", "delete", "pinned", pinned, "key", *key], check=True)


def remove_namespaces(cloud: Deployment) -> None:
    for entry in Path("/run/netns").glob(f"pl-{tag(cloud)}-*"):
        subprocess.run(["ip", "netns", "delete", entry.name], check=True)


def kill_servers(cloud: Deployment) -> None:
    for file in Path(f"/run/portlight/{tag(cloud)}/dhcp").glob("*/pid"):
        os.kill(int(file.read_text()), signal.SIGKILL)


DAMAGES: dict[str, Callable[[Deployment, str], None]] = {
    "link": lambda cloud, link: void(in_fabric(cloud, "ip", "link", "delete", link)),
    "qdisc": lambda cloud, link: void(
        in_fabric(cloud, "tc", "qdisc", "delete", "dev", link, "clsact")
    ),
    "bridge": lambda cloud, _: void(in_fabric(cloud, "ip", "link", "delete", bridge(cloud))),
    "map entry": delete_entry,
    "namespace": lambda cloud, _: remove_namespaces(cloud),
    "dhcp server": lambda cloud, _: kill_servers(cloud),
}


def names_of(cloud: Deployment) -> set[str]:
    return {entry.name for entry in Path("/run/netns").glob(f"pl-{tag(cloud)}-*")}


def servers_run(cloud: Deployment) -> bool:
    files = list(Path(f"/run/portlight/{tag(cloud)}/dhcp").glob("*/pid"))
    return bool(files) and all(Path(f"/proc/{int(f.read_text())}").exists() for f in files)


def programs_are_attached(cloud: Deployment) -> bool:
    # A namespace has its name back before it can be entered again.
    with suppress(subprocess.CalledProcessError):
        link = host_links(cloud)[-1]
        return "from_port" in in_fabric(cloud, "tc", "filter", "show", "dev", link, "ingress")
    return False


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_somebody_else_breaks_is_repaired_within_two_seconds(
    cloud: Deployment, damage: str
) -> None:
    one, two = two_guests(cloud, "repair", "10.62.0.0/24")
    assert one.pings(address(two))
    target, before = address(two), names_of(cloud)

    DAMAGES[damage](cloud, host_links(cloud)[-1])
    started = time.monotonic()
    wait_for(
        "everything is as before",
        lambda: (
            names_of(cloud) == before
            and servers_run(cloud)
            and programs_are_attached(cloud)
            and one.pings(target, deadline=0.2)
        ),
        seconds=REPAIR_SECONDS + 3,
        every=0.05,
    )

    # A guest whose link was replaced asks for its address again, which takes it a moment.
    allowed = REPAIR_SECONDS + (1.5 if damage == "link" else 0.3)
    assert time.monotonic() - started <= allowed
    if damage != "dhcp server":
        assert "repairing" in (log := (cloud.state / "log" / "agent.log").read_text()) or (
            "gone" in log
        )


@pytest.mark.covers("X27")
def test_two_deployments_run_side_by_side_and_one_leaves_without_the_other(
    cloud: Deployment, tmp_path: Path
) -> None:
    one, two = two_guests(cloud, "beside", "10.63.0.0/24")
    with deployment(tmp_path) as other:
        left, right = two_guests(other, "beside", "10.63.0.0/24")
        assert tag(other) != tag(cloud)
        assert left.pings(address(right))
        assert one.pings(address(two))
        name = tag(other)
        processes = other_processes(name)
        assert processes

    assert one.pings(address(two))
    assert not list(Path("/run/netns").glob(f"pl-{name}-*"))
    assert not Path(f"/run/portlight/{name}").exists()
    assert f"/run/portlight/{name}" not in Path("/proc/mounts").read_text()
    assert not other_processes(name)


def other_processes(name: str) -> list[str]:
    """Return the command lines that name the runtime folder of a deployment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/run/portlight/{name}/" in line:
            found.append(line)
    return found


def test_a_dead_server_changes_no_packet_and_comes_back_with_up(cloud: Deployment) -> None:
    one, two = two_guests(cloud, "server", "10.64.0.0/24")
    ping = one.start("ping", "-q", "-n", "-i", "0.01", "-w", "5", address(two))
    os.kill(int((cloud.state / "serve.pid").read_text().split()[0]), signal.SIGKILL)
    time.sleep(1)

    cloud.up()

    assert " 0% packet loss" in ping.communicate(timeout=20)[0]
    third = cloud.guest("third", {"network_id": cloud.ports_of(one)[0]["network_id"]})
    assert third.pings(address(one))
