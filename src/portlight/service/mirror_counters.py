"""What became of the copies of mirror sessions, as hosts counted it (`counters.py` keeps it)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from portlight.core.mirror import MirrorOutcome, MirrorSession
from portlight.core.observation import (
    Counted,
    Counts,
    MirrorCounterBlock,
    mirror_block_of,
    newest,
    read_mirror_key,
)
from portlight.core.port import Port
from portlight.core.security_group import Direction
from portlight.service.counters import Notes, all_counts
from portlight.service.report import Count, MirrorCounters
from portlight.service.work import Work
from portlight.store.protocol import Reading
from portlight.values.ids import PortId

_Way = tuple[int, Direction]
"""Port number of a source, and the direction."""
_Ways = Mapping[_Way, Mapping[MirrorOutcome, Count]]


def of_session(tx: Reading, notes: Notes, session: MirrorSession) -> list[MirrorCounters]:
    """Return the counters of a session's present sources; of former ones as far as they exist."""
    name = mirror_block_of(session.number)
    block = tx.get(MirrorCounterBlock, name)
    noted = notes.counts.get((MirrorCounterBlock, name), {})
    counts = newest(block.counts if block else {}, noted)
    ways = _by_session(counts).get(session.number, {})
    return _counters(tx, session, ways)


def of_all(tx: Reading, notes: Notes) -> list[MirrorCounters]:
    """Return the counters of every session of which something was counted, by number."""
    ways: dict[int, _Ways] = {}
    for counts in all_counts(tx, notes, MirrorCounterBlock):
        ways |= _by_session(counts)
    return [
        counters
        for session in sorted(_sessions(tx, ways), key=lambda one: one.number)
        for counters in _counters(tx, session, ways[session.number])
    ]


def ended_sessions(tx: Reading) -> set[int]:
    """Return the numbers of sessions that have counters and are no more."""
    counted = {
        read_mirror_key(key)[0] for block in tx.find(MirrorCounterBlock) for key in block.counts
    }
    return counted - {session.number for session in _sessions(tx, counted)}


def forget_ended(work: Work, ended: Iterable[int]) -> None:
    """Forget the counters of sessions that are no more: no number is given twice."""
    numbers = set(ended)
    names = {mirror_block_of(number) for number in numbers}
    for block in work.tx.find(MirrorCounterBlock, {"id": names}) if names else ():
        kept = {
            key: one for key, one in block.counts.items() if read_mirror_key(key)[0] not in numbers
        }
        work.tx.update(block, replace(block, counts=kept))


def _sessions(tx: Reading, numbers: Iterable[int]) -> list[MirrorSession]:
    wanted = [str(number) for number in numbers]
    return tx.find(MirrorSession, {"number": wanted}) if wanted else []


def _by_session(counts: Counts) -> dict[int, dict[_Way, dict[MirrorOutcome, Count]]]:
    found: defaultdict[int, defaultdict[_Way, dict[MirrorOutcome, Count]]]
    found = defaultdict(lambda: defaultdict(dict))
    for key, one in counts.items():
        number, port, direction, outcome = read_mirror_key(key)
        found[number][port, Direction(direction)][MirrorOutcome(outcome)] = _count(one)
    return {number: dict(ways) for number, ways in found.items()}


def _count(counted: Counted) -> Count:
    return Count(packets=counted.packets, bytes=counted.bytes)


def _counters(tx: Reading, session: MirrorSession, ways: _Ways) -> list[MirrorCounters]:
    """Return both directions of every source, by the order of the sources."""
    sources = tx.find(Port, {"id": session.source_port_ids}) if session.source_port_ids else []
    former = {str(number) for number, _ in ways} - {str(port.number) for port in sources}
    present: Sequence[Port] = tx.find(Port, {"number": former}) if former else []
    places = {port_id: place for place, port_id in enumerate(session.source_port_ids)}
    ports = sorted((*sources, *present), key=lambda port: _place(places, port))
    return [
        MirrorCounters(
            session_id=session.id,
            port_id=port.id,
            direction=direction,
            outcomes={
                outcome: ways.get((port.number, direction), {}).get(outcome, Count())
                for outcome in MirrorOutcome
            },
        )
        for port in ports
        for direction in Direction
    ]


def _place(places: Mapping[PortId, int], port: Port) -> tuple[int, int]:
    return places.get(port.id, len(places)), port.number
