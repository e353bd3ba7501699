"""The third witness: the real programs, with a compiled plan in their maps, in step with the model.

Needs root and a private network namespace (see programs.py).
"""

import os
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.model_bridge import Outcome
from tests.support.programs import build_programs, private_network
from tests.support.shots import Shot

from portlight.core.security_group import Direction
from portlight.dataplane.bpf.abi import (
    Flow,
    Fragment,
    MirrorOutcome,
    VirtualIpOwner,
    decode_record,
    encode_record,
)
from portlight.dataplane.bpf.maps import BpfMap
from portlight.dataplane.bpf.port_table import PortAttachment, port_attachments
from portlight.dataplane.bpf.programs import ensure_bpffs, load_programs, remove_bpffs
from portlight.dataplane.bpf.shortcut_tables import StationEntry, station_entries
from portlight.dataplane.bpf.syscall import UpdateFlag, open_pinned
from portlight.dataplane.bpf.tables import Tables
from portlight.dataplane.bpf.testrun import TC_ACT_SHOT, run_program
from portlight.plan.delta import Delta, delta
from portlight.plan.host import HostPlan
from portlight.plan.shortcuts import StationKey
from portlight.values.addresses import IpAddress
from portlight.values.verdict import Allow, Drop, DropReason

SHORTEST = {0x0800: 34, 0x86DD: 54}
"""Bytes of a frame, by EtherType, that the kernel's test run insists on; 15 for others."""
LOOPBACK = 1
"""Interface index of a link that never has a port entry."""


class KernelPath:
    """Loads plans and judges frames. Ports are judged alone, unless `is_direct`."""

    def __init__(self, pins: Path, links: Mapping[int, int]) -> None:
        self._links = links
        self._tables = Tables(pins)
        self._stateful = {
            name: BpfMap.open_pinned(pins / name)
            for name in ("flows", "fragments", "vip_owners", "mirror_counters")
        }
        self._programs = {
            Direction.EGRESS: open_pinned(pins / "from_port"),
            Direction.INGRESS: open_pinned(pins / "to_port"),
        }
        self._plan = HostPlan()
        self._attachments: Mapping[int, PortAttachment] = {}
        self._stations: Mapping[StationKey, StationEntry] = {}

    def close(self) -> None:
        for opened in self._stateful.values():
            opened.close()
        self._tables.close()
        for fd in self._programs.values():
            os.close(fd)

    def start(self, *, is_direct: bool = False) -> None:
        """Forget everything, for another world. `is_direct`: frames skip the bridge."""
        self._is_direct = is_direct
        self.load(HostPlan())
        # No way leads anywhere: every copy that is wanted is counted as one without a target.
        self._tables.set_mirror_ifindex(LOOPBACK)
        for name in ("flows", "fragments", "mirror_counters"):
            self._stateful[name].delete_many(list(self._stateful[name].keys()))

    def load(self, plan: HostPlan) -> None:
        """Apply what changed, in the order in which the agent does, and bump the epoch."""
        attachments = {
            number: replace(attachment, is_veth=self._is_direct)
            for number, attachment in port_attachments(plan, self._links).items()
        }
        stations = station_entries(plan, self._links)
        tables: Any = self._tables
        before, after = dict.fromkeys(self._plan.bindings), dict.fromkeys(plan.bindings)
        steps: list[tuple[Any, Delta[Any, Any]]] = [
            (tables.classifiers, delta(plan.classifiers, self._plan.classifiers)),
            (tables.members, delta(plan.members, self._plan.members)),
            (tables.bindings, delta(after, before)),
            (tables.mirror_sources, delta(plan.mirror_sources, self._plan.mirror_sources)),
            (tables.ports, delta(attachments, self._attachments)),
            (tables.virtual_ips, delta(plan.virtual_ips, self._plan.virtual_ips)),
            (tables.virtual_macs, delta(plan.virtual_macs, self._plan.virtual_macs)),
            (tables.stations, delta(stations, self._stations)),
            (tables.shortcuts, delta(plan.shortcuts, self._plan.shortcuts)),
            (tables.router_legs, delta(plan.router_legs, self._plan.router_legs)),
        ]
        for table, change in steps:
            failures = table.apply(replace(change, remove=frozenset()))
            assert not failures, failures
        for table, change in reversed(steps):
            failures = table.apply(replace(change, put={}))
            assert not failures, failures
        self._plan, self._attachments, self._stations = plan, attachments, stations
        self._tables.bump_epoch()

    @staticmethod
    def can_judge(shot: Shot) -> bool:
        """Whether a test run takes the frame: one with half an IP header needs a real link."""
        data = shot.frame.data
        return len(data) >= SHORTEST.get(int.from_bytes(data[12:14], "big"), 15)

    def judge(self, shot: Shot) -> Outcome:
        run = run_program(
            self._programs[shot.direction],
            shot.frame.data,
            ifindex=self._links.get(shot.port, LOOPBACK),
        )
        if run.action != TC_ACT_SHOT:
            return Outcome(Allow(), shot.port, shot.direction)
        reason, port, direction = run.cb
        at = Direction.EGRESS if direction == 1 else Direction.INGRESS
        return Outcome(Drop(DropReason(reason)), port, at)

    def copies(self) -> Counter[tuple[int, int, str]]:
        """Return how many copies were wanted since the start, by session, port and direction."""
        read = self._tables.mirror_counters.read()
        assert {one.outcome for one in read} <= {MirrorOutcome.NO_TARGET}
        return Counter({(one.session, one.port, one.direction): one.packets for one in read})

    def owners(self) -> dict[tuple[int, IpAddress], tuple[int, int]]:
        """Return port and VRRP priority of the owner of each owned virtual IP."""
        found = self._tables.virtual_ips.owners()
        return {key: (one.owner, one.priority) for key, one in found.items() if one.owner}

    def age(self, seconds: float) -> None:
        """Make everything that is remembered older."""
        by = int(seconds * 1e9)
        self._age("flows", Flow, "seen_at", by, UpdateFlag.ANY)
        self._age("fragments", Fragment, "allowed_at", by, UpdateFlag.ANY)
        self._age("vip_owners", VirtualIpOwner, "seen_at", by, UpdateFlag.LOCK)

    def _age(self, name: str, kind: Any, field: str, by: int, flags: UpdateFlag) -> None:  # noqa: ANN401
        table = self._stateful[name]
        for key in list(table.keys()):
            raw = table.lookup(key, flags)
            if raw is not None:
                record = decode_record(kind, raw)
                older = replace(record, **{field: max(getattr(record, field) - by, 0)})
                table.update(key, encode_record(older), flags)


@contextmanager
def kernel_path(folder: Path, numbers: Iterator[int]) -> Iterator[KernelPath]:
    """Build and load the programs under `folder`, with a link for each port number."""
    objects = build_programs(folder / "objects")
    pins = folder / "pins"
    ensure_bpffs(pins)
    try:
        load_programs(objects, pins)
        with private_network():
            path = KernelPath(pins, {number: _make_link(number) for number in numbers})
            try:
                yield path
            finally:
                path.close()
    finally:
        remove_bpffs(pins)


def _make_link(number: int) -> int:
    command = ["ip", "link", "add", f"m{number}", "type", "veth", "peer", "name", f"g{number}"]
    subprocess.run(command, check=True, timeout=20)
    return socket.if_nametoindex(f"m{number}")
