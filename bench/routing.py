"""Routed streams and public addresses beside a plain Linux router; routes by the thousand.

`plain`: two bridges and a namespace that forwards between them, with one DNAT rule for the public
address. Ours: port security and groups on every port.
"""

import argparse
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from bench.compare import Build, Quantity, interleaved, report
from bench.datapath import OBJECTS, domain_rule
from bench.measure import tcp_bits_per_second
from bench.pair import Pair
from bench.peers.router import router_pair
from bench.rule_sets import allow_rules
from tests.support.builders import a_group, a_network, a_rule, group_id
from tests.support.deployment import Deployment, deployment, wait_for
from tests.support.plan_host import PlanHost, plan_host
from tests.support.routed_cloud import (
    a_floating_ip as take_address,
)
from tests.support.routed_cloud import (
    a_router,
    a_subnet_of,
    an_external_network,
    an_open_guest,
    associate,
    clear_routing,
)
from tests.support.routed_lan import (
    ADDRESS,
    DATABASE,
    EXTERNAL,
    GUEST,
    STRANGER,
    WEB,
    WORLD,
    a_lan,
    settle_guests,
)
from tests.support.routing_builders import a_floating_ip, a_route

from portlight.core.security_group import Direction
from portlight.core.topology import Entity, Topology

PUBLIC = f"{WORLD}.50"
RULES = 10
STREAM = (Quantity(name="TCP", unit="Gbit/s", divisor=1e9, measure=tcp_bits_per_second),)
TRIES = 30
WEB_PORT = 8080


def policy(rules: int) -> tuple[Entity, ...]:
    """Return a group with so many rules, and the guests' ports in it."""
    made = (domain_rule(number, rule) for number, rule in enumerate(allow_rules(rules), start=3))
    wide = a_rule(2, 1, protocol=6), a_rule(1, 1, direction=Direction.EGRESS)
    ports = (
        replace(port, port_security_enabled=True, security_groups=(group_id(1),))
        for port in GUEST.values()
    )
    return (a_network(2), a_group(1), *wide, *made, *ports, a_rule(90, 1, protocol=1))


@contextmanager
def our_host(*others: Entity, rules: int = RULES) -> Iterator[PlanHost]:
    """Yield the stage of the routing tests with full policy."""
    with plan_host(OBJECTS, "bench-routing-") as host:
        host.show(a_lan(*policy(rules), *others))
        settle_guests(host)
        yield host


@contextmanager
def our_subnets(_prefix: str, rules: int) -> Iterator[Pair]:
    """Yield two guests in two subnets of a router."""
    with our_host(rules=rules) as host:
        guests = {"client": host.guest(WEB), "server": host.guest(DATABASE)}
        yield Pair(name="ours", **guests, server_address=ADDRESS[DATABASE])


@contextmanager
def our_public_address(_prefix: str, rules: int) -> Iterator[Pair]:
    """Yield a guest outside, and one that it reaches by a public address."""
    with our_host(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB]), rules=rules) as host:
        yield outside_in(host)


def outside_in(host: PlanHost) -> Pair:
    return Pair(
        name="ours",
        client=host.guest(STRANGER),
        server=host.guest(WEB),
        server_address=PUBLIC,
    )


def plain(prefix: str, _rules: int, *, translated: bool) -> AbstractContextManager[Pair]:
    return router_pair(prefix, translated=translated)


def streams(rounds: int, seconds: float) -> None:
    """Measure TCP between subnets, and through a public address."""
    for name, translated, ours in (
        ("between two subnets", False, our_subnets),
        ("through a public address", True, our_public_address),
    ):
        print(f"\n### {name}")
        contenders: dict[str, Build] = {
            "plain": partial(plain, translated=translated),
            "portlight": ours,
        }
        samples = interleaved(contenders, [RULES], STREAM, rounds=rounds, seconds=seconds)
        report(samples, STREAM, line="plain")


def many_routes(counts: tuple[int, ...] = (10, 1_000, 10_000)) -> None:
    """Measure how long a table of routes takes, one more, and a round trip by the router."""
    print("\n### routes in a table\n")
    print("| routes | all of them, s | one more, ms | round trip, us |\n|---|---|---|---|")
    address = a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])
    with our_host(address) as host:
        for count in counts:
            host.show(a_lan(*policy(RULES), address))
            routes = [a_route(number, 1, _prefix(number), "10.0.2.9") for number in range(count)]
            whole = _seconds(host, a_lan(*policy(RULES), address, *routes))
            more = a_route(count, 1, _prefix(count), "10.0.2.9")
            one = _seconds(host, a_lan(*policy(RULES), address, *routes, more))
            trip = round_trip_microseconds(host)
            print(f"| {count:,} | {whole:.3f} | {1000 * one:.1f} | {trip:.0f} |", flush=True)


def round_trip_microseconds(host: PlanHost) -> float:
    """Measure the mean of pings from outside to the public address, one after the other."""
    said = host.inside(STRANGER, "ping", "-nqA", "-c3000", PUBLIC)
    return 1000 * float(said.rsplit("=", 1)[1].split("/")[1])


def _prefix(number: int) -> str:
    return f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}/32"


def _seconds(host: PlanHost, topology: Topology) -> float:
    before = time.monotonic()
    host.show(topology)
    return time.monotonic() - before


def association() -> None:
    """Measure from the call until the host reaches the guest, through the whole deployment."""
    print("\n### from association to the first connection from the host\n")
    with (
        tempfile.TemporaryDirectory(prefix="bench-routing-") as folder,
        deployment(Path(folder)) as cloud,
    ):
        took = sorted(_associations(cloud))
    p99 = quantiles(took, n=100, method="inclusive")[98]
    print(f"{len(took)} times: p50 {1000 * median(took):.1f} ms, p99 {1000 * p99:.1f} ms")


def _associations(cloud: Deployment) -> Iterator[float]:
    world = an_external_network(cloud)
    subnet = a_subnet_of(cloud, "lan", "10.80.1.0/24")
    a_router(cloud, subnet, gateway=world)
    guest, port = an_open_guest(cloud, subnet, "web")
    guest.start("busybox", "httpd", "-f", "-p", str(WEB_PORT), "-h", "/")
    taken = take_address(cloud, world)
    address = taken["floating_ip_address"]
    for _ in range(TRIES):
        before = time.monotonic()
        associate(cloud, taken, port["id"])
        while not _connects(address):
            pass
        yield time.monotonic() - before
        associate(cloud, taken, None)
        wait_for("nobody", lambda: not _connects(address))
    clear_routing(cloud)


def _connects(address: str) -> bool:
    try:
        socket.create_connection((address, WEB_PORT), timeout=0.02).close()
    except OSError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    asked = parser.parse_args()
    streams(asked.rounds, asked.seconds)
    many_routes()
    association()


if __name__ == "__main__":
    main()
