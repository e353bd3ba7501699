"""Whether a request costs the same however much is in the store."""

import random
import time
from collections.abc import Callable
from statistics import median

from bench.api_load import Server
from bench.http_client import HttpClient

SMALL = 1_000
SAMPLES = 200
FILL = 1_000
NETWORK_PORTS = 50
"""Ports of the network whose list is asked for."""


def scale(server: Server, large: int, megabytes: Callable[[], float]) -> None:
    """Print create, show and filtered lists with few and with many ports in one subnet."""
    with server.client() as client:
        big = _network(client, "scale-big", "10.192.0.0/14")
        small = _network(client, "scale-small", "10.200.0.0/24")
        listed = [{"network_id": small, "name": f"small-{n}"} for n in range(NETWORK_PORTS)]
        client.must("POST", "/ports", {"ports": listed})
        ids = _fill(client, big, SMALL)
        few = _measure(client, big, small, ids)
        ids += _fill(client, big, large - SMALL)
        many = _measure(client, big, small, ids)
    print(f"\n| Median ms | {SMALL:,} ports | {large:,} ports | ratio (due: at most 2) |")
    print("|---|---|---|---|")
    for name, seconds in few.items():
        ratio = many[name] / seconds
        print(f"| {name} | {1000 * seconds:.2f} | {1000 * many[name]:.2f} | {ratio:.2f} |")
    print(f"\nMemory of the server with {large:,} ports: {megabytes():.0f} MB\n")


def _network(client: HttpClient, name: str, cidr: str) -> str:
    network = client.must("POST", "/networks", {"network": {"name": name}})["network"]["id"]
    subnet = {"network_id": network, "cidr": cidr, "ip_version": 4, "enable_dhcp": False}
    client.must("POST", "/subnets", {"subnet": subnet})
    return str(network)


def _fill(client: HttpClient, network: str, count: int) -> list[str]:
    ids: list[str] = []
    for start in range(0, count, FILL):
        ports = [
            {"network_id": network, "name": f"filled-{len(ids) + n}-{count}"}
            for n in range(min(FILL, count - start))
        ]
        ids += [one["id"] for one in client.must("POST", "/ports", {"ports": ports})["ports"]]
    return ids


def _measure(client: HttpClient, big: str, small: str, ids: list[str]) -> dict[str, float]:
    chance = random.Random(0)  # noqa: S311 -- the same ports in every run
    marker = sorted(ids)[len(ids) // 2]
    port = client.must("GET", f"/ports/{marker}")["port"]
    address = port["fixed_ips"][0]["ip_address"]

    def create() -> None:
        client.must("POST", "/ports", {"port": {"network_id": big}})

    def get(path: str) -> Callable[[], None]:
        return lambda: client.must("GET", path)

    return {
        "create": _median(create),
        "show": _median(lambda: client.must("GET", f"/ports/{chance.choice(ids)}")),
        f"list of a network with {NETWORK_PORTS} ports": _median(get(f"/ports?network_id={small}")),
        "list by name": _median(get(f"/ports?name={port['name']}")),
        "list by MAC address": _median(get(f"/ports?mac_address={port['mac_address']}")),
        "list by IP address": _median(get(f"/ports?fixed_ips=ip_address%3D{address}")),
        "a page of 50 from the middle": _median(
            get(f"/ports?network_id={big}&limit=50&marker={marker}")
        ),
    }


def _median(act: Callable[[], None]) -> float:
    waits = []
    for _ in range(SAMPLES):
        started = time.perf_counter()
        act()
        waits.append(time.perf_counter() - started)
    return median(waits)
