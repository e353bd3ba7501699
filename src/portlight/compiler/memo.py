"""What one compilation learnt that the next may reuse.

The compiler keeps no state of its own: whoever compiles again and again (the agent) holds a Memo
and passes it in. A plan compiled with a memo equals one compiled without it.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, Generic, TypeVar, TypeVarTuple

from portlight.plan.delta import delta

K = TypeVar("K")
E = TypeVar("E")
R = TypeVar("R")
Inputs = TypeVarTuple("Inputs")

_NOTHING: Mapping[Any, Any] = {}


class Index(Generic[K, E]):
    """Entities by a property, brought up to date by what changed.

    A group's mapping is replaced when its content changes, and is otherwise the same object: what
    is computed from it can be remembered by it.
    """

    def __init__(self, groups_of: Callable[[E], Collection[Hashable]]) -> None:
        self._groups_of = groups_of
        self._entities: Mapping[K, E] = {}
        self._groups: Mapping[Hashable, Mapping[K, E]] = {}

    def update(self, entities: Mapping[K, E]) -> None:
        """Take the entities as they are now."""
        change = delta(entities, self._entities)
        fresh: dict[Hashable, dict[K, E]] = {}
        for key in change.remove:
            for group in self._groups_of(self._entities[key]):
                self._writable(fresh, group).pop(key, None)
        for key, entity in change.put.items():
            before = self._groups_of(self._entities[key]) if key in self._entities else ()
            after = self._groups_of(entity)
            for group in before:
                if group not in after:
                    self._writable(fresh, group).pop(key, None)
            for group in after:
                # A changed entity keeps its place: the next delta walks both versions in step.
                self._writable(fresh, group)[key] = entity
        if fresh:
            merged = {**self._groups, **fresh}
            self._groups = {group: members for group, members in merged.items() if members}
        self._entities = entities

    def __getitem__(self, group: Hashable) -> Mapping[K, E]:
        return self._groups.get(group, _NOTHING)

    def _writable(self, fresh: dict[Hashable, dict[K, E]], group: Hashable) -> dict[K, E]:
        if group not in fresh:
            fresh[group] = dict(self._groups.get(group, _NOTHING))
        return fresh[group]


class Memo:
    """The results of the last compilation by what they were computed from.

    Belongs to one caller and one host. A compilation that raises leaves it as it was.
    """

    def __init__(self) -> None:
        self.indexes: dict[str, Index[Any, Any]] = {}
        self._last: dict[Hashable, tuple[tuple[object, ...], Any]] = {}
        self._next: dict[Hashable, tuple[tuple[object, ...], Any]] = {}

    def recall(self, key: Hashable, compute: Callable[[*Inputs], R], *inputs: *Inputs) -> R:
        """Return the last result for `key` when its inputs are the same, else compute it.

        Mappings are the same when they are the same object, everything else when it is equal.
        """
        known = self._last.get(key)
        if known is None or not _are_same(known[0], inputs):
            known = (inputs, compute(*inputs))
        self._next[key] = known
        result: R = known[1]
        return result

    def improve(
        self, key: Hashable, compute: Callable[[*Inputs, R | None], R], *inputs: *Inputs
    ) -> R:
        """Recall, where `compute` starts from the last result if there is one."""
        known = self._last.get(key)
        if known is None or not _are_same(known[0], inputs):
            known = (inputs, compute(*inputs, known[1] if known is not None else None))
        self._next[key] = known
        result: R = known[1]
        return result

    def settle(self) -> None:
        """End a compilation: forget what it did not ask for."""
        self._last, self._next = self._next, {}


def _are_same(known: tuple[object, ...], inputs: tuple[object, ...]) -> bool:
    for left, right in zip(known, inputs, strict=True):
        if left is not right and (isinstance(left, Mapping) or left != right):
            return False
    return True
