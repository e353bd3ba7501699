"""Guessing made slow: after some failures each further one makes the next try wait longer."""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

from portlight.core.errors_identity import TooManyAttemptsError

FORGET_SECONDS = 3600.0
"""Failures that are this old count no more."""
MAX_KEYS = 20_000
LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Failures:
    number: int
    last_at: float
    blocked_until: float


class Throttle:
    """Counts failures by key. Thread-safe; remembers nothing beyond the process."""

    def __init__(self, free: int) -> None:
        """Let `free` failures pass; the next waits 1 s, then 2, 4, … up to LONGEST_SECONDS."""
        self._free = free
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def check(self, key: str, now: float) -> None:
        """Raise TooManyAttemptsError while the key has to wait."""
        with self._lock:
            known = self._failures.get(key)
        if known is not None and now < known.blocked_until:
            raise TooManyAttemptsError(math.ceil(known.blocked_until - now))

    def fail(self, key: str, now: float) -> None:
        """Note a failure."""
        with self._lock:
            before = self._failures.pop(key, None)
            number = 1
            if before is not None and now - before.last_at < FORGET_SECONDS:
                number = before.number + 1
            # 2^6 > 60: a larger exponent changes nothing
            over = min(number - self._free, 7)
            delay = min(2.0 ** (over - 1), LONGEST_SECONDS) if over > 0 else 0.0
            self._failures[key] = _Failures(number, now, now + delay)
            if len(self._failures) > MAX_KEYS:
                self._failures.popitem(last=False)

    def succeed(self, key: str) -> None:
        """Forget the failures of a key."""
        with self._lock:
            self._failures.pop(key, None)
