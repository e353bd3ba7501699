"""Select statements over entities, each built once for every form of question. Pure."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, func, or_, select

from portlight.store import schema
from portlight.store.protocol import Alternative, Chosen
from portlight.store.shapes import KIND_OF_TABLE, SHAPES, shape_of, values_of

Where = Mapping[str, Collection[str]]

MAX_PARAMETERS = 4_000
"""Longer lists of values are compared in Python: SQLite takes 32,766 parameters in all."""

_Keys = tuple[str, ...]
_Choice = tuple[type, str, _Keys]
_Form = tuple[tuple[str, _Choice | None], ...]
"""An alternative without its values: its keys, each with the look-up that gives its values."""

_lookups = schema.lookups


def split(where: Where) -> tuple[dict[str, list[str]], Where]:
    """Return the conditions that SQL can take, as its parameters, and those that it cannot."""
    bound = {key: list(values) for key, values in where.items() if len(values) <= MAX_PARAMETERS}
    return bound, {key: frozenset(where[key]) for key in where if key not in bound}


def matches(entity: object, where: Where) -> bool:
    """Whether the entity has one of the values under every key."""
    shape = shape_of(entity)
    return all(not values_of(shape, entity, key).isdisjoint(where[key]) for key in where)


def documents(
    kind: type, bound: Mapping[str, list[str]], any_of: Sequence[Alternative]
) -> tuple[Select[Any], dict[str, list[str]]]:
    """Return the statement that finds the documents, with its parameters."""
    values = dict(bound)
    for place, alternative in enumerate(any_of):
        for key, wanted in alternative.items():
            if isinstance(wanted, Chosen):
                for inner, inner_values in wanted.where.items():
                    values[f"{place}_{key}_{inner}"] = list(inner_values)
            else:
                values[f"{place}_{key}"] = list(wanted)
    forms = tuple(_form(alternative) for alternative in any_of)
    return _documents(kind, tuple(sorted(bound)), forms), values


def number(kind: type, bound: Mapping[str, list[str]]) -> Select[Any]:
    """Return the statement that counts entities."""
    return _number(kind, tuple(sorted(bound)))


def _form(alternative: Alternative) -> _Form:
    return tuple(
        (
            key,
            (wanted.kind, wanted.key, tuple(sorted(wanted.where)))
            if isinstance(wanted, Chosen)
            else None,
        )
        for key, wanted in sorted(alternative.items())
    )


@cache
def _documents(kind: type, keys: _Keys, any_of: tuple[_Form, ...]) -> Select[Any]:
    table = schema.ENTITY_TABLES[kind]
    query = select(table.c.document).order_by(table.c.id)
    query = query.where(*(_condition(kind, key, bindparam(key, expanding=True)) for key in keys))
    if not any_of:
        return query
    return query.where(or_(*(_alternative(kind, *one) for one in enumerate(any_of))))


@cache
def _number(kind: type, keys: _Keys) -> Select[Any]:
    query = select(func.count()).select_from(schema.ENTITY_TABLES[kind])
    return query.where(*(_condition(kind, key, bindparam(key, expanding=True)) for key in keys))


def _alternative(kind: type, place: int, form: _Form) -> ColumnElement[bool]:
    return and_(
        *(
            _condition(
                kind,
                key,
                bindparam(f"{place}_{key}", expanding=True)
                if choice is None
                else _chosen(choice, f"{place}_{key}"),
            )
            for key, choice in form
        )
    )


def _chosen(choice: _Choice, name: str) -> Select[Any]:
    kind, column, keys = choice
    conditions = (
        _condition(kind, key, bindparam(f"{name}_{key}", expanding=True)) for key in keys
    )
    return select(schema.ENTITY_TABLES[kind].c[column]).where(*conditions)


def _condition(
    kind: type, key: str, values: BindParameter[str] | Select[Any]
) -> ColumnElement[bool]:
    shape, table = SHAPES[kind], schema.ENTITY_TABLES[kind]
    if key == "id" or key in shape.columns:
        return table.c[key].in_(values)
    if key not in shape.lookups:
        raise KeyError(key)
    found = and_(
        _lookups.c.kind == shape.table, _lookups.c.key == key, _lookups.c.value.in_(values)
    )
    return table.c.id.in_(select(_lookups.c.id).where(found))
