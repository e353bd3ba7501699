"""What there is to tell the server, until it has been told.

Observations are states, so a newer one replaces an older one; only claims are events, in order.
Thread-safe: the agent's loop writes, the reporter's thread takes.
"""

import threading
from collections import deque
from collections.abc import Iterable

from portlight.client.agent import (
    ClaimReport,
    CounterReport,
    ErrorReport,
    InstanceReport,
    MirrorReport,
    PortReport,
    Report,
)

KEPT_CLAIMS = 2_000
"""While the server cannot be reached, the oldest claims are forgotten first."""


class Outbox:
    """Collects observations and hands them out as one report."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._sequence = 0
        self._ports: dict[int, PortReport] = {}
        self._instances: dict[str, InstanceReport] = {}
        self._counters: dict[tuple[int, str, str | None], CounterReport] = {}
        self._mirrors: dict[tuple[int, int, str, str], MirrorReport] = {}
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

    def observe(
        self,
        *,
        ports: Iterable[PortReport] = (),
        instances: Iterable[InstanceReport] = (),
        counters: Iterable[CounterReport] = (),
        mirrors: Iterable[MirrorReport] = (),
        claims: Iterable[ClaimReport] = (),
    ) -> None:
        """Note what was seen."""
        with self._lock:
            self._ports |= {one.number: one for one in ports}
            self._instances |= {one.id: one for one in instances}
            self._counters |= {(one.port, one.direction, one.reason): one for one in counters}
            self._mirrors |= _by_case(mirrors)
            self._claims.extend(claims)
            totals = self._counters or self._mirrors
            if not (self._ports or self._instances or totals or self._claims):
                return
        self._news.set()

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to tell; return whether there is."""
        return self._news.wait(seconds)

    def take(self) -> Report:
        """Return everything that there is to tell; it counts as told until given back."""
        with self._lock:
            self._news.clear()
            report = Report(
                host=self._host,
                applied_sequence=self._sequence,
                ports=tuple(self._ports.values()),
                instances=tuple(self._instances.values()),
                claims=tuple(self._claims),
                counters=tuple(self._counters.values()),
                mirrors=tuple(self._mirrors.values()),
                errors=self._errors,
            )
            self._ports, self._instances, self._counters, self._mirrors = {}, {}, {}, {}
            self._claims.clear()
        return report

    def give_back(self, report: Report) -> None:
        """Take a report that did not arrive; what was observed since stays newer."""
        with self._lock:
            self._ports = {one.number: one for one in report.ports} | self._ports
            self._instances = {one.id: one for one in report.instances} | self._instances
            self._counters = {
                (one.port, one.direction, one.reason): one for one in report.counters
            } | self._counters
            self._mirrors = _by_case(report.mirrors) | self._mirrors
            self._claims = deque([*report.claims, *self._claims], maxlen=KEPT_CLAIMS)
        self._news.set()


def _by_case(mirrors: Iterable[MirrorReport]) -> dict[tuple[int, int, str, str], MirrorReport]:
    return {(one.session, one.port, one.direction, one.outcome): one for one in mirrors}
