"""The difference between what is wanted and what is there."""

import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress, count
from operator import is_not
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta(Generic[K, V]):
    """What to put and what to remove; applying it makes actual equal to desired."""

    put: Mapping[K, V]
    remove: frozenset[K]

    def __bool__(self) -> bool:
        return bool(self.put or self.remove)


def delta(desired: Mapping[K, V], actual: Mapping[K, V]) -> Delta[K, V]:
    """Return the smallest change that makes `actual` equal to `desired`.

    Two versions of one mapping mostly hold the same objects in the same order, so both are walked
    in step: comparing identities costs a fiftieth of hashing every address again, which decides for
    10,000 ports. Any other order gives the same answer, only more slowly.
    """
    if desired is actual:
        return Delta(put={}, remove=frozenset())
    remembered = desired.change_since(actual) if isinstance(desired, Edition) else None
    return remembered or _compared(desired, actual)


class Edition(dict[K, V]):
    """A mapping made from another by a change that it remembers; never changed afterwards.

    Among 10,000 ports the change of one is found without looking at the others. It does not keep
    the mapping that it came from alive: who compares with that has it.
    """

    __slots__ = ("__weakref__", "_change", "_origin")

    def __init__(self, content: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        super().__init__(content)
        self._origin: weakref.ref[Edition[K, V]] | None = None
        self._change: Delta[K, V] | None = None

    def with_change(self, change: Delta[K, V]) -> "Edition[K, V]":
        """Return the next edition; this one when nothing is different in it."""
        if not change:
            return self
        after = Edition(self)
        for key in change.remove:
            after.pop(key, None)
        after.update(change.put)
        after._origin = weakref.ref(self)
        after._change = change
        return after

    def change_since(self, other: object) -> Delta[K, V] | None:
        """Return the change that made this from `other`; None when it was not made from it."""
        return self._change if self._origin is not None and self._origin() is other else None


def edition_of(mapping: Mapping[K, V]) -> Edition[K, V]:
    """Return the mapping as an edition that the next one can remember."""
    return mapping if isinstance(mapping, Edition) else Edition(mapping)


def _compared(desired: Mapping[K, V], actual: Mapping[K, V]) -> Delta[K, V]:
    put: dict[K, V] = {}
    remove: set[K] = set()
    wanted, present = _Side(desired), _Side(actual)
    for _ in range(_MAX_STUMBLES):
        put.update(_changed_in_step(wanted, present))
        if wanted.is_done or present.is_done:
            break
        if present.key not in desired:
            remove.add(present.key)
            present.at += 1
        elif wanted.key not in actual:
            put[wanted.key] = wanted.value
            wanted.at += 1
        else:
            break
    missing = object()
    put |= {key: value for key, value in wanted.rest() if actual.get(key, missing) != value}
    remove.update(key for key, _ in present.rest() if key not in desired)
    return Delta(put=put, remove=frozenset(remove))


_MAX_STUMBLES = 64
"""Entries that only one side has, after which keeping in step is given up."""


class _Side(Generic[K, V]):
    """A mapping and how far it was walked."""

    __slots__ = ("at", "keys", "values")

    def __init__(self, mapping: Mapping[K, V]) -> None:
        self.keys = list(mapping)
        self.values = list(mapping.values())
        self.at = 0

    @property
    def key(self) -> K:
        return self.keys[self.at]

    @property
    def value(self) -> V:
        return self.values[self.at]

    @property
    def is_done(self) -> bool:
        return self.at == len(self.keys)

    def rest(self) -> Iterator[tuple[K, V]]:
        return zip(self.keys[self.at :], self.values[self.at :], strict=True)


def _changed_in_step(wanted: _Side[K, V], present: _Side[K, V]) -> Iterator[tuple[K, V]]:
    """Walk both sides while their keys are the same objects; yield the entries that differ."""
    keys, values = wanted.keys[wanted.at :], wanted.values[wanted.at :]
    others = present.values[present.at :]
    differing = compress(count(), map(is_not, keys, present.keys[present.at :]))
    steps = next(differing, min(len(keys), len(others)))
    wanted.at += steps
    present.at += steps
    for index in compress(range(steps), map(is_not, values, others)):
        if values[index] != others[index]:
            yield keys[index], values[index]
