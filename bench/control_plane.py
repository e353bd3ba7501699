"""From the API's answer to the packet: a member joins a big group; a port is made.

`python -m bench.control_plane` as root. It has no peer in the same run: no other system here takes
the same calls to packets.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import IO

from tests.support.deployment import Deployment, Json, deployment, wait_for

TICK = str(Path(__file__).parent / "loads" / "tick.py")
BULK = 500
PORT = 7
FIRST_FLOW = 20_000


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summary(name: str, values: list[float]) -> None:
    """Print p50, p99 and the worst, in milliseconds."""
    shown = [f"{1000 * v:.1f}" for v in (percentile(values, 0.5), percentile(values, 0.99))]
    worst = 1000 * max(values)
    print(f"| {name} | {len(values)} | {shown[0]} | {shown[1]} | {worst:.1f} |", flush=True)


def fill_group(cloud: Deployment, network: Json, group: Json, members: int) -> None:
    """Make ports without instances that carry the group."""
    port = {"network_id": network["id"], "security_groups": [group["id"]]}
    for start in range(0, members, BULK):
        ports = [port] * min(BULK, members - start)
        cloud.neutron("POST", "/ports", {"ports": ports})


def line_of(stream: IO[str]) -> str:
    """Return the next line; the guest's program must still be alive."""
    line = stream.readline()
    assert line, "the receiver ended"
    return line


def joins(cloud: Deployment, members: int, rounds: int) -> list[float]:
    """Return for each join the seconds from the API's answer to the first packet let in."""
    network = cloud.network("joins")
    cloud.subnet(network, "10.128.0.0/16")
    group = cloud.group("members")
    fill_group(cloud, network, group, members)
    guarded = cloud.group("guarded", {"protocol": "udp", "remote_group_id": group["id"]})
    outside = cloud.group("outside")
    server_port = cloud.port(network, security_groups=[guarded["id"]])
    client_port = cloud.port(network, security_groups=[outside["id"]])
    server = cloud.guest("server", {"port_id": server_port["id"]})
    client = cloud.guest("client", {"port_id": client_port["id"]})
    address = server_port["fixed_ips"][0]["ip_address"]
    listener = server.start(sys.executable, TICK, "receive", str(PORT))
    wait_for("the receiver listens", lambda: f":{PORT} " in server.must("ss", "-Hlun"))
    command = client.command([sys.executable, TICK, "send", address, str(PORT)])
    assert listener.stdout is not None
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as sender:
        assert sender.stdin is not None
        waited = []
        for flow in range(FIRST_FLOW, FIRST_FLOW + rounds):
            print(flow, file=sender.stdin, flush=True)
            time.sleep(0.05)
            change_groups(cloud, client_port, outside, group)
            answered = time.time()
            source_port, sent_at = line_of(listener.stdout).split()
            assert int(source_port) == flow, f"{source_port} was let in without being a member"
            waited.append(max(0.0, float(sent_at) - answered))
            change_groups(cloud, client_port, outside)
            time.sleep(0.1)
        sender.kill()
    return waited


def change_groups(cloud: Deployment, port: Json, *groups: Json) -> None:
    """Give a port these groups."""
    body = {"port": {"security_groups": [g["id"] for g in groups]}}
    cloud.neutron("PUT", f"/ports/{port['id']}", body)


def port_creations(cloud: Deployment, others: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return seconds from asking for a port to its first packet, and to an answered ping."""
    network = cloud.network("creations")
    cloud.subnet(network, "10.129.0.0/16")
    ping = cloud.group("ping", {"protocol": "icmp"})
    guests = [
        cloud.guest(f"other-{n}", *[{"network_id": network["id"]}] * 10, running=False)
        for n in range(others // 10)
    ]
    for guest in guests:
        wait_for("it runs", guest.is_active, seconds=60)
    everything = cloud.group("everything", {"protocol": "udp"}, {"protocol": "icmp"})
    interface = {"network_id": network["id"], "security_groups": [everything["id"]]}
    client = cloud.guest("client", interface)
    watcher = client.start(sys.executable, TICK, "watch", "eth0")
    assert watcher.stdout is not None
    firsts, answered = [], []
    for _ in range(rounds):
        started = time.time()
        instance, port = one_creation(cloud, network, ping)
        firsts.append(first_seen(watcher.stdout, port["mac_address"]) - started)
        address = port["fixed_ips"][0]["ip_address"]
        wait_for("ping", partial(client.pings, address, deadline=0.2), seconds=15, every=0.005)
        answered.append(time.time() - started)
        cloud.native("DELETE", f"/instances/{instance}")
    return firsts, answered


def first_seen(watcher: IO[str], mac: str) -> float:
    """Return when the first frame of this sender reached the client."""
    while True:
        sender, seen_at = line_of(watcher).split()
        if sender == mac:
            return float(seen_at)


def one_creation(cloud: Deployment, network: Json, group: Json) -> tuple[str, Json]:
    """Ask for an instance with one new port; return its id and the port."""
    interface = {"network_id": network["id"], "security_groups": [group["id"]]}
    body = {"instance": {"name": "new", "interfaces": [interface]}}
    instance = cloud.native("POST", "/instances", body)["instance"]
    port = cloud.neutron("GET", "/ports", device_id=instance["id"])["ports"][0]
    return instance["id"], port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=[10, 10_000])
    parser.add_argument("--ports", type=int, nargs="+", default=[0, 200])
    parser.add_argument("--rounds", type=int, default=100)
    asked = parser.parse_args()
    print("| From the API to the packet | rounds | p50 ms | p99 ms | worst ms |")
    print("|---|---|---|---|---|")
    for members in asked.members:
        with tempfile.TemporaryDirectory() as folder, deployment(Path(folder)) as cloud:
            summary(
                f"join a group of {members:,}: answer to enforced",
                joins(cloud, members, asked.rounds),
            )
    for others in asked.ports:
        with tempfile.TemporaryDirectory() as folder, deployment(Path(folder)) as cloud:
            firsts, answered = port_creations(cloud, others, min(asked.rounds, 50))
            summary(
                f"instance and port asked for, to its first packet ({others} ports there)", firsts
            )
            summary(f"the same to an answered ping ({others} ports there)", answered)


if __name__ == "__main__":
    main()
