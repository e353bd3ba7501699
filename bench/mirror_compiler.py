"""What recompiling costs a host with 20,000 mirror sessions: milliseconds of CPU, median of some.

    python -m bench.mirror_compiler

All of their ports are on this host, which the compiler can have and no machine of ours can run:
6,667 sources with three sessions each, 2,000 targets in the sources' network, behind their router,
and behind a peering. `plan` is the compiler, `ways` what the agent derives for the kernel, `delta`
the comparison with the last plan. The first line is the same host without sessions.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

from bench.compiler import after
from tests.support.builders import (
    HOST,
    a_mirror_filter,
    a_mirror_rule,
    a_mirror_session,
    a_network,
    a_port,
    a_subnet,
    a_topology,
    an_instance,
    ports,
)
from tests.support.routing_builders import (
    a_peering,
    a_route,
    a_route_table,
    a_router,
    an_interface,
)

from portlight.compiler.host import compile_host
from portlight.compiler.memo import Memo
from portlight.core.port import Port
from portlight.core.route_table import HopKind
from portlight.core.topology import Entity, Topology
from portlight.dataplane.bpf.mirror_tables import way_entries
from portlight.plan.delta import delta

SESSIONS, ON_ONE_FILTER, OF_A_SOURCE, OF_A_TARGET = 20_000, 1000, 3, 10
SOURCES, TARGETS = SESSIONS // OF_A_SOURCE + 1, SESSIONS // OF_A_TARGET
RULES, ROUNDS = 10, 15
LEGS = {1: (101, 1), 2: (102, 1), 3: (103, 2)}
"""Number of the leg and router of each network."""
PEERING = a_peering(7, 1, 2)


def a_large_host(sessions: int) -> Topology:
    """Return the host with so many sessions."""
    numbers = range(1000, 1000 + SOURCES + TARGETS)
    return a_topology(
        *(a_network(number) for number in LEGS),
        *(
            a_subnet(n, f"10.{n}.0.0/16", network_id=a_network(n).id, gateway_ip=gateway(n))
            for n in LEGS
        ),
        *(an_interface(leg, router, n, (n, str(gateway(n)))) for n, (leg, router) in LEGS.items()),
        *(item for n in (1, 2) for item in (a_router(n), a_route_table(n, n))),
        *(PEERING, a_route(1, 1, "10.3.0.0/16", kind=HopKind.PEERING, target=PEERING.id)),
        *(an_instance(number) for number in numbers),
        *(a_place(number) for number in numbers),
        *(a_session(number) for number in range(sessions)),
        *filters(),
    )


def gateway(network: int) -> IPv4Address:
    return IPv4Address(f"10.{network}.0.1")


def a_place(number: int, **fields: object) -> Port:
    """Return a port: the sources in network 1, targets in all by turns."""
    network = 1 if number < 1000 + SOURCES else number % 3 + 1
    address = str(gateway(network) + number)
    return a_port(number, address, network_id=a_network(network).id, **fields)


def filters() -> Iterator[Entity]:
    for number in range(SESSIONS // ON_ONE_FILTER):
        yield a_mirror_filter(number)
        for rule in range(RULES):
            key = number * RULES + rule
            yield a_mirror_rule(key, number, protocol=6, destination_ports=ports(key + 1))


def a_session(number: int, **fields: object) -> Entity:
    target = 1000 + SOURCES + number // OF_A_TARGET
    chosen = (a_mirror_filter(number // ON_ONE_FILTER).id,)
    source = 1000 + number // OF_A_SOURCE
    return a_mirror_session(number + 1, (source,), target, mirror_filter_ids=chosen, **fields)


def retarget(topology: Topology, number: int) -> Topology:
    one = a_session(number * 100, vni=number)
    return after(topology, "mirror_sessions", one.id, one)


def describe_port(topology: Topology, number: int) -> Topology:
    """Change a port that has nothing to do with mirroring."""
    one = a_place(1000 + SOURCES + number, dns_name=f"n{number}")
    return after(topology, "ports", one.id, one)


def change_rule(topology: Topology, number: int) -> Topology:
    """Change a rule of a filter of 1,000 sessions."""
    key = number % 20 * RULES
    one = a_mirror_rule(key, number % 20, protocol=17, destination_ports=ports(number + 1))
    return after(topology, "mirror_filter_rules", one.id, one)


def measure(sessions: int, change: Callable[[Topology, int], Topology]) -> tuple[float, ...]:
    topology, memo = a_large_host(sessions), Memo()
    before = compile_host(topology, HOST, memo)
    links = {number: number for number in before.ports} | {leg: leg for leg, _ in LEGS.values()}
    entries = way_entries(before, links)
    taken: list[list[float]] = [[], [], []]
    for number in range(1, ROUNDS + 1):
        topology = change(topology, number)
        moments = [time.process_time()]
        plan = compile_host(topology, HOST, memo)
        moments.append(time.process_time())
        ways = way_entries(plan, links)
        moments.append(time.process_time())
        for part in ("mirror_sources", "classifiers"):
            delta(getattr(plan, part), getattr(before, part))
        delta(ways, entries)
        moments.append(time.process_time())
        before, entries = plan, ways
        for index, column in enumerate(taken):
            column.append(moments[index + 1] - moments[index])
    return tuple(statistics.median(column) * 1e3 for column in taken)


def main() -> None:
    """Measure, and print a table."""
    print("| sessions | change | plan ms | ways ms | delta ms |\n|---|---|---|---|---|")
    for sessions, change in (
        (0, describe_port),
        (SESSIONS, describe_port),
        (SESSIONS, retarget),
        (SESSIONS, change_rule),
    ):
        figures = " | ".join(f"{one:.1f}" for one in measure(sessions, change))
        print(f"| {sessions:,} | {change.__name__.replace('_', ' ')} | {figures} |")


if __name__ == "__main__":
    main()
