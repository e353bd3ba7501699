"""A host that is put in place from its plan alone: rules, links and programs, without an agent.

Guests are bare network namespaces; whoever uses it gives them addresses.
"""

import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.builders import HOST, an_id

from portlight.agent.host import FAMILIES, Host, HostPaths
from portlight.compiler.host import compile_host
from portlight.compiler.memo import Memo
from portlight.core.topology import Topology
from portlight.dataplane.bpf.programs import ensure_bpffs, remove_bpffs
from portlight.dataplane.names import HostNames, base36
from portlight.dataplane.namespaces import delete_namespace, list_namespaces
from portlight.dataplane.routes.uplinks import remove_uplinks
from portlight.plan.host import HostPlan
from portlight.values.ids import InstanceId

_TAGS = itertools.count(os.getpid() * 13)


class PlanHost:
    """Applies one plan after the other, as an agent does; guests and DHCP servers are left out."""

    def __init__(self, paths: HostPaths, stack: ExitStack) -> None:
        self.names = paths.names
        self._paths = paths
        self._host = Host(paths)
        stack.callback(self._host.close)
        self.tables = self._host.tables
        self.leg_drops = self._host.leg_counters
        self._plan = HostPlan()
        self._memo = Memo()

    def apply(self, plan: HostPlan) -> None:
        """Put the plan in place; raise when something of it cannot be."""
        self._plan = replace(plan, instances={}, dhcp={})
        self._host.apply(self._plan, time.monotonic())
        failures = self._host.failures()
        if failures:
            raise RuntimeError(str(failures))

    def repair(self) -> set[str]:
        """Look at everything, as an agent does once a second; return what had to be repaired."""
        return {
            family for family in FAMILIES if self._host.look(family, self._plan, time.monotonic())
        }

    def differing(self) -> Mapping[str, frozenset[Any]]:
        """Return what is not as the plan says."""
        return self._host.differing(self._plan)

    def differing_for_a_fresh_agent(self) -> Mapping[str, frozenset[Any]]:
        """Return what somebody who knows nothing yet finds otherwise than the plan says."""
        fresh = Host(self._paths)
        try:
            return fresh.differing(self._plan)
        finally:
            fresh.close()

    def in_router(self, number: int, *command: str, check: bool = True) -> str:
        """Run a tool in a router."""
        return run(
            "nsenter", f"--net=/run/netns/{self.names.router(number)}", *command, check=check
        )

    def show(self, topology: Topology) -> None:
        """Put in place what the topology compiles to."""
        self.apply(compile_host(topology, HOST, self._memo))

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


def run(*command: str, check: bool = True) -> str:
    """Run a tool; fail with what it said, unless it may fail."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not check or done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


@contextmanager
def plan_host(objects: Path, prefix: str = "portlight-") -> Iterator[PlanHost]:
    """Yield a host of its own tag; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, ExitStack() as stack:
        tag = "b" + base36(next(_TAGS) % 46656).rjust(3, "0")
        names = HostNames(tag=tag, state=Path(folder, "state"), root=Path(folder))
        stack.callback(remove_bpffs, names.bpf_folder)
        ensure_bpffs(names.bpf_folder)
        stack.callback(_remove_namespaces, names)
        host = PlanHost(HostPaths(names=names, bpf_objects=objects), stack)
        try:
            yield host
        finally:
            # What runs as a process does not end with its namespace.
            host.apply(HostPlan())


def _remove_namespaces(names: HostNames) -> None:
    remove_uplinks(names)
    for name in list_namespaces():
        if names.owns_namespace(name):
            delete_namespace(name)
