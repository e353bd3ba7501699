"""Doing many independent things, where one that fails must not stop the others."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from portlight.plan.delta import Delta

K = TypeVar("K")
V = TypeVar("V")


def attempt_each(action: Callable[[K], None], keys: Iterable[K]) -> dict[K, Exception]:
    """Do the action for each key; return what was raised, by key."""
    failures: dict[K, Exception] = {}
    for key in keys:
        try:
            action(key)
        except Exception as error:  # noqa: BLE001 -- carried to the caller, who reports it
            failures[key] = error
    return failures


def attempt_delta(
    delta: Delta[K, V], *, put: Callable[[K, V], None], remove: Callable[[K], None]
) -> dict[K, Exception]:
    """Remove, then put, each key of a delta; return what was raised, by key."""
    failures = attempt_each(remove, delta.remove)
    return failures | attempt_each(lambda key: put(key, delta.put[key]), delta.put)
