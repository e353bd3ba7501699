"""What one compilation learnt that the next may reuse.

The compiler keeps no state of its own: whoever compiles again and again (the agent) holds a Memo
and passes it in. A plan compiled with a memo equals one compiled without it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, Generic, TypeVar, TypeVarTuple

from portlight.plan.delta import Delta, Edition, delta, edition_of

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
        self._groups: Mapping[Hashable, Edition[K, E]] = {}

    def update(self, entities: Mapping[K, E]) -> None:
        """Take the entities as they are now."""
        change = delta(entities, self._entities)
        put: defaultdict[Hashable, dict[K, E]] = defaultdict(dict)
        gone: defaultdict[Hashable, set[K]] = defaultdict(set)
        for key in change.remove:
            for group in self._groups_of(self._entities[key]):
                gone[group].add(key)
        for key, entity in change.put.items():
            before = self._groups_of(self._entities[key]) if key in self._entities else ()
            after = self._groups_of(entity)
            for group in before:
                if group not in after:
                    gone[group].add(key)
            for group in after:
                put[group][key] = entity
        self._regroup({g: Delta(put=put[g], remove=frozenset(gone[g])) for g in {*put, *gone}})
        self._entities = entities

    def __getitem__(self, group: Hashable) -> Mapping[K, E]:
        return self._groups.get(group, _NOTHING)

    def _regroup(self, changes: Mapping[Hashable, Delta[K, E]]) -> None:
        if not changes:
            return
        groups = dict(self._groups)
        for group, change in changes.items():
            groups[group] = edition_of(groups.get(group, _NOTHING)).with_change(change)
            if not groups[group]:
                del groups[group]
        self._groups = groups


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
