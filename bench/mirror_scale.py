"""20,000 mirror sessions, 1,000 of them on one filter: `python -m bench.mirror_scale`, as root.

How long making and listing takes, and from the API's answer to the first copy. It has no peer in
the same run: nothing else here has such sessions. The first sources and the last targets, whose
sessions this host has to carry, are on instances; no machine of ours runs instances for all of
them: what the agent's share costs then is in `bench.mirror_compiler`.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.control_plane import BULK, fill_group, line_of, summary
from tests.support.deployment import Deployment, Guest, Json, deployment

ON_ONE_FILTER = 1000
OF_A_SOURCE, OF_A_TARGET = 3, 10
"""Quotas: sessions of one port."""
ALONE = 300
"""Sessions made one by one at either end."""


def a_filter(cloud: Deployment, name: str) -> str:
    """Make a filter that takes every ping; return its id."""
    made = cloud.native("POST", "/mirror-filters", {"mirror_filter": {"name": name}})
    key = str(made["mirror_filter"]["id"])
    for direction in ("egress", "ingress"):
        rule = {
            "mirror_filter_id": key,
            "direction": direction,
            "ethertype": "IPv4",
            "protocol": "ICMP",
            "action": "accept",
            "priority": 1,
        }
        cloud.native("POST", "/mirror-filter-rules", {"mirror_filter_rule": rule})
    return key


def all_ports(cloud: Deployment, count: int, attached: int) -> list[str]:
    """Make so many ports, of which the first and the last have instances; return their ids."""
    network = cloud.network("many")
    cloud.subnet(network, "10.128.0.0/16")
    fill_group(cloud, network, cloud.group("many"), count)
    found = cloud.neutron("GET", "/ports", network_id=network["id"])["ports"]
    ports = [port["id"] for port in found if not port["device_owner"]]
    targets = attached * OF_A_SOURCE // OF_A_TARGET + 1
    for index in (*range(attached), *range(-targets, 0)):
        cloud.guest(f"p{index}", {"port_id": ports[index]})
    return ports


def drafts(cloud: Deployment, sessions: int, attached: int) -> Iterator[Json]:
    """Yield sessions that use each port as often as the quotas let them, for one purpose."""
    count = sessions // OF_A_SOURCE + sessions // OF_A_TARGET + 2
    ports = all_ports(cloud, count, attached)
    filters = [a_filter(cloud, f"f{n}") for n in range(sessions // ON_ONE_FILTER + 1)]
    for number in range(sessions):
        yield {
            "name": f"s{number}",
            "priority": number + 100,
            "mirror_filter_ids": [filters[number // ON_ONE_FILTER]],
            "source_port_ids": [ports[number // OF_A_SOURCE]],
            "target_port_id": ports[-1 - number // OF_A_TARGET],
            "enabled": True,
        }


def make(cloud: Deployment, waiting: Iterator[Json], count: int, at_once: int) -> list[float]:
    """Make sessions; return the seconds of each call."""
    taken = []
    for start in range(0, count, at_once):
        chosen = list(itertools.islice(waiting, min(at_once, count - start)))
        body = {"mirror_session": chosen[0]} if at_once == 1 else {"mirror_sessions": chosen}
        taken.append(timed(partial(cloud.native, "POST", "/mirror-sessions", body)))
    return taken


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def switched_on(cloud: Deployment, rounds: int) -> list[float]:
    """Return for each round the seconds from the answer that a session is enabled to its copy."""
    network = cloud.network("mirrored")
    cloud.subnet(network, "10.60.0.0/24")
    vxlan = {"protocol": "udp", "port_range_min": 4789, "port_range_max": 4789}
    group = cloud.group("all", vxlan, {"protocol": "icmp"})
    ports = [cloud.port(network, security_groups=[group["id"]]) for _ in range(3)]
    source, _, collector = (cloud.guest(f"g{n}", {"port_id": p["id"]}) for n, p in enumerate(ports))
    draft = {
        "name": "switched",
        "priority": 1,
        "mirror_filter_ids": [a_filter(cloud, "pings")],
        "source_port_ids": [ports[0]["id"]],
        "target_port_id": ports[2]["id"],
    }
    made = cloud.native("POST", "/mirror-sessions", {"mirror_session": draft})["mirror_session"]
    source.start("ping", "-q", "-i", "0.001", ports[1]["fixed_ips"][0]["ip_address"])
    return [one_switch(cloud, made["id"], collector) for _ in range(rounds)]


def one_switch(cloud: Deployment, session: str, collector: Guest) -> float:
    """Enable the session, wait for its first copy, disable it again."""
    path = f"/mirror-sessions/{session}"
    watcher = collector.start("tcpdump", "-n", "-tt", "-l", "-c1", "-i", "eth0", "udp port 4789")
    assert watcher.stdout is not None
    while "listening" not in line_of(watcher.stdout):
        pass
    cloud.native("PUT", path, {"mirror_session": {"enabled": True}})
    answered = time.time()
    seen_at = float(line_of(watcher.stdout).split()[0])
    cloud.native("PUT", path, {"mirror_session": {"enabled": False}})
    time.sleep(0.3)
    return max(0.0, seen_at - answered)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--attached", type=int, default=60, help="sources with an instance")
    asked = parser.parse_args()
    print("| What | times | p50 ms | p99 ms | worst ms |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, deployment(Path(folder)) as cloud:
        waiting = drafts(cloud, asked.sessions - 1, asked.attached)
        summary("a session made, none there", make(cloud, waiting, ALONE, 1))
        middle = asked.sessions - 1 - 2 * ALONE
        summary(f"{BULK} sessions in one call", make(cloud, waiting, middle, BULK))
        summary("a session made, nearly all there", make(cloud, waiting, ALONE, 1))
        one = cloud.native("GET", "/mirror-filters", name="f0")["mirror_filters"][0]["id"]
        lists = {
            "a page of 1,000": {"limit": "1000"},
            f"the {ON_ONE_FILTER:,} of a filter": {"mirror_filter_id": one},
            "all of them": {},
        }
        for name, query in lists.items():
            calls = [
                timed(partial(cloud.native, "GET", "/mirror-sessions", **query)) for _ in range(5)
            ]
            summary(f"{name}, listed", calls)
        summary("one enabled: answer to the first copy", switched_on(cloud, asked.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
