"""What of a difference to apply now, and what to try again later. Pure.

A key whose application failed waits longer each time, and never stops others from going on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from portlight.plan.delta import Delta

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 5.0

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A key that could not be put in place (or removed)."""

    attempts: int
    retry_at: float
    """On the clock of the caller."""
    message: str


def due(change: Delta[K, V], failures: Mapping[K, Failure], now: float) -> Delta[K, V]:
    """Return the part of a change that need not wait for its next attempt."""
    waiting = {key for key, failure in failures.items() if failure.retry_at > now}
    if not waiting:
        return change
    return Delta(
        put={key: value for key, value in change.put.items() if key not in waiting},
        remove=change.remove - waiting,
    )


def settle(
    known: Mapping[K, V], applied: Delta[K, V], errors: Mapping[K, Exception]
) -> Mapping[K, V]:
    """Return what is there after a change of which some keys failed.

    Of a failed key nobody knows what is there: it is left out, so that it differs until a look.
    """
    if not applied:
        return known
    after = dict(known)
    for key in applied.remove:
        if key not in errors:
            after.pop(key, None)
    for key, value in applied.put.items():
        if key in errors:
            after.pop(key, None)
        else:
            after[key] = value
    return after


def note_failures(
    failures: Mapping[K, Failure],
    applied: Delta[K, V],
    errors: Mapping[K, Exception],
    now: float,
) -> Mapping[K, Failure]:
    """Return the failures after an application: ended where it worked, longer where it did not."""
    if not failures and not errors:
        return failures
    tried = applied.put.keys() | applied.remove
    kept = {key: failure for key, failure in failures.items() if key not in tried}
    for key, error in errors.items():
        attempts = failures[key].attempts + 1 if key in failures else 1
        wait = min(FIRST_RETRY_SECONDS * 2 ** (attempts - 1), LONGEST_RETRY_SECONDS)
        kept[key] = Failure(
            attempts=attempts, retry_at=now + wait, message=f"{type(error).__name__}: {error}"
        )
    return kept


def still_wanted(
    failures: Mapping[K, Failure], desired: Mapping[K, V], known: Mapping[K, V]
) -> Mapping[K, Failure]:
    """Return the failures of keys that are wanted or still there; the others have no meaning."""
    if not failures:
        return failures
    return {key: failure for key, failure in failures.items() if key in desired or key in known}


def strayed(known: Mapping[K, V], found: Mapping[K, V]) -> frozenset[K]:
    """Return the keys that somebody else changed since we knew them."""
    return frozenset(
        key
        for key in known.keys() | found.keys()
        if key not in known or key not in found or known[key] != found[key]
    )
