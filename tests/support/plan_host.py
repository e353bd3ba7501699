"""A host that is put in place from its plan alone: rules, links and programs, without an agent.

Guests are bare network namespaces; whoever uses it gives them addresses.
"""

import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.builders import HOST, an_id

from portlight.agent.family import Driver
from portlight.compiler.host import compile_host
from portlight.core.topology import Topology
from portlight.dataplane.bpf.mirror_tables import way_entries
from portlight.dataplane.bpf.port_table import port_attachments
from portlight.dataplane.bpf.programs import (
    FROM_PORT,
    MIRROR,
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
from portlight.dataplane.links.mirror_device import (
    MIRROR_DEVICE,
    MirrorDevice,
    MirrorDeviceDriver,
)
from portlight.dataplane.links.programs import (
    LoadedProgram,
    ProgramHooks,
    mirror_hooks,
    port_hooks,
)
from portlight.dataplane.links.values import veth_links
from portlight.dataplane.names import HostNames, base36
from portlight.dataplane.namespaces import delete_namespace, list_namespaces
from portlight.dataplane.nft.addresses import PublicAddressDriver
from portlight.dataplane.nft.render import public_address
from portlight.dataplane.routes.neighbours import NeighbourDriver
from portlight.dataplane.routes.peerings import PeeringDriver
from portlight.dataplane.routes.rooms import RouterRooms
from portlight.dataplane.routes.routers import RouterDriver
from portlight.dataplane.routes.tables import RouteDriver
from portlight.dataplane.routes.uplinks import UplinkDriver, remove_uplinks, uplink_of
from portlight.dataplane.routes.values import render_router, virtual_neighbours
from portlight.plan.delta import Delta, delta
from portlight.plan.host import HostPlan
from portlight.values.ids import InstanceId

_TAGS = itertools.count(os.getpid() * 13)


class PlanHost:
    """Applies one plan after the other, in the order of an agent."""

    def __init__(self, names: HostNames, objects: Path, stack: ExitStack) -> None:
        programs = load_programs(objects, names.bpf_folder)
        loaded = {name: _opened(program, stack) for name, program in programs.items()}
        self.names = names
        self.tables = stack.enter_context(Tables(names.bpf_folder))
        self._fabric = Fabric(names)
        stack.callback(self._fabric.close)
        hooks = ProgramHooks(self._fabric, port_hooks(loaded[FROM_PORT], loaded[TO_PORT]))
        self._links = LinkDriver(self._fabric, hooks)
        rooms = RouterRooms(names)
        stack.callback(rooms.close)
        self._uplinks = UplinkDriver(self._fabric)
        stack.callback(self._uplinks.close)
        self._routers = RouterDriver(rooms)
        self._peerings = PeeringDriver(rooms)
        self._public_addresses = PublicAddressDriver(rooms)
        self._routes = RouteDriver(rooms)
        self._neighbours = NeighbourDriver(rooms)
        self._device = MirrorDeviceDriver(
            self._fabric,
            ProgramHooks(self._fabric, mirror_hooks(loaded[MIRROR])),
            announced=lambda: self.tables.mirror_ifindex,
            announce=self.tables.set_mirror_ifindex,
        )

    def apply(self, plan: HostPlan) -> None:
        """Put the plan in place; raise when something of it cannot be."""
        tables = self.tables
        self._bring(tables.classifiers, plan.classifiers)
        self._bring(tables.members, plan.members)
        self._bring(tables.bindings, dict.fromkeys(plan.bindings))
        self._bring(tables.mirror_sources, plan.mirror_sources)
        self._bring(BridgeDriver(self._fabric), plan.bridges)
        self._bring(self._uplinks, {key: uplink_of(one) for key, one in plan.uplinks.items()})
        self._bring(self._links, veth_links(plan, self.names))
        self._bring(self._routers, {key: render_router(one) for key, one in plan.routers.items()})
        self._bring(self._peerings, plan.peerings)
        addresses = plan.public_addresses.items()
        self._bring(
            self._public_addresses, {key: public_address(key[1], one) for key, one in addresses}
        )
        self._bring(self._routes, plan.routes)
        self._bring(tables.ports, port_attachments(plan, self._links.indexes()))
        self._bring(tables.virtual_ips, plan.virtual_ips)
        device = {MIRROR_DEVICE: MirrorDevice()} if plan.mirror_sources else {}
        self._bring(self._device, device)
        self._bring(tables.mirror_ways, way_entries(plan, self._links.indexes()))
        self.follow_owners(plan)
        self._bring(GateDriver(self._fabric), dict.fromkeys(veth_links(plan, self.names), True))
        tables.bump_epoch()

    def follow_owners(self, plan: HostPlan) -> None:
        """Lead routers to the present owners of virtual IPs."""
        macs = self.tables.virtual_ips.macs()
        self._bring(self._neighbours, virtual_neighbours(plan, macs))

    def in_router(self, number: int, *command: str, check: bool = True) -> str:
        """Run a tool in a router."""
        return run(
            "nsenter", f"--net=/run/netns/{self.names.router(number)}", *command, check=check
        )

    def show(self, topology: Topology) -> None:
        """Put in place what the topology compiles to."""
        self.apply(compile_host(topology, HOST))

    def guest(self, number: int) -> str:
        """Return the namespace of the instance of a port built by `a_port(number)`."""
        return self.names.instance(InstanceId(an_id(7, number)))

    def inside(self, number: int, *command: str, check: bool = True) -> str:
        """Run a tool in a guest."""
        return run("nsenter", f"--net=/run/netns/{self.guest(number)}", *command, check=check)

    def start(self, number: int, *command: str) -> subprocess.Popen[str]:
        """Start a tool in a guest."""
        return subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.guest(number)}", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def address(self, number: int, *addresses: str) -> None:
        """Give the guest's eth0 these addresses (with length) and set it up."""
        self.inside(number, "sysctl", "-q", "net.ipv6.conf.all.accept_dad=0")
        self.inside(number, "sysctl", "-q", "net.ipv6.conf.eth0.accept_dad=0")
        for one in addresses:
            self.inside(number, "ip", "address", "add", one, "dev", "eth0")
        self.inside(number, "ip", "link", "set", "lo", "up")
        self.inside(number, "ip", "link", "set", "eth0", "up")

    def _bring(self, driver: Driver[Any, Any], desired: Mapping[Any, Any]) -> None:
        change: Delta[Any, Any] = delta(desired, driver.read())
        failures = driver.apply(change)
        if failures:
            raise RuntimeError(f"{type(driver).__name__}: {failures}")


def run(*command: str, check: bool = True) -> str:
    """Run a tool; fail with what it said, unless it may fail."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not check or done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


@contextmanager
def plan_host(objects: Path, prefix: str = "portlight-") -> Iterator[PlanHost]:
    """Yield a host of its own tag; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, ExitStack() as stack:
        names = HostNames(tag="b" + base36(next(_TAGS) % 46656).rjust(3, "0"), root=Path(folder))
        stack.callback(remove_bpffs, names.bpf_folder)
        ensure_bpffs(names.bpf_folder)
        stack.callback(_remove_namespaces, names)
        yield PlanHost(names, objects, stack)


def _opened(program: Program, stack: ExitStack) -> LoadedProgram:
    fd = program.open()
    stack.callback(os.close, fd)
    return LoadedProgram(name=program.name, fd=fd, id=program.id)


def _remove_namespaces(names: HostNames) -> None:
    remove_uplinks(names)
    for name in list_namespaces():
        if names.owns_namespace(name):
            delete_namespace(name)
