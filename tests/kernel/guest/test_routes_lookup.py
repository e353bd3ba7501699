"""The search for a route over a snapshot finds what the kernel's own search finds."""

import json
import random
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.support.servers import Server, batch, server

from portlight.guest.routes.lookup import find_route

_SETUP = (
    "route add 172.16.0.0/12 via 10.0.0.1",
    "route add 172.16.9.0/24 via 10.1.0.1",
    "route add 172.16.9.0/25 via 10.2.0.1 metric 9",
    "route add 172.16.9.0/25 via 10.0.0.1 metric 5",
    "route add unreachable 172.17.0.0/16",
    "route add 172.18.0.0/16 via 10.2.0.1 table 900",
    "route add throw 172.18.5.0/24 table 900",
    "route add blackhole 172.19.0.0/16 table 901",
    "rule add to 172.18.0.0/16 table 900 priority 100",
    "rule add from 10.2.0.0/24 table 901 priority 200",
    "rule add from 10.1.0.5 to 172.20.0.0/16 prohibit priority 300",
    "rule add table 254 suppress_prefixlength 16 priority 400",
    "rule add fwmark 5 table 901 priority 1",
)


def kernel_way(host: Server, destination: IPv4Address, source: str) -> str | None:
    """Return the interface that the kernel chooses; None when it refuses."""
    said = host.run("ip", "-json", "route", "get", str(destination), "from", source, check=False)
    return json.loads(said)[0]["dev"] if said.strip() not in ("", "[]") else None


@pytest.mark.covers("X17", "H82")
def test_the_kernel_and_the_check_choose_the_same_way(tmp_path: Path) -> None:
    dice = random.Random(7)  # noqa: S311 -- test data
    with server(tmp_path, 3) as host:
        batch(host.namespace, *_SETUP)
        host.must("routes", "policy", "on")
        seen = host.snapshot()
        for _ in range(60):
            destination = IPv4Address(
                f"172.{dice.randint(15, 21)}.{dice.choice((5, 9))}.{dice.randint(1, 254)}"
            )
            source = f"10.{dice.randint(0, 2)}.0.5"

            found = find_route(seen, destination, IPv4Address(source))

            way = found.hops[0].interface if found else None
            assert way == kernel_way(host, destination, source), (destination, source)
