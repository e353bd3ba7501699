"""Transactions of the SQL store. No SQL that only one database understands."""

# ruff: noqa: D102 -- what the methods promise stands in store/protocol.py

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from portlight.core.codec import decode_entity, encode_entity
from portlight.core.topology import KIND_OF
from portlight.store import schema
from portlight.store.protocol import Alternative, AlreadyExistsError, E, LoggedChange, Usage
from portlight.store.shapes import KIND_OF_TABLE, SHAPES, Shape, shape_of
from portlight.store.sql_query import Where, documents, matches, number, split
from portlight.values.addresses import AddressRange, IpAddress
from portlight.values.ids import PortId, ProjectId, SubnetId

CHANGES = "changes"
PRUNED = "changes_pruned"
_GET = {
    kind: select(table.c.document).where(table.c.id == bindparam("of_id"))
    for kind, table in schema.ENTITY_TABLES.items()
}
_INSERT = {kind: insert(table) for kind, table in schema.ENTITY_TABLES.items()}
_UPDATE = {
    kind: update(table).where(table.c.id == bindparam("of_id"))
    for kind, table in schema.ENTITY_TABLES.items()
}
_DELETE = {
    kind: delete(table).where(table.c.id == bindparam("of_id"))
    for kind, table in schema.ENTITY_TABLES.items()
}
_free, _held, _lookups = schema.free_ranges, schema.addresses, schema.lookups
_FREE_OF = (
    select(_free.c.first, _free.c.last)
    .where(_free.c.subnet_id == bindparam("subnet_id"))
    .order_by(_free.c.first)
)
_LOWEST_FREE = _FREE_OF.limit(1)
_FREE_AROUND = (
    select(_free.c.first, _free.c.last)
    .where(_free.c.subnet_id == bindparam("subnet_id"), _free.c.first <= bindparam("address"))
    .order_by(_free.c.first.desc())
    .limit(1)
)
_FREE_FROM = _FREE_OF.where(_free.c.first == bindparam("address"))
_DELETE_FREE = delete(_free).where(
    _free.c.subnet_id == bindparam("of_subnet"), _free.c.first == bindparam("at_first")
)
_HOLDER = select(_held.c.port_id).where(
    _held.c.subnet_id == bindparam("subnet_id"), _held.c.address == bindparam("address")
)
_DROP_ADDRESS = delete(_held).where(
    _held.c.subnet_id == bindparam("of_subnet"), _held.c.address == bindparam("at_address")
)
_RAISE_NUMBER = (
    update(schema.numbers)
    .where(schema.numbers.c.name == bindparam("of_name"))
    .values(value=schema.numbers.c.value + bindparam("by"))
    .returning(schema.numbers.c.value)
)
_USED = select(schema.usages.c.used).where(
    schema.usages.c.kind == bindparam("of_kind"),
    schema.usages.c.project_id == bindparam("of_project"),
)
_GROW = (
    update(schema.usages)
    .where(
        schema.usages.c.kind == bindparam("of_kind"),
        schema.usages.c.project_id == bindparam("of_project"),
    )
    .values(used=schema.usages.c.used + bindparam("by"))
    .returning(schema.usages.c.used)
)


class SqlReading:
    """Implements `Reading`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, kind: type[E], identifier: str) -> E | None:
        document = self._connection.execute(_GET[kind], {"of_id": identifier}).scalar()
        return None if document is None else decode_entity(kind, document.encode())

    def find(
        self, kind: type[E], where: Where | None = None, any_of: Sequence[Alternative] = ()
    ) -> list[E]:
        bound, rest = split(where or {})
        query, values = documents(kind, bound, any_of)
        rows = self._connection.execute(query, values).scalars()
        entities = [decode_entity(kind, document.encode()) for document in rows]
        return [entity for entity in entities if matches(entity, rest)]

    def count(self, kind: type[object], where: Where | None = None) -> int:
        bound, rest = split(where or {})
        if rest:
            return len(self.find(kind, where))
        return int(self._connection.execute(number(kind, bound), bound).scalar_one())

    def used(self, kind: type[object], project_id: ProjectId) -> int:
        key = {"of_kind": SHAPES[kind].table, "of_project": project_id}
        return int(self._connection.execute(_USED, key).scalar() or 0)

    def usages(self, project_id: ProjectId | None = None) -> list[Usage]:
        table = schema.usages
        query = select(table.c.kind, table.c.project_id, table.c.used)
        if project_id is not None:
            query = query.where(table.c.project_id == project_id)
        rows = self._connection.execute(query.order_by(table.c.project_id, table.c.kind))
        return [
            Usage(kind=KIND_OF_TABLE[row.kind], project_id=row.project_id, used=int(row.used))
            for row in rows
            if row.used
        ]

    def changes(self, after: int) -> list[LoggedChange]:
        table = schema.changes
        query = select(table).where(table.c.sequence > after).order_by(table.c.sequence)
        return [
            LoggedChange(sequence=row.sequence, kind=row.kind, id=row.id)
            for row in self._connection.execute(query)
        ]

    def sequence_span(self) -> tuple[int, int]:
        table = schema.numbers
        query = select(table.c.name, table.c.value).where(table.c.name.in_((CHANGES, PRUNED)))
        values = {row.name: int(row.value) for row in self._connection.execute(query)}
        return values.get(PRUNED, 0), values.get(CHANGES, 0)

    def lowest_free(self, subnet_id: SubnetId) -> AddressRange | None:
        return self._one_range(_LOWEST_FREE, {"subnet_id": subnet_id})

    def free_around(self, subnet_id: SubnetId, address: IpAddress) -> AddressRange | None:
        return self._one_range(_FREE_AROUND, {"subnet_id": subnet_id, "address": _digits(address)})

    def free_from(self, subnet_id: SubnetId, address: IpAddress) -> AddressRange | None:
        return self._one_range(_FREE_FROM, {"subnet_id": subnet_id, "address": _digits(address)})

    def free_ranges(self, subnet_id: SubnetId) -> Sequence[AddressRange]:
        rows = self._connection.execute(_FREE_OF, {"subnet_id": subnet_id})
        return [_range(row.first, row.last) for row in rows]

    def holders(self, subnet_id: SubnetId) -> Mapping[IpAddress, PortId]:
        query = select(_held.c.address, _held.c.port_id).where(_held.c.subnet_id == subnet_id)
        # Every row of a subnet is of the subnet's own family; the digits tell which.
        return {
            _address(row.address): PortId(row.port_id) for row in self._connection.execute(query)
        }

    def holder(self, subnet_id: SubnetId, address: IpAddress) -> PortId | None:
        found = self._connection.execute(
            _HOLDER, {"subnet_id": subnet_id, "address": _digits(address)}
        ).scalar()
        return None if found is None else PortId(found)

    def _one_range(self, query: Select[Any], values: Mapping[str, str]) -> AddressRange | None:
        row = self._connection.execute(query, values).first()
        return None if row is None else _range(row.first, row.last)


class SqlWriting(SqlReading):
    """Implements `Writing`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._changed: list[tuple[str, str]] = []
        self._grown: Counter[tuple[str, str]] = Counter()

    def insert(self, entity: object) -> None:
        shape = shape_of(entity)
        try:
            self._connection.execute(_INSERT[type(entity)], _row(shape, entity))
        except IntegrityError as error:
            raise AlreadyExistsError(str(error.orig)) from error
        self._insert_lookups(shape, shape.identifier(entity), _lookup_rows(shape, entity))
        self._count(entity, shape, 1)
        self._log(entity, shape)

    def update(self, old: E, new: E, *, logged: bool = True) -> None:
        shape = shape_of(new)
        row = _row(shape, new)
        try:
            self._connection.execute(_UPDATE[type(new)], {**row, "of_id": row["id"]})
        except IntegrityError as error:
            raise AlreadyExistsError(str(error.orig)) from error
        before, after = _lookup_rows(shape, old), _lookup_rows(shape, new)
        self._delete_lookups(shape, row["id"], before - after)
        self._insert_lookups(shape, row["id"], after - before)
        if logged:
            self._log(new, shape)

    def delete(self, entity: object) -> None:
        shape = shape_of(entity)
        identifier = shape.identifier(entity)
        self._connection.execute(_DELETE[type(entity)], {"of_id": identifier})
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

    def next_number(self, sequence: str) -> int:
        return self._raise_number(sequence, 1)

    def hold_address(self, subnet_id: SubnetId, address: IpAddress, port_id: PortId) -> None:
        row = {"subnet_id": subnet_id, "address": _digits(address), "port_id": port_id}
        try:
            self._connection.execute(insert(_held), row)
        except IntegrityError as error:
            raise AlreadyExistsError(str(address)) from error

    def drop_address(self, subnet_id: SubnetId, address: IpAddress) -> None:
        row = {"of_subnet": subnet_id, "at_address": _digits(address)}
        self._connection.execute(_DROP_ADDRESS, row)

    def replace_free(
        self, subnet_id: SubnetId, gone: Iterable[AddressRange], new: Iterable[AddressRange]
    ) -> None:
        old = [{"of_subnet": subnet_id, "at_first": _digits(free.first)} for free in gone]
        fresh = [
            {
                "subnet_id": subnet_id,
                "first": _digits(free.first),
                "last": _digits(free.last),
            }
            for free in new
        ]
        if old:
            self._connection.execute(_DELETE_FREE, old)
        if fresh:
            self._connection.execute(insert(_free), fresh)

    def prune_changes(self, keep: int) -> None:
        pruned, newest = self.sequence_span()
        oldest_kept = newest - keep
        if oldest_kept <= pruned:
            return
        table = schema.changes
        self._connection.execute(delete(table).where(table.c.sequence <= oldest_kept))
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
        self._connection.execute(insert(schema.changes), rows)

    def _raise_number(self, name: str, by: int) -> int:
        raised = self._connection.execute(_RAISE_NUMBER, {"of_name": name, "by": by}).scalar()
        if raised is not None:
            return int(raised)
        self._connection.execute(insert(schema.numbers), {"name": name, "value": by})
        return by

    def _grow(self, table: str, project_id: str, by: int) -> int:
        key = {"of_kind": table, "of_project": project_id, "by": by}
        grown = self._connection.execute(_GROW, key).scalar()
        if grown is not None:
            return int(grown)
        row = {"kind": table, "project_id": project_id, "used": by}
        self._connection.execute(insert(schema.usages), row)
        return by

    def _count(self, entity: object, shape: Shape, by: int) -> None:
        if shape.is_counted:
            self._grown[shape.table, shape.columns["project_id"](entity) or ""] += by

    def _log(self, entity: object, shape: Shape) -> None:
        kind = KIND_OF.get(type(entity))
        if kind is not None:
            self._changed.append((kind, shape.identifier(entity)))

    def _insert_lookups(self, shape: Shape, identifier: str, rows: set[tuple[str, str]]) -> None:
        if rows:
            self._connection.execute(
                insert(_lookups),
                [
                    {"kind": shape.table, "key": key, "value": value, "id": identifier}
                    for key, value in sorted(rows)
                ],
            )

    def _delete_lookups(self, shape: Shape, identifier: str, rows: set[tuple[str, str]]) -> None:
        for key, value in sorted(rows):
            self._connection.execute(
                delete(_lookups).where(
                    _lookups.c.kind == bindparam("of_kind"),
                    _lookups.c.key == bindparam("of_key"),
                    _lookups.c.value == bindparam("of_value"),
                    _lookups.c.id == bindparam("of_id"),
                ),
                {"of_kind": shape.table, "of_key": key, "of_value": value, "of_id": identifier},
            )


def _row(shape: Shape, entity: object) -> dict[str, Any]:
    return {
        "id": shape.identifier(entity),
        "document": encode_entity(entity).decode(),
        **{column: of(entity) for column, of in shape.columns.items()},
    }


def _lookup_rows(shape: Shape, entity: object) -> set[tuple[str, str]]:
    return {(key, value) for key, of in shape.lookups.items() for value in of(entity)}


def _digits(address: IpAddress) -> str:
    width = schema.ADDRESS_WIDTH if address.version == 6 else 8  # noqa: PLR2004 -- IPv6
    return f"{int(address):0{width}x}"


def _address(digits: str) -> IpAddress:
    if len(digits) == schema.ADDRESS_WIDTH:
        return IPv6Address(int(digits, 16))
    return IPv4Address(int(digits, 16))


def _range(first: str, last: str) -> AddressRange:
    return AddressRange(first=_address(first), last=_address(last))
