"""What a recompilation costs after one change: milliseconds of CPU, median of many.

    python -m bench.compiler

10,000 ports in one group that refers to itself, on a host with 200 of them, without and with
10,000 rules in the group. `plan` is the compiler, `delta` the comparison of the two plans.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

from tests.support.builders import (
    HOST,
    a_group,
    a_network,
    a_port,
    a_rule,
    a_subnet,
    a_topology,
    an_instance,
    group_id,
    net,
    port_id,
    ports,
)

from portlight.agent.changes import Batch, Change, apply_batch
from portlight.compiler.host import compile_host
from portlight.compiler.memo import Memo
from portlight.core.port import Port
from portlight.core.topology import Entity, Topology
from portlight.plan.delta import delta
from portlight.plan.host import HostPlan

PORTS, ATTACHED, ROUNDS = 10_000, 200, 30
FIRST = int(IPv4Address("10.0.0.10"))


def a_large_topology(rules: int) -> Topology:
    entities: list[Entity] = [a_network(), a_subnet(cidr="10.0.0.0/16"), a_group()]
    entities.append(a_port(1_000_001, "10.0.250.2", device_owner="network:dhcp", device_id="dhcp"))
    entities.append(a_rule(1, remote_group_id=group_id(1)))
    entities += [a_member(number) for number in range(1, PORTS + 1)]
    entities += [an_instance(number) for number in range(1, ATTACHED + 1)]
    for number in range(rules):
        prefix = net(f"{number >> 8}.{number & 255}.0.0/16")
        entities.append(a_rule(number + 2, protocol=6, ports=ports(number), remote_prefix=prefix))
    return a_topology(*entities)


def a_member(number: int) -> Port:
    address = str(IPv4Address(FIRST + number))
    return a_port(number, address, security_groups=(group_id(1),))


def after(topology: Topology, kind: str, key: str, entity: Entity | None) -> Topology:
    """Return the topology after one change, as the agent takes it in."""
    change = Change(kind=kind, id=key, entity=entity)
    return apply_batch(topology, Batch(sequence=1, snapshot=False, changes=(change,)))


def join(topology: Topology, number: int) -> Topology:
    port = a_member(PORTS + number)
    return after(topology, "ports", port.id, port)


def leave(topology: Topology, number: int) -> Topology:
    key = port_id(1000 + number)
    lonely = replace(topology.ports[key], security_groups=())
    return after(topology, "ports", key, lonely)


def delete(topology: Topology, number: int) -> Topology:
    return after(topology, "ports", port_id(5000 + number), None)


def add_rule(topology: Topology, number: int) -> Topology:
    rule = a_rule(100_000 + number, protocol=17, ports=ports(number))
    return after(topology, "security_group_rules", rule.id, rule)


def differences(after: HostPlan, before: HostPlan) -> None:
    for part in ("members", "classifiers", "ports", "links", "dhcp", "virtual_ips"):
        delta(getattr(after, part), getattr(before, part))
    _ = after.bindings - before.bindings, before.bindings - after.bindings


def measure(rules: int, change: Callable[[Topology, int], Topology]) -> tuple[float, float]:
    topology, memo = a_large_topology(rules), Memo()
    before = compile_host(topology, HOST, memo)
    plans, deltas = [], []
    for number in range(1, ROUNDS + 1):
        topology = change(topology, number)
        started = time.process_time()
        plan = compile_host(topology, HOST, memo)
        compiled = time.process_time()
        differences(plan, before)
        plans.append(compiled - started)
        deltas.append(time.process_time() - compiled)
        before = plan
    return statistics.median(plans) * 1e3, statistics.median(deltas) * 1e3


def main() -> None:
    print(f"{PORTS} ports in the group, {ATTACHED} on this host")
    for rules in (0, 10_000):
        topology = a_large_topology(rules)
        made = time.process_time()
        compile_host(topology, HOST)
        scratch = (time.process_time() - made) * 1e3
        print(f"{rules + 1:6} rules  from scratch  plan {scratch:6.1f} ms")
        for change in (join, leave, delete, add_rule):
            plan, difference = measure(rules, change)
            name = change.__name__
            print(
                f"{rules + 1:6} rules  {name:12}  plan {plan:6.1f} ms  delta {difference:4.1f} ms"
            )


if __name__ == "__main__":
    main()
