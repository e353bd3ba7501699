"""Portlight's compiler, drivers and programs without server and agent: the bare data path.

The same kernel objects as a deployment of `bench.portlight`, built in a tenth of the time. Its tag
is unique to this process, and all of it is gone afterwards.
"""

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.commands import inside
from bench.pair import CLIENT_ADDRESS, PREFIX_LENGTH, SERVER_ADDRESS, Pair
from bench.rule_sets import AllowRule, allow_rules
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
    ports,
)

from portlight.compiler.host import compile_host
from portlight.core.security_group import Direction, SecurityGroupRule
from portlight.core.topology import Topology
from portlight.dataplane.bpf.port_table import port_attachments
from portlight.dataplane.bpf.programs import (
    FROM_PORT,
    TO_PORT,
    Program,
    ensure_bpffs,
    load_programs,
    remove_bpffs,
)
from portlight.dataplane.bpf.tables import Tables
from portlight.dataplane.links.bridges import BridgeDriver
from portlight.dataplane.links.fabric import Fabric
from portlight.dataplane.links.links import GateDriver, LinkDriver
from portlight.dataplane.links.programs import Hooks, LoadedProgram, ProgramHooks, port_hooks
from portlight.dataplane.links.values import veth_links
from portlight.dataplane.names import HostNames, base36
from portlight.dataplane.namespaces import delete_namespace, list_namespaces
from portlight.plan.delta import delta
from portlight.plan.host import HostPlan

OBJECTS = Path(__file__).parents[1] / "build" / "bpf"
CLIENT, SERVER = 1, 2
"""Port numbers; instances have the same."""
_TAGS = itertools.count(os.getpid() * 13)


@contextmanager
def datapath_pair(prefix: str, rules: int) -> Iterator[Pair]:
    """Yield two guests whose ports are in one group with so many rules."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, ExitStack() as stack:
        names = HostNames(tag="b" + base36(next(_TAGS) % 46656).rjust(3, "0"), root=Path(folder))
        stack.callback(remove_bpffs, names.bpf_folder)
        ensure_bpffs(names.bpf_folder)
        stack.callback(_remove_namespaces, names)
        topology = a_bench_topology(allow_rules(rules))
        _apply(names, compile_host(topology, HOST), stack)
        yield _pair(names, topology)


def a_bench_topology(rules: tuple[AllowRule, ...]) -> Topology:
    """Return two instances on one subnet, both ports in a group with these rules."""
    fields = {"security_groups": (group_id(1),)}
    egress = a_rule(1, 1, direction=Direction.EGRESS)
    return a_topology(
        a_network(1),
        a_subnet(1, "192.168.77.0/24"),
        a_group(1),
        egress,
        *(_domain_rule(number, rule) for number, rule in enumerate(rules, start=2)),
        an_instance(CLIENT),
        an_instance(SERVER),
        a_port(CLIENT, CLIENT_ADDRESS, **fields),
        a_port(SERVER, SERVER_ADDRESS, **fields),
    )


def _domain_rule(number: int, rule: AllowRule) -> SecurityGroupRule:
    return a_rule(
        number,
        1,
        protocol={"tcp": 6, "udp": 17}[rule.protocol],
        ports=ports(rule.first_port, rule.last_port),
        remote_prefix=net(rule.prefix),
    )


def _apply(names: HostNames, plan: HostPlan, stack: ExitStack) -> None:
    """Put the plan in place, in the order of an agent: rules, links, entries, then open."""
    programs = load_programs(OBJECTS, names.bpf_folder)
    tables = stack.enter_context(Tables(names.bpf_folder))
    fabric = Fabric(names)
    stack.callback(fabric.close)
    hooks = ProgramHooks(fabric, _opened(programs[FROM_PORT], programs[TO_PORT], stack))
    links = LinkDriver(fabric, hooks)
    failures = [
        tables.classifiers.apply(delta(plan.classifiers, {})),
        tables.bindings.apply(delta(dict.fromkeys(plan.bindings), {})),
        BridgeDriver(fabric).apply(delta(plan.bridges, {})),
        links.apply(delta(veth_links(plan, names), {})),
    ]
    attachments = port_attachments(plan, links.indexes())
    failures.append(tables.ports.apply(delta(attachments, {})))
    failures.append(GateDriver(fabric).apply(delta(dict.fromkeys(plan.links, True), {})))
    tables.bump_epoch()
    if any(failures):
        raise RuntimeError(f"the plan is not in place: {failures}")


def _opened(from_port: Program, to_port: Program, stack: ExitStack) -> Hooks:
    def opened(program: Program) -> LoadedProgram:
        fd = program.open()
        stack.callback(os.close, fd)
        return LoadedProgram(name=program.name, fd=fd, id=program.id)

    return port_hooks(opened(from_port), opened(to_port))


def _pair(names: HostNames, topology: Topology) -> Pair:
    """Configure the guests, which have no DHCP client here."""
    namespace = {
        port.number: names.instance(instance.id)
        for port in topology.ports.values()
        for instance in topology.instances.values()
        if instance.id == port.device_id
    }
    for number, address in ((CLIENT, CLIENT_ADDRESS), (SERVER, SERVER_ADDRESS)):
        at = f"{address}/{PREFIX_LENGTH}"
        inside(namespace[number], "ip", "address", "add", at, "dev", "eth0")
        inside(namespace[number], "ip", "link", "set", "eth0", "up")
    return Pair(name="datapath", client=namespace[CLIENT], server=namespace[SERVER])


def _remove_namespaces(names: HostNames) -> None:
    for name in list_namespaces():
        if names.owns_namespace(name):
            with contextlib.suppress(OSError):
                delete_namespace(name)
