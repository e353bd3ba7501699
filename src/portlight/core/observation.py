"""What the hosts said last. Observed, never desired: nothing here wakes an agent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from portlight.values.ids import HostName

BLOCK_PORTS = 256
"""Ports in one block of counters: few rows, and none of them large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """Something that an agent could not put in place (it goes on trying)."""

    object: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What a host said last."""

    host: HostName
    reported_at: float
    """Seconds since the epoch, UTC."""
    applied_sequence: int
    errors: tuple[ErrorReport, ...]


class Counted(NamedTuple):
    """Packets of a port that went the same way, and when a host said so."""

    packets: int
    bytes: int
    at: float
    """Seconds since the epoch, UTC."""


Counts = Mapping[str, Counted]
"""By `way_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterBlock:
    """The counters of BLOCK_PORTS ports with numbers in a row."""

    id: str
    counts: Counts = field(default_factory=dict)


def block_of(port_number: int) -> str:
    """Return the id of the block that a port's counters are in."""
    return str(port_number // BLOCK_PORTS)


def way_key(port_number: int, direction: str, reason: str | None) -> str:
    """Return the key of a counter; the reason is None for packets that were allowed."""
    return f"{port_number}/{direction}/{reason or ''}"


def read_way_key(key: str) -> tuple[int, str, str | None]:
    """Return port number, direction and reason."""
    port_number, direction, reason = key.split("/", 2)
    return int(port_number), direction, reason or None


def newest(known: Counts, news: Counts) -> Counts:
    """Return both; of two that are the same counter, the one that was said later."""
    return {
        **known,
        **{key: one for key, one in news.items() if key not in known or one.at >= known[key].at},
    }
