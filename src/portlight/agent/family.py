"""One kind of kernel object in the agent's hands: its driver, what is known of it, what failed."""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar, runtime_checkable

from portlight.agent.sweep import Failure, due, note_failures, settle, still_wanted, strayed
from portlight.plan.delta import Delta, delta

K = TypeVar("K")
V = TypeVar("V")


class Driver(Protocol[K, V]):
    """Reads and writes one kind of kernel object; decides nothing."""

    def read(self) -> Mapping[K, V]:
        """Return what is there."""

    def apply(self, delta: Delta[K, V]) -> Mapping[K, Exception]:
        """Change it; return what failed."""


@runtime_checkable
class Glancing(Protocol):
    """A driver of many objects, which can tell at a glance that nobody else changed any."""

    def is_intact(self) -> bool:
        """Whether all is as this driver last read or wrote it; much cheaper than `read`."""


class Family(Generic[K, V]):
    """Brings a driver's objects to what is wanted, change by change.

    Between two looks it trusts what it applied, so that a small change of a big plan is small.
    """

    def __init__(self, name: str, driver: Driver[K, V]) -> None:
        self.name = name
        self._driver = driver
        self._glance = driver.is_intact if isinstance(driver, Glancing) else None
        self.known: Mapping[K, V] = driver.read()
        self.failures: Mapping[K, Failure] = {}
        self._unwanted: tuple[Mapping[K, V] | None, frozenset[K]] = (None, frozenset())
        """What the last `put` saw there beyond its desired mapping."""

    def look(self) -> frozenset[K]:
        """Read the kernel; return the keys that somebody else changed."""
        if self._glance is not None and not self.failures and self._glance():
            return frozenset()
        found = self._driver.read()
        astray = strayed(self.known, found) - self.failures.keys()
        if astray or self.failures:
            self.known = found
        return astray

    def differing(self, desired: Mapping[K, V]) -> frozenset[K]:
        """Return the keys that are not in the kernel as they are desired; changes nothing."""
        return strayed(desired, self._driver.read())

    def put(self, desired: Mapping[K, V], now: float) -> bool:
        """Put what is missing or different; return whether anything was changed."""
        if desired is self.known:
            return False
        change = delta(desired, self.known)
        self._unwanted = (desired, change.remove)
        self.failures = still_wanted(self.failures, desired, self.known)
        return self._apply(Delta(put=change.put, remove=frozenset()), now)

    def remove(self, desired: Mapping[K, V], now: float) -> bool:
        """Remove what is not wanted, after `put`; return whether anything was changed."""
        if desired is self.known:
            return False
        compared_with, gone = self._unwanted
        if compared_with is not desired:
            gone = frozenset(key for key in self.known if key not in desired)
        changed = self._apply(Delta(put={}, remove=gone), now)
        if not self.failures and compared_with is desired:
            # Equal now; the same object costs nothing to compare with next time.
            self.known = desired
        return changed

    def _apply(self, change: Delta[K, V], now: float) -> bool:
        ready = due(change, self.failures, now)
        if not ready:
            return False
        errors = self._driver.apply(ready)
        self.known = settle(self.known, ready, errors)
        self.failures = note_failures(self.failures, ready, errors, now)
        return True
