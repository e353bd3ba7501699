"""What there is to tell the server, until it has been told.

Observations are states, so a newer one replaces an older one; only claims are events, in order.
Thread-safe: the agent's loop writes, the reporter's thread takes.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from portlight.client.agent import (
    ClaimReport,
    CounterReport,
    ErrorReport,
    InstanceReport,
    MirrorReport,
    PortReport,
    Report,
    WayReport,
)

KEPT_CLAIMS = 2_000
"""While the server cannot be reached, the oldest claims are forgotten first."""


State = PortReport | InstanceReport | WayReport | CounterReport | MirrorReport
_KEYS: Mapping[str, Callable[[Any], Hashable]] = {
    "ports": attrgetter("number"),
    "instances": attrgetter("id"),
    "routers": attrgetter("number"),
    "floating_ips": attrgetter("number"),
    "counters": attrgetter("port", "direction", "reason"),
    "mirrors": attrgetter("session", "port", "direction", "outcome"),
}
"""The fields of a report that hold states, and what a state is a state of."""


class Outbox:
    """Collects observations and hands them out as one report."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._sequence = 0
        self._states: dict[str, dict[Hashable, State]] = {field: {} for field in _KEYS}
        self._errors: tuple[ErrorReport, ...] = ()
        self._claims: deque[ClaimReport] = deque(maxlen=KEPT_CLAIMS)

    def applied(self, sequence: int, errors: Iterable[ErrorReport]) -> None:
        """Note how far the host is, and everything that could not be put in place."""
        with self._lock:
            self._sequence = max(sequence, self._sequence)
            self._errors = tuple(errors)
        self._news.set()

    def restart(self, sequence: int) -> None:
        """Note a snapshot: the server may have a new life, in which numbers start again."""
        with self._lock:
            self._sequence = sequence

    def observe(self, *, claims: Iterable[ClaimReport] = (), **states: Iterable[State]) -> None:
        """Note what was seen; `states` are fields of a report."""
        with self._lock:
            for field, reports in states.items():
                self._states[field] |= {_KEYS[field](one): one for one in reports}
            self._claims.extend(claims)
            if not (self._claims or any(self._states.values())):
                return
        self._news.set()

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to tell; return whether there is."""
        return self._news.wait(seconds)

    def take(self) -> Report:
        """Return everything that there is to tell; it counts as told until given back."""
        with self._lock:
            self._news.clear()
            held: dict[str, Any] = {
                field: tuple(states.values()) for field, states in self._states.items()
            }
            report = Report(
                host=self._host,
                applied_sequence=self._sequence,
                claims=tuple(self._claims),
                errors=self._errors,
                **held,
            )
            self._states = {field: {} for field in _KEYS}
            self._claims.clear()
        return report

    def give_back(self, report: Report) -> None:
        """Take a report that did not arrive; what was observed since stays newer."""
        with self._lock:
            for field, key in _KEYS.items():
                before = {key(one): one for one in getattr(report, field)}
                self._states[field] = before | self._states[field]
            self._claims = deque([*report.claims, *self._claims], maxlen=KEPT_CLAIMS)
        self._news.set()
