"""Portlight's compiler, drivers and programs without server and agent: the bare data path.

The same kernel objects as a deployment of `bench.portlight`, built in a tenth of the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.pair import CLIENT_ADDRESS, PREFIX_LENGTH, SERVER_ADDRESS, Pair
from bench.rule_sets import AllowRule, allow_rules
from tests.support.builders import (
    a_group,
    a_network,
    a_port,
    a_rule,
    a_subnet,
    a_topology,
    an_instance,
    group_id,
    net,
    ports,
)
from tests.support.plan_host import plan_host

from portlight.core.security_group import Direction, SecurityGroupRule
from portlight.core.topology import Topology

OBJECTS = Path(__file__).parents[1] / "build" / "bpf"
CLIENT, SERVER = 1, 2
"""Port numbers; instances have the same."""


@contextmanager
def datapath_pair(prefix: str, rules: int) -> Iterator[Pair]:
    """Yield two guests whose ports are in one group with so many rules."""
    with plan_host(OBJECTS, prefix) as host:
        host.show(a_bench_topology(allow_rules(rules)))
        for number, address in ((CLIENT, CLIENT_ADDRESS), (SERVER, SERVER_ADDRESS)):
            host.address(number, f"{address}/{PREFIX_LENGTH}")
        yield Pair(name="datapath", client=host.guest(CLIENT), server=host.guest(SERVER))


def a_bench_topology(rules: tuple[AllowRule, ...]) -> Topology:
    """Return two instances on one subnet, both ports in a group with these rules."""
    fields = {"security_groups": (group_id(1),)}
    egress = a_rule(1, 1, direction=Direction.EGRESS)
    return a_topology(
        a_network(1),
        a_subnet(1, "192.168.77.0/24"),
        a_group(1),
        egress,
        *(domain_rule(number, rule) for number, rule in enumerate(rules, start=2)),
        an_instance(CLIENT),
        an_instance(SERVER),
        a_port(CLIENT, CLIENT_ADDRESS, **fields),
        a_port(SERVER, SERVER_ADDRESS, **fields),
    )


def domain_rule(number: int, rule: AllowRule) -> SecurityGroupRule:
    return a_rule(
        number,
        1,
        protocol={"tcp": 6, "udp": 17}[rule.protocol],
        ports=ports(rule.first_port, rule.last_port),
        remote_prefix=net(rule.prefix),
    )
