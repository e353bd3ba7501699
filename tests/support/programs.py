"""The real programs and tables in a private place, and frames to put through them.

Needs root. Links are veth ends of a network namespace that nothing else sees; nobody is behind
them: a test run of a program needs only their numbers.
"""

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from portlight.dataplane.bpf.abi import (
    Direction,
    Flow,
    FlowKey,
    Fragment,
    VirtualIpMember,
    VirtualIpOwner,
    decode_record,
    encode_record,
)
from portlight.dataplane.bpf.maps import BpfMap
from portlight.dataplane.bpf.port_table import PortAttachment, Service
from portlight.dataplane.bpf.programs import ensure_bpffs, load_programs, remove_bpffs
from portlight.dataplane.bpf.syscall import UpdateFlag, open_pinned
from portlight.dataplane.bpf.tables import Tables
from portlight.dataplane.bpf.testrun import TC_ACT_SHOT, TestRun, run_program
from portlight.plan.classifier import Classifier, ClassifierRule
from portlight.plan.delta import Delta
from portlight.plan.host import PortPlan, SourceBinding, VirtualIpPlan
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.verdict import DropReason

ROOT = Path(__file__).parents[2]
LINKS = 8
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPort:
    """A port with its link."""

    number: int
    ifindex: int
    plan: PortPlan


@contextmanager
def private_network() -> Iterator[None]:
    """Put this thread into a network namespace of its own, and back."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        assert _libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        assert _libc.setns(before, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(before)


def build_programs(out: Path) -> Path:
    """Compile the programs of this tree."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "bpf"), f"OUT={out}"], check=True, timeout=120)
    return out


class ProgramLab:
    """Loaded programs, their tables, and links to run them on."""

    def __init__(self, pins: Path, ifindexes: tuple[int, ...]) -> None:
        self.pins = pins
        self.tables = Tables(pins)
        self.flows = BpfMap.open_pinned(pins / "flows")
        self.fragments = BpfMap.open_pinned(pins / "fragments")
        self._owners = BpfMap.open_pinned(pins / "vip_owners")
        self._members = BpfMap.open_pinned(pins / "vip_members")
        self._ifindexes = ifindexes
        self._programs = {
            Direction.EGRESS: open_pinned(pins / "from_port"),
            Direction.INGRESS: open_pinned(pins / "to_port"),
        }

    def close(self) -> None:
        for opened in (self.flows, self.fragments, self._owners, self._members):
            opened.close()
        self.tables.close()
        for fd in self._programs.values():
            os.close(fd)

    def clear(self) -> None:
        """Forget every port, rule, flow and virtual IP."""
        tables = self.tables
        routing = (tables.router_legs, tables.shortcuts, tables.stations, tables.virtual_macs)
        policy = (tables.virtual_ips, tables.ports, tables.bindings, tables.classifiers)
        for table in routing + policy:
            present: Any = table.read()
            table.apply(Delta(put={}, remove=frozenset(present)))
        for opened in (self.flows, self.fragments):
            opened.delete_many(list(opened.keys()))
        self.tables.claims.poll()

    def rules(self, *rules: ClassifierRule) -> int:
        """Load a classifier; return its key."""
        classifier = Classifier(rules=rules)
        failures = self.tables.classifiers.apply(
            Delta(put={classifier.key: classifier}, remove=frozenset())
        )
        assert not failures, failures
        return classifier.key

    def port(self, number: int, plan: PortPlan, *, service: Service | None = None) -> LabPort:
        """Write the entry of a port; its link is chosen by its number."""
        ifindex = self._ifindexes[number % LINKS]
        attachment = PortAttachment(plan=plan, ifindex=ifindex, service=service)
        failures = self.tables.ports.apply(Delta(put={number: attachment}, remove=frozenset()))
        assert not failures, failures
        return LabPort(number=number, ifindex=ifindex, plan=plan)

    def change(self, port: LabPort, **changes: bool | int) -> LabPort:
        """Write the entry of a port again, changed."""
        changed = replace(port.plan, **changes)  # type: ignore[arg-type] # names are arguments
        return self.port(port.number, changed)

    def bind(self, *bindings: SourceBinding) -> None:
        failures = self.tables.bindings.apply(
            Delta(put=dict.fromkeys(bindings), remove=frozenset())
        )
        assert not failures, failures

    def unbind(self, *bindings: SourceBinding) -> None:
        self.tables.bindings.apply(Delta(put={}, remove=frozenset(bindings)))

    def virtual_ip(self, network: int, address: IpAddress, plan: VirtualIpPlan) -> None:
        failures = self.tables.virtual_ips.apply(
            Delta(put={(network, address): plan}, remove=frozenset())
        )
        assert not failures, failures

    def owner(self, network: int, address: IpAddress) -> int:
        return self.tables.virtual_ips.owners()[(network, address)].owner

    def sends(self, port: LabPort, frame: bytes, **context: int) -> TestRun:
        """Let the guest of a port send a frame."""
        return run_program(self._programs[Direction.EGRESS], frame, ifindex=port.ifindex, **context)

    def receives(self, port: LabPort, frame: bytes, **context: int) -> TestRun:
        """Let the bridge deliver a frame to a port."""
        return run_program(
            self._programs[Direction.INGRESS], frame, ifindex=port.ifindex, **context
        )

    def flow(self, port: LabPort) -> Flow:
        """Return the only flow of a port."""
        (found,) = [
            decode_record(Flow, raw)
            for key, raw in self.flows.items()
            if decode_record(FlowKey, key).port == port.number
        ]
        return found

    def age(self, seconds: float) -> None:
        """Make everything that is remembered older."""
        by = int(seconds * 1e9)
        _rewrite(self.flows, lambda raw: _older(decode_record(Flow, raw), by, "seen_at"))
        _rewrite(self.fragments, lambda raw: _older(decode_record(Fragment, raw), by, "allowed_at"))
        _rewrite(
            self._members,
            lambda raw: _older(
                decode_record(VirtualIpMember, raw), by, "announced_at", "announced_before_at"
            ),
        )
        _rewrite(
            self._owners,
            lambda raw: _older(decode_record(VirtualIpOwner, raw), by, "seen_at"),
            UpdateFlag.LOCK,
        )


@contextmanager
def program_lab(folder: Path) -> Iterator[ProgramLab]:
    """Build, load and open everything under `folder`; leave nothing."""
    objects = build_programs(folder / "objects")
    pins = folder / "pins"
    ensure_bpffs(pins)
    try:
        load_programs(objects, pins, {"flows": 4096})
        with private_network():
            lab = ProgramLab(pins, _make_links())
            try:
                yield lab
            finally:
                lab.close()
    finally:
        remove_bpffs(pins)


def assert_dropped(
    run: TestRun, reason: DropReason, at: LabPort, direction: Direction | None = None
) -> None:
    """Ask why a frame died, and at which port."""
    found = DropReason(run.cb[0]).name if run.action == TC_ACT_SHOT else "nothing"
    assert found == reason.name
    assert run.cb[1] == at.number
    assert direction is None or run.cb[2] == direction


def assert_allowed(run: TestRun) -> None:
    """Ask that a frame went on, by the bridge or straight to a guest."""
    found = DropReason(run.cb[0]).name if run.action == TC_ACT_SHOT else None
    assert found is None, f"dropped with {found}"


def mac(text: str) -> MacAddress:
    return MacAddress(int(text.replace(":", ""), 16))


def _older(
    record: Flow | Fragment | VirtualIpMember | VirtualIpOwner, by: int, *names: str
) -> bytes:
    times = {name: getattr(record, name) for name in names}
    # Before the machine started: wrapped, as the programs subtract. 0 means never.
    older = {name: (at - by) % (1 << 64) if at else 0 for name, at in times.items()}
    return encode_record(replace(record, **older))  # type: ignore[arg-type] # names are arguments


def _rewrite(
    table: BpfMap, change: Callable[[bytes], bytes], flags: UpdateFlag = UpdateFlag.ANY
) -> None:
    for key in list(table.keys()):
        raw = table.lookup(key, flags)
        if raw is not None:
            table.update(key, change(raw), flags)


def _make_links() -> tuple[int, ...]:
    for index in range(0, LINKS, 2):
        subprocess.run(
            ["ip", "link", "add", f"l{index}", "type", "veth", "peer", "name", f"l{index + 1}"],
            check=True,
            timeout=20,
        )
    return tuple(socket.if_nametoindex(f"l{index}") for index in range(LINKS))
