"""The statements of the SQL store, made from its tables. No SQL that only one database knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    union,
    update,
)

from portlight.store import schema
from portlight.store.alternatives import Form, Test
from portlight.store.shapes import SHAPES
from portlight.store.statements import Statement, parameter_names

Keys = tuple[tuple[str, int], ...]
"""Keys of a search, each with the number of its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The form of a window; its values are the parameters `after_id` and `at_most`."""

    has_after: bool = False
    has_limit: bool = False
    descending: bool = False


NO_CUT = Cut()

SHAPE_OF_TABLE = {shape.table: shape for shape in SHAPES.values()}
GET = {
    kind: Statement(select(table.c.document).where(table.c.id == bindparam("of_id")))
    for kind, table in schema.ENTITY_TABLES.items()
}
INSERT = {kind: Statement(insert(table)) for kind, table in schema.ENTITY_TABLES.items()}
UPDATE = {
    kind: Statement(update(table).where(table.c.id == bindparam("of_id")))
    for kind, table in schema.ENTITY_TABLES.items()
}
DELETE = {
    kind: Statement(delete(table).where(table.c.id == bindparam("of_id")))
    for kind, table in schema.ENTITY_TABLES.items()
}
_free, _held, _lookups = schema.free_ranges, schema.addresses, schema.lookups
_free_of = (
    select(_free.c.first, _free.c.last)
    .where(_free.c.subnet_id == bindparam("subnet_id"))
    .order_by(_free.c.first)
)
FREE_OF = Statement(_free_of)
LOWEST_FREE = Statement(_free_of.limit(literal_column("1")))
FREE_AROUND = Statement(
    select(_free.c.first, _free.c.last)
    .where(_free.c.subnet_id == bindparam("subnet_id"), _free.c.first <= bindparam("address"))
    .order_by(_free.c.first.desc())
    .limit(literal_column("1"))
)
FREE_FROM = Statement(_free_of.where(_free.c.first == bindparam("address")))
DELETE_FREE = Statement(
    delete(_free).where(
        _free.c.subnet_id == bindparam("of_subnet"), _free.c.first == bindparam("at_first")
    )
)
INSERT_FREE = Statement(insert(_free))
HOLDER = Statement(
    select(_held.c.port_id).where(
        _held.c.subnet_id == bindparam("subnet_id"), _held.c.address == bindparam("address")
    )
)
HOLDERS = Statement(
    select(_held.c.address, _held.c.port_id).where(_held.c.subnet_id == bindparam("subnet_id"))
)
COUNT_HELD = Statement(
    select(func.count()).select_from(_held).where(_held.c.subnet_id == bindparam("subnet_id"))
)
HOLD_ADDRESS = Statement(insert(_held))
DROP_ADDRESS = Statement(
    delete(_held).where(
        _held.c.subnet_id == bindparam("of_subnet"), _held.c.address == bindparam("at_address")
    )
)
INSERT_LOOKUP = Statement(insert(_lookups))
LOOKUP_VALUES = Statement(
    select(_lookups.c.value)
    .distinct()
    .where(_lookups.c.kind == bindparam("of_kind"), _lookups.c.key == bindparam("of_key"))
)
DELETE_LOOKUP = Statement(
    delete(_lookups).where(
        _lookups.c.kind == bindparam("of_kind"),
        _lookups.c.key == bindparam("of_key"),
        _lookups.c.value == bindparam("of_value"),
        _lookups.c.id == bindparam("of_id"),
    )
)
_numbers, _changes = schema.numbers, schema.changes
INSERT_NUMBER = Statement(insert(_numbers))
RAISE_NUMBER = Statement(
    update(_numbers)
    .where(_numbers.c.name == bindparam("of_name"))
    .values(value=_numbers.c.value + bindparam("by", type_=BigInteger))
    .returning(_numbers.c.value)
)
NUMBERS = Statement(select(_numbers.c.name, _numbers.c.value))
CHANGES_AFTER = Statement(
    select(_changes.c.sequence, _changes.c.kind, _changes.c.id)
    .where(_changes.c.sequence > bindparam("after"))
    .order_by(_changes.c.sequence)
)
INSERT_CHANGE = Statement(insert(_changes))
PRUNE_CHANGES = Statement(delete(_changes).where(_changes.c.sequence <= bindparam("oldest_kept")))


_usages = schema.usages
_usage_of = and_(
    _usages.c.kind == bindparam("of_kind"), _usages.c.project_id == bindparam("of_project")
)
USED = Statement(select(_usages.c.used).where(_usage_of))
_all_usages = select(_usages.c.project_id, _usages.c.kind, _usages.c.used).order_by(
    _usages.c.project_id, _usages.c.kind
)
USAGES = Statement(_all_usages)
USAGES_OF = Statement(_all_usages.where(_usages.c.project_id == bindparam("of_project")))
INSERT_USAGE = Statement(insert(_usages))
GROW_USAGE = Statement(
    update(_usages)
    .where(_usage_of)
    .values(used=_usages.c.used + bindparam("by", type_=BigInteger))
    .returning(_usages.c.used)
)


@cache
def column_values(table: str, column: str) -> Statement:
    """Return the search for every value that a column has."""
    values = schema.metadata.tables[table].c[column]
    return Statement(select(values).distinct().where(values.is_not(None)))


@cache
def documents(name: str, keys: Keys, any_of: tuple[Form, ...] = (), cut: Cut = NO_CUT) -> Statement:
    """Return the query for the documents of a table that have one of the values of every key.

    With `any_of`, those that also meet one of these alternatives; with `cut`, a part of them.
    """
    table = schema.metadata.tables[name]
    query = select(table.c.id, table.c.document)
    query = query.where(*(_condition(name, key, _values(key, count)) for key, count in keys))
    if cut.has_after:
        after = bindparam("after_id", type_=String)
        query = query.where(table.c.id < after if cut.descending else table.c.id > after)
    looked_up = any(key in SHAPE_OF_TABLE[name].lookups for key, _ in keys)
    alternatives = [_alternative(name, form, is_shielded=looked_up) for form in any_of]
    if len(alternatives) > 1 and cut.has_limit and not looked_up:
        return Statement(_first_of_each(query, alternatives, cut))
    if alternatives:
        query = query.where(or_(*alternatives))
    return Statement(_ordered(query, table, cut))


def _first_of_each(
    query: Select[Any], alternatives: Sequence[ColumnElement[bool]], cut: Cut
) -> Select[Any]:
    """Cut what each alternative finds, and then all of it.

    An index gives each in its order, so that a page costs the same however many there are; of
    alternatives under one OR a database would sort everything.
    """
    columns = ("id", "document")
    table = query.get_final_froms()[0]
    firsts = [_ordered(query.where(one), table, cut).subquery() for one in alternatives]
    every = union(*(select(*(first.c[name] for name in columns)) for first in firsts)).subquery()
    return _ordered(select(*(every.c[name] for name in columns)), every, cut)


def _ordered(query: Select[Any], table: FromClause, cut: Cut) -> Select[Any]:
    query = query.order_by(table.c.id.desc() if cut.descending else table.c.id)
    return query.limit(bindparam("at_most", type_=Integer)) if cut.has_limit else query


@cache
def number(name: str, keys: Keys) -> Statement:
    """Return the query for the number of those documents."""
    query = select(func.count()).select_from(schema.metadata.tables[name])
    conditions = (_condition(name, key, _values(key, count)) for key, count in keys)
    return Statement(query.where(*conditions))


def _values(name: str, count: int) -> list[BindParameter[str]]:
    return [bindparam(parameter) for parameter in parameter_names(name, count)]


def _alternative(name: str, form: Form, *, is_shielded: bool = False) -> ColumnElement[bool]:
    """Return what an alternative demands; shielded from indexes, it only tests what was found.

    A project may own nearly everything, an address has one port: of the two indexes SQLite, which
    keeps no statistics for us, would take the wrong one.
    """
    conditions = (
        _condition(name, test.key, _wanted(test), is_shielded=is_shielded) for test in form
    )
    return and_(*conditions)


def _wanted(test: Test) -> list[BindParameter[str]] | Select[tuple[str]]:
    if test.look_up is None:
        return _values(test.parameter, test.count)
    table = schema.metadata.tables[test.look_up.table]
    conditions = (
        _condition(test.look_up.table, inner.key, _wanted(inner)) for inner in test.look_up.form
    )
    return select(table.c[test.look_up.key]).where(*conditions)


def _condition(
    name: str,
    key: str,
    values: list[BindParameter[str]] | Select[tuple[str]],
    *,
    is_shielded: bool = False,
) -> ColumnElement[bool]:
    shape, table = SHAPE_OF_TABLE[name], schema.metadata.tables[name]
    if key == "id" or key in shape.columns:
        column = table.c[key]
        return (func.coalesce(column, "") if is_shielded else column).in_(values)
    found = and_(_lookups.c.kind == name, _lookups.c.key == key, _lookups.c.value.in_(values))
    return table.c.id.in_(select(_lookups.c.id).where(found))
