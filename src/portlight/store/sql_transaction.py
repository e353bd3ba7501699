"""Transactions of the SQL store."""

# ruff: noqa: D102 -- what the methods promise stands in store/protocol.py

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from portlight.core.codec import encode_entity
from portlight.core.topology import KIND_OF
from portlight.store import queries, schema
from portlight.store.alternatives import written
from portlight.store.decoding import DecodedEntities
from portlight.store.protocol import (
    AlreadyExistsError,
    Alternative,
    E,
    LoggedChange,
    Usage,
    Where,
    Window,
    cut,
)
from portlight.store.shape import Shape
from portlight.store.shapes import KIND_OF_TABLE, SHAPES, check_key, shape_of, values_of
from portlight.store.statements import Session, Statement, padded, parameter_names
from portlight.values.addresses import AddressRange, IpAddress
from portlight.values.ids import PortId, ProjectId, SubnetId

CHANGES = "changes"
PRUNED = "changes_pruned"
MAX_PARAMETERS = 4_000
"""Longer lists of values are compared in Python: SQLite takes 32,766 parameters in all."""


class SqlReading:
    """Implements `Reading`."""

    def __init__(self, connection: Connection, decoded: DecodedEntities) -> None:
        self._session = Session(connection)
        self._decoded = decoded

    def close(self) -> None:
        """End it: nothing more is read or written."""
        self._session.close()

    def get(self, kind: type[E], identifier: str) -> E | None:
        row = self._session.first(queries.GET[kind], {"of_id": identifier})
        return None if row is None else self._decoded.entity(kind, identifier, row[0])

    def find(
        self,
        kind: type[E],
        where: Where | None = None,
        any_of: Sequence[Alternative] = (),
        window: Window | None = None,
    ) -> list[E]:
        search, rest = _split(SHAPES[kind], where or {})
        if search is None:
            return []
        forms, values = written(any_of)
        # what SQL does not judge must be judged before it is cut
        form, place = _cut(None if rest else window)
        query = queries.documents(SHAPES[kind].table, search.keys, forms, form)
        rows = self._session.rows(query, {**search.values, **values, **place})
        entities = [self._decoded.entity(kind, row[0], row[1]) for row in rows]
        if not rest:
            return entities
        shape = SHAPES[kind]
        found = {shape.identifier(one): one for one in entities if _matches(one, rest)}
        return [found[identifier] for identifier in cut(found, window)]

    def count(self, kind: type[object], where: Where | None = None) -> int:
        search, rest = _split(SHAPES[kind], where or {})
        if search is None:
            return 0
        if rest:
            return len(self.find(kind, where))
        row = self._session.first(queries.number(SHAPES[kind].table, search.keys), search.values)
        return int(row[0]) if row else 0

    def values(self, kind: type[object], key: str) -> frozenset[str]:
        shape = SHAPES[kind]
        if key in shape.columns:
            rows = self._session.rows(queries.column_values(shape.table, key), {})
        else:
            place = {"of_kind": shape.table, "of_key": key}
            rows = self._session.rows(queries.LOOKUP_VALUES, place)
        return frozenset(row[0] for row in rows)

    def used(self, kind: type[object], project_id: ProjectId) -> int:
        key = {"of_kind": SHAPES[kind].table, "of_project": project_id}
        row = self._session.first(queries.USED, key)
        return int(row[0]) if row else 0

    def usages(self, project_id: ProjectId | None = None) -> list[Usage]:
        rows = (
            self._session.rows(queries.USAGES, {})
            if project_id is None
            else self._session.rows(queries.USAGES_OF, {"of_project": project_id})
        )
        return [
            Usage(kind=KIND_OF_TABLE[table], project_id=ProjectId(owner), used=int(used))
            for owner, table, used in rows
            if used
        ]

    def changes(self, after: int) -> list[LoggedChange]:
        rows = self._session.rows(queries.CHANGES_AFTER, {"after": after})
        return [LoggedChange(sequence=row[0], kind=row[1], id=row[2]) for row in rows]

    def sequence_span(self) -> tuple[int, int]:
        values = {name: int(value) for name, value in self._session.rows(queries.NUMBERS, {})}
        return values.get(PRUNED, 0), values.get(CHANGES, 0)

    def lowest_free(self, space: str) -> AddressRange | None:
        return self._one_range(queries.LOWEST_FREE, {"subnet_id": space})

    def free_around(self, space: str, address: IpAddress) -> AddressRange | None:
        place = {"subnet_id": space, "address": _digits(address)}
        return self._one_range(queries.FREE_AROUND, place)

    def free_from(self, space: str, address: IpAddress) -> AddressRange | None:
        place = {"subnet_id": space, "address": _digits(address)}
        return self._one_range(queries.FREE_FROM, place)

    def free_ranges(self, space: str) -> Sequence[AddressRange]:
        rows = self._session.rows(queries.FREE_OF, {"subnet_id": space})
        return [_range(first, last) for first, last in rows]

    def holders(self, subnet_id: SubnetId) -> Mapping[IpAddress, PortId]:
        rows = self._session.rows(queries.HOLDERS, {"subnet_id": subnet_id})
        # Every row of a subnet is of the subnet's own family; the digits tell which.
        return {_address(digits): PortId(port_id) for digits, port_id in rows}

    def count_held(self, subnet_id: SubnetId) -> int:
        row = self._session.first(queries.COUNT_HELD, {"subnet_id": subnet_id})
        return 0 if row is None else int(row[0])

    def holder(self, subnet_id: SubnetId, address: IpAddress) -> PortId | None:
        place = {"subnet_id": subnet_id, "address": _digits(address)}
        row = self._session.first(queries.HOLDER, place)
        return None if row is None else PortId(row[0])

    def _one_range(self, query: Statement, place: Mapping[str, str]) -> AddressRange | None:
        row = self._session.first(query, place)
        return None if row is None else _range(row[0], row[1])


class SqlWriting(SqlReading):
    """Implements `Writing`."""

    def __init__(self, connection: Connection, decoded: DecodedEntities) -> None:
        super().__init__(connection, decoded)
        self._changed: list[tuple[str, str]] = []
        self._grown: Counter[tuple[str, str]] = Counter()

    def insert(self, *entities: object) -> None:
        for kind in dict.fromkeys(type(entity) for entity in entities):
            self._insert(kind, [entity for entity in entities if type(entity) is kind])

    def update(self, old: E, new: E, *, logged: bool = True) -> None:
        shape = shape_of(new)
        row = _row(shape, new)
        try:
            self._session.run(queries.UPDATE[type(new)], {**row, "of_id": row["id"]})
        except IntegrityError as error:
            raise AlreadyExistsError(str(error.orig)) from error
        before, after = _lookup_rows(shape, old), _lookup_rows(shape, new)
        self._delete_lookups(shape, row["id"], before - after)
        self._insert_lookups(shape, {row["id"]: after - before})
        if logged:
            self._log(new, shape)

    def delete(self, entity: object) -> None:
        shape = shape_of(entity)
        identifier = shape.identifier(entity)
        self._session.run(queries.DELETE[type(entity)], {"of_id": identifier})
        self._delete_lookups(shape, identifier, _lookup_rows(shape, entity))
        self._count(entity, shape, -1)
        self._log(entity, shape)

    def used(self, kind: type[object], project_id: ProjectId) -> int:
        key = (SHAPES[kind].table, project_id)
        by = self._grown.pop(key, 0)
        return self._grow(*key, by) if by else super().used(kind, project_id)

    def usages(self, project_id: ProjectId | None = None) -> list[Usage]:
        self.write_usages()
        return super().usages(project_id)

    def next_number(self, sequence: str, count: int = 1) -> int:
        return self._raise_number(sequence, count) - count + 1

    def hold_addresses(self, subnet_id: SubnetId, holders: Mapping[IpAddress, PortId]) -> None:
        rows = [
            {"subnet_id": subnet_id, "address": _digits(address), "port_id": port_id}
            for address, port_id in holders.items()
        ]
        try:
            self._session.run_many(queries.HOLD_ADDRESS, rows)
        except IntegrityError as error:
            raise AlreadyExistsError(f"one of {len(rows)} addresses of {subnet_id}") from error

    def drop_address(self, subnet_id: SubnetId, address: IpAddress) -> None:
        place = {"of_subnet": subnet_id, "at_address": _digits(address)}
        self._session.run(queries.DROP_ADDRESS, place)

    def replace_free(
        self, space: str, gone: Iterable[AddressRange], new: Iterable[AddressRange]
    ) -> None:
        old = [{"of_subnet": space, "at_first": _digits(free.first)} for free in gone]
        fresh = [
            {
                "subnet_id": space,
                "first": _digits(free.first),
                "last": _digits(free.last),
            }
            for free in new
        ]
        self._session.run_many(queries.DELETE_FREE, old)
        self._session.run_many(queries.INSERT_FREE, fresh)

    def prune_changes(self, keep: int) -> None:
        pruned, newest = self.sequence_span()
        oldest_kept = newest - keep
        if oldest_kept <= pruned:
            return
        self._session.run(queries.PRUNE_CHANGES, {"oldest_kept": oldest_kept})
        self._raise_number(PRUNED, oldest_kept - pruned)

    def write_usages(self) -> None:
        """Keep what this transaction has added to the usages; before its commit."""
        # In one order, so that two writers never wait for each other's row.
        for key, by in sorted(self._grown.items()):
            if by:
                self._grow(*key, by)
        self._grown.clear()

    def write_log(self) -> None:
        """Give the changes of this transaction their numbers; the last thing before its commit."""
        if not self._changed:
            return
        last = self._raise_number(CHANGES, len(self._changed))
        first = last - len(self._changed) + 1
        rows = [
            {"sequence": first + offset, "kind": kind, "id": identifier}
            for offset, (kind, identifier) in enumerate(self._changed)
        ]
        self._session.run_many(queries.INSERT_CHANGE, rows)

    def _raise_number(self, name: str, by: int) -> int:
        raised = self._session.first(queries.RAISE_NUMBER, {"of_name": name, "by": by})
        if raised is not None:
            return int(raised[0])
        self._session.run(queries.INSERT_NUMBER, {"name": name, "value": by})
        return by

    def _insert(self, kind: type, entities: Sequence[object]) -> None:
        shape = SHAPES[kind]
        try:
            self._session.run_many(queries.INSERT[kind], [_row(shape, one) for one in entities])
        except IntegrityError as error:
            raise AlreadyExistsError(str(error.orig)) from error
        self._insert_lookups(
            shape, {shape.identifier(one): _lookup_rows(shape, one) for one in entities}
        )
        for entity in entities:
            self._count(entity, shape, 1)
            self._log(entity, shape)

    def _grow(self, table: str, project_id: str, by: int) -> int:
        key = {"of_kind": table, "of_project": project_id, "by": by}
        grown = self._session.first(queries.GROW_USAGE, key)
        if grown is not None:
            return int(grown[0])
        row = {"kind": table, "project_id": project_id, "used": by}
        self._session.run(queries.INSERT_USAGE, row)
        return by

    def _count(self, entity: object, shape: Shape, by: int) -> None:
        if shape.is_counted:
            self._grown[shape.table, shape.columns["project_id"](entity) or ""] += by

    def _log(self, entity: object, shape: Shape) -> None:
        kind = KIND_OF.get(type(entity))
        if kind is not None:
            self._changed.append((kind, shape.identifier(entity)))

    def _insert_lookups(self, shape: Shape, rows: Mapping[str, set[tuple[str, str]]]) -> None:
        self._session.run_many(
            queries.INSERT_LOOKUP,
            [
                {"kind": shape.table, "key": key, "value": value, "id": identifier}
                for identifier, pairs in rows.items()
                for key, value in sorted(pairs)
            ],
        )

    def _delete_lookups(self, shape: Shape, identifier: str, rows: set[tuple[str, str]]) -> None:
        self._session.run_many(
            queries.DELETE_LOOKUP,
            [
                {"of_kind": shape.table, "of_key": key, "of_value": value, "of_id": identifier}
                for key, value in sorted(rows)
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """The part of a condition that SQL takes."""

    keys: queries.Keys
    values: Mapping[str, str]


def _cut(window: Window | None) -> tuple[queries.Cut, Mapping[str, str | int]]:
    if window is None:
        return queries.NO_CUT, {}
    form = queries.Cut(
        has_after=window.after is not None,
        has_limit=window.limit is not None,
        descending=window.descending,
    )
    given = {"after_id": window.after, "at_most": window.limit}
    return form, {name: value for name, value in given.items() if value is not None}


def _row(shape: Shape, entity: object) -> dict[str, Any]:
    return {
        "id": shape.identifier(entity),
        "document": encode_entity(entity).decode(),
        **{column: of(entity) for column, of in shape.columns.items()},
    }


def _lookup_rows(shape: Shape, entity: object) -> set[tuple[str, str]]:
    return {(key, value) for key, of in shape.lookups.items() for value in of(entity)}


def _split(shape: Shape, where: Where) -> tuple[_Search | None, Where]:
    """Return what SQL can search (None: nothing fits), and the conditions that it cannot take."""
    keys: list[tuple[str, int]] = []
    values: dict[str, str] = {}
    for key in sorted(where):
        check_key(shape, key)
        if not where[key]:
            return None, {}
        if len(where[key]) > MAX_PARAMETERS:
            continue
        listed = padded(where[key])
        keys.append((key, len(listed)))
        values.update(zip(parameter_names(key, len(listed)), listed, strict=True))
    asked = {key for key, _ in keys}
    rest = {key: frozenset(where[key]) for key in where if key not in asked}
    return _Search(keys=tuple(keys), values=values), rest


def _matches(entity: object, where: Where) -> bool:
    shape = shape_of(entity)
    return all(not values_of(shape, entity, key).isdisjoint(where[key]) for key in where)


def _digits(address: IpAddress) -> str:
    width = schema.ADDRESS_WIDTH if address.version == 6 else 8  # noqa: PLR2004 -- IPv6
    return f"{int(address):0{width}x}"


def _address(digits: str) -> IpAddress:
    if len(digits) == schema.ADDRESS_WIDTH:
        return IPv6Address(int(digits, 16))
    return IPv4Address(int(digits, 16))


def _range(first: str, last: str) -> AddressRange:
    return AddressRange(first=_address(first), last=_address(last))
