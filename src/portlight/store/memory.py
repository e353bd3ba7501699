"""A store that lives and dies with the process: for tests and trials.

One lock: writers and readers take turns. A failed transaction is undone step by step.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from portlight.core.default_rule import FIRST_RULES
from portlight.core.topology import KIND_OF
from portlight.store.protocol import (
    AlreadyExistsError,
    Alternative,
    Chosen,
    E,
    LoggedChange,
    Reading,
    Usage,
    Where,
    Window,
    Writing,
    cut,
)
from portlight.store.shape import Shape
from portlight.store.shapes import KIND_OF_TABLE, SHAPES, shape_of, values_of
from portlight.values.addresses import AddressRange, IpAddress
from portlight.values.ids import PortId, ProjectId, SubnetId

IndexKey = tuple[type, str, str]


@dataclass(slots=True)
class _Tables:
    entities: dict[type, dict[str, Any]] = field(default_factory=lambda: {k: {} for k in SHAPES})
    index: dict[IndexKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    free: dict[str, dict[int, AddressRange]] = field(default_factory=lambda: defaultdict(dict))
    held: dict[SubnetId, dict[IpAddress, PortId]] = field(default_factory=lambda: defaultdict(dict))
    numbers: dict[str, int] = field(default_factory=dict)
    log: list[LoggedChange] = field(default_factory=list)
    pruned: int = 0
    newest: int = 0


class MemoryStore:
    """Implements `Store` with dictionaries."""

    is_near = True

    def __init__(self) -> None:
        self._tables = _Tables()
        self._lock = threading.RLock()
        with self.writing() as tx:
            # As the migrations do.
            tx.insert(*FIRST_RULES)

    @contextmanager
    def reading(self) -> Generator[Reading]:
        """Begin a read transaction."""
        with self._lock:
            yield _MemoryTransaction(self._tables)

    @contextmanager
    def writing(self) -> Generator[Writing]:
        """Begin a write transaction."""
        with self._lock:
            transaction = _MemoryTransaction(self._tables)
            try:
                yield transaction
            except BaseException:
                transaction.undo()
                raise
            transaction.commit()

    def close(self) -> None:
        """Nothing to let go of."""


class _MemoryTransaction:
    """Implements `Writing`; each step notes how to undo it."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables
        self._undo: list[Callable[[], object]] = []
        self._changed: list[tuple[str, str]] = []

    def get(self, kind: type[E], identifier: str) -> E | None:
        return cast("E | None", self._tables.entities[kind].get(identifier))

    def find(
        self,
        kind: type[E],
        where: Where | None = None,
        any_of: Sequence[Alternative] = (),
        window: Window | None = None,
    ) -> list[E]:
        rows = self._tables.entities[kind]
        found = self._matching(kind, where or {})
        if any_of:
            found &= set().union(*(self._matching(kind, self._plain(one)) for one in any_of))
        return [rows[identifier] for identifier in cut(found, window)]

    def count(self, kind: type[object], where: Where | None = None) -> int:
        return len(self._matching(kind, where or {}))

    def values(self, kind: type[object], key: str) -> frozenset[str]:
        entities = self._tables.entities[kind].values()
        return frozenset(value for one in entities for value in values_of(SHAPES[kind], one, key))

    def used(self, kind: type[object], project_id: ProjectId) -> int:
        return self.count(kind, {"project_id": [project_id]})

    def usages(self, project_id: ProjectId | None = None) -> list[Usage]:
        found = Counter(
            (str(shape.columns["project_id"](entity)), shape.table)
            for kind, shape in SHAPES.items()
            if shape.is_counted
            for entity in self._tables.entities[kind].values()
        )
        return [
            Usage(kind=KIND_OF_TABLE[table], project_id=ProjectId(owner), used=used)
            for (owner, table), used in sorted(found.items())
            if project_id in (None, owner)
        ]

    def changes(self, after: int) -> list[LoggedChange]:
        return [change for change in self._tables.log if change.sequence > after]

    def sequence_span(self) -> tuple[int, int]:
        return self._tables.pruned, self._tables.newest

    def lowest_free(self, space: str) -> AddressRange | None:
        ranges = self._tables.free[space]
        return ranges[min(ranges)] if ranges else None

    def free_around(self, space: str, address: IpAddress) -> AddressRange | None:
        ranges = self._tables.free[space]
        below = [first for first in ranges if first <= int(address)]
        return ranges[max(below)] if below else None

    def free_from(self, space: str, address: IpAddress) -> AddressRange | None:
        return self._tables.free[space].get(int(address))

    def free_ranges(self, space: str) -> Sequence[AddressRange]:
        return [free for _, free in sorted(self._tables.free[space].items())]

    def holders(self, subnet_id: SubnetId) -> Mapping[IpAddress, PortId]:
        return dict(self._tables.held[subnet_id])

    def count_held(self, subnet_id: SubnetId) -> int:
        return len(self._tables.held[subnet_id])

    def holder(self, subnet_id: SubnetId, address: IpAddress) -> PortId | None:
        return self._tables.held[subnet_id].get(address)

    def insert(self, *entities: object) -> None:
        for entity in entities:
            self._insert(entity)

    def _insert(self, entity: object) -> None:
        shape, rows = shape_of(entity), self._tables.entities[type(entity)]
        identifier = shape.identifier(entity)
        if identifier in rows:
            raise AlreadyExistsError(identifier)
        self._check_unique(entity, shape)
        self._put(identifier, None, entity)
        self._log(type(entity), identifier)

    def update(self, old: E, new: E, *, logged: bool = True) -> None:
        shape = shape_of(new)
        self._check_unique(new, shape)
        self._put(shape.identifier(new), old, new)
        if logged:
            self._log(type(new), shape.identifier(new))

    def delete(self, entity: object) -> None:
        identifier = shape_of(entity).identifier(entity)
        self._put(identifier, entity, None)
        self._log(type(entity), identifier)

    def next_number(self, sequence: str, count: int = 1) -> int:
        numbers = self._tables.numbers
        before = numbers.get(sequence, 0)
        numbers[sequence] = before + count
        self._undo.append(lambda: numbers.__setitem__(sequence, before))
        return before + 1

    def hold_addresses(self, subnet_id: SubnetId, holders: Mapping[IpAddress, PortId]) -> None:
        held = self._tables.held[subnet_id]
        for address, port_id in holders.items():
            if address in held:
                raise AlreadyExistsError(str(address))
            held[address] = port_id
            self._undo.append(partial(held.pop, address))

    def drop_address(self, subnet_id: SubnetId, address: IpAddress) -> None:
        held = self._tables.held[subnet_id]
        port_id = held.pop(address, None)
        if port_id is not None:
            self._undo.append(lambda: held.__setitem__(address, port_id))

    def replace_free(
        self, space: str, gone: Iterable[AddressRange], new: Iterable[AddressRange]
    ) -> None:
        free = self._tables.free[space]
        before = dict(free)
        for old in gone:
            free.pop(int(old.first), None)
        for fresh in new:
            free[int(fresh.first)] = fresh
        self._undo.append(lambda: self._tables.free.__setitem__(space, before))

    def prune_changes(self, keep: int) -> None:
        # Never undone: forgetting is allowed at any time.
        dropped = self._tables.log[: max(0, len(self._tables.log) - keep)]
        if dropped:
            self._tables.pruned = dropped[-1].sequence
            del self._tables.log[: len(dropped)]

    def undo(self) -> None:
        for step in reversed(self._undo):
            step()

    def commit(self) -> None:
        for kind, identifier in self._changed:
            self._tables.newest += 1
            self._tables.log.append(
                LoggedChange(sequence=self._tables.newest, kind=kind, id=identifier)
            )

    def _matching(self, kind: type, where: Where) -> set[str]:
        rows, index, shape = self._tables.entities[kind], self._tables.index, SHAPES[kind]
        found: set[str] | None = None
        for key, values in where.items():
            if key == "id":
                hits = {value for value in values if value in rows}
            elif key in shape.columns or key in shape.lookups:
                hits = set().union(*(index.get((kind, key, value), set()) for value in values))
            else:
                raise KeyError(key)
            found = hits if found is None else found & hits
        return set(rows) if found is None else found

    def _plain(self, alternative: Alternative) -> Where:
        return {
            key: self._chosen(wanted) if isinstance(wanted, Chosen) else wanted
            for key, wanted in alternative.items()
        }

    def _chosen(self, wanted: Chosen) -> set[str]:
        rows, shape = self._tables.entities[wanted.kind], SHAPES[wanted.kind]
        found = self._matching(wanted.kind, wanted.where)
        return set().union(*(values_of(shape, rows[one], wanted.key) for one in found))

    def _check_unique(self, entity: object, shape: Shape) -> None:
        identifier = shape.identifier(entity)
        for columns in shape.unique:
            values = {column: shape.columns[column](entity) for column in columns}
            if None in values.values():
                continue
            where = {column: [str(value)] for column, value in values.items()}
            if self._matching(type(entity), where) - {identifier}:
                raise AlreadyExistsError(f"{shape.table} {values}")

    def _put(self, identifier: str, old: object | None, new: object | None) -> None:
        kind = type(new if old is None else old)
        rows = self._tables.entities[kind]
        if old is not None:
            self._reindex(kind, identifier, rows.pop(identifier), add=False)
        if new is not None:
            rows[identifier] = new
            self._reindex(kind, identifier, new, add=True)
        self._undo.append(lambda: self._unput(kind, identifier, old, new))

    def _unput(self, kind: type, identifier: str, old: object | None, new: object | None) -> None:
        rows = self._tables.entities[kind]
        if new is not None:
            self._reindex(kind, identifier, rows.pop(identifier), add=False)
        if old is not None:
            rows[identifier] = old
            self._reindex(kind, identifier, old, add=True)

    def _reindex(self, kind: type, identifier: str, entity: object, *, add: bool) -> None:
        shape = SHAPES[kind]
        pairs = [
            (key, str(value))
            for key, of in shape.columns.items()
            if (value := of(entity)) is not None
        ]
        pairs += [(key, value) for key, of in shape.lookups.items() for value in of(entity)]
        for key, value in pairs:
            bucket = self._tables.index[kind, key, value]
            (bucket.add if add else bucket.discard)(identifier)

    def _log(self, kind: type, identifier: str) -> None:
        if kind in KIND_OF:
            self._changed.append((KIND_OF[kind], identifier))
