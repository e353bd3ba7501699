"""Putting the parts of a family together, where only what changed in a part is looked at."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from portlight.compiler.memo import Memo
from portlight.plan.delta import Delta, Edition, delta

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Generic[K, V]):
    """The parts of a family together, and what they were."""

    parts: Mapping[Hashable, Edition[K, V]]
    whole: Edition[K, V]


def join_parts(memo: Memo, family: str, parts: Mapping[Hashable, Edition[K, V]]) -> Mapping[K, V]:
    """Return all entries of all parts; no two parts have a key in common."""

    def joined(parts: Mapping[Hashable, Edition[K, V]], last: Joined[K, V] | None) -> Joined[K, V]:
        before = last if last is not None else Joined(parts={}, whole=Edition())
        nothing: Edition[K, V] = Edition()
        put: dict[K, V] = {}
        gone: set[K] = set()
        for name in parts.keys() | before.parts.keys():
            change = delta(parts.get(name, nothing), before.parts.get(name, nothing))
            put |= change.put
            gone |= change.remove
        # A key may have moved from one part to another.
        change = Delta(put=put, remove=frozenset(gone - put.keys()))
        return Joined(parts=parts, whole=before.whole.with_change(change))

    return memo.improve(family, joined, parts).whole
