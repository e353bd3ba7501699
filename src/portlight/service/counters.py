"""What hosts say of themselves and count, kept coarsely: at most one write a second and process.

In between it is remembered, and shown over what is kept. Whoever else runs on the same store is a
second behind; a process that dies loses the last second, and the host says it again when it counts
on.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from portlight.core.observation import (
    Counted,
    CounterBlock,
    Counts,
    HostState,
    block_of,
    newest,
    read_way_key,
    way_key,
)
from portlight.core.port import Port
from portlight.core.security_group import Direction
from portlight.service.report import AgentReport, Count, PortCounters
from portlight.service.work import Work
from portlight.store.protocol import Reading
from portlight.values.ids import HostName

KEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What was said and is not kept yet."""

    hosts: Mapping[HostName, HostState]
    counts: Mapping[str, Counts]
    """By block."""

    def without(self, kept: Self) -> Self:
        """Return what was said after `kept`."""
        return replace(
            self,
            hosts={name: one for name, one in self.hosts.items() if kept.hosts.get(name) != one},
            counts={
                block: counts
                for block, counts in self.counts.items()
                if kept.counts.get(block) is not counts
            },
        )


class Notebook:
    """Collects reports until they are kept. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes = Notes(hosts={}, counts={})
        self._kept_at = 0.0

    def add(self, report: AgentReport, now: float) -> None:
        """Note a report; counters are totals."""
        said = HostState(
            host=report.host,
            reported_at=now,
            applied_sequence=report.applied_sequence,
            errors=report.errors,
        )
        news = _by_block(report, now)
        with self._lock:
            counts = dict(self._notes.counts)
            for block, counted in news.items():
                counts[block] = newest(counts.get(block, {}), counted)
            hosts = {**self._notes.hosts, report.host: said}
            self._notes = Notes(hosts=hosts, counts=counts)

    def peek(self) -> Notes:
        """Return what is not kept yet."""
        with self._lock:
            return self._notes

    def take(self, now: float) -> Notes | None:
        """Return what is to be kept now, if there is something and the last time is long ago."""
        with self._lock:
            if not self._notes.hosts or abs(now - self._kept_at) < KEEP_SECONDS:
                return None
            self._kept_at = now
            return self._notes

    def drop(self, kept: Notes) -> None:
        """Forget what is kept."""
        with self._lock:
            self._notes = self._notes.without(kept)


def save_notes(work: Work, notes: Notes) -> None:
    """Keep the newest of what was said here and elsewhere."""
    for name, said in notes.hosts.items():
        known = work.tx.get(HostState, name)
        if known is None:
            work.tx.insert(said)
        elif known.reported_at <= said.reported_at:
            work.tx.update(known, said)
    for block, counts in notes.counts.items():
        present = work.tx.get(CounterBlock, block)
        if present is None:
            work.tx.insert(CounterBlock(id=block, counts=counts))
        else:
            work.tx.update(present, replace(present, counts=newest(present.counts, counts)))


def forget_gone(work: Work, gone: Iterable[int]) -> None:
    """Forget the counters of ports that are no more, given by number: none is given twice."""
    numbers = set(gone)
    for block in work.tx.find(CounterBlock, {"id": {block_of(number) for number in numbers}}):
        kept = {
            key: one for key, one in block.counts.items() if read_way_key(key)[0] not in numbers
        }
        work.tx.update(block, replace(block, counts=kept))


def gone_ports(tx: Reading) -> set[int]:
    """Return the numbers of ports that have counters and are no more."""
    counted = {read_way_key(key)[0] for block in tx.find(CounterBlock) for key in block.counts}
    return counted - {port.number for port in _ports(tx, counted)}


def hosts(tx: Reading, notes: Notes) -> list[HostState]:
    """Return what every host said last."""
    said = {state.host: state for state in tx.find(HostState)}
    for name, news in notes.hosts.items():
        if name not in said or said[name].reported_at <= news.reported_at:
            said[name] = news
    return sorted(said.values(), key=lambda state: state.host)


def of_port(tx: Reading, notes: Notes, port: Port) -> PortCounters:
    """Return the counters of one port, all zero when nothing was reported."""
    name = block_of(port.number)
    block = tx.get(CounterBlock, name)
    counts = newest(block.counts if block else {}, notes.counts.get(name, {}))
    prefix = f"{port.number}/"
    return _counters(port, {key: one for key, one in counts.items() if key.startswith(prefix)})


def of_all(tx: Reading, notes: Notes) -> list[PortCounters]:
    """Return the counters of every port that exists and was reported, by port number."""
    blocks: dict[str, Counts] = {block.id: block.counts for block in tx.find(CounterBlock)}
    for name, news in notes.counts.items():
        blocks[name] = newest(blocks.get(name, {}), news)
    ways: defaultdict[int, dict[str, Counted]] = defaultdict(dict)
    for counts in blocks.values():
        for key, one in counts.items():
            ways[read_way_key(key)[0]][key] = one
    ports = sorted(_ports(tx, ways), key=lambda port: port.number)
    return [_counters(port, ways[port.number]) for port in ports]


def _by_block(report: AgentReport, now: float) -> Mapping[str, Counts]:
    blocks: defaultdict[str, dict[str, Counted]] = defaultdict(dict)
    for one in report.counters:
        key = way_key(one.port, one.direction, one.reason)
        blocks[block_of(one.port)][key] = Counted(packets=one.packets, bytes=one.bytes, at=now)
    return blocks


def _ports(tx: Reading, numbers: Iterable[int]) -> list[Port]:
    wanted = [str(number) for number in numbers]
    return tx.find(Port, {"number": wanted}) if wanted else []


def _counters(port: Port, counts: Counts) -> PortCounters:
    allowed = {direction: Count() for direction in Direction}
    dropped: dict[Direction, dict[str, Count]] = {direction: {} for direction in Direction}
    for key, one in sorted(counts.items()):
        _, way, reason = read_way_key(key)
        count = Count(packets=one.packets, bytes=one.bytes)
        if reason is None:
            allowed[Direction(way)] = count
        else:
            dropped[Direction(way)][reason] = count
    return PortCounters(
        port_id=port.id,
        port_number=port.number,
        project_id=port.meta.project_id,
        allowed=allowed,
        dropped=dropped,
    )
