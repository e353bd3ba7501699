"""Alternatives of a search, split into their form (which makes the statement) and their values.

Pure. Searches that differ in values alone have one form, so their statement is made once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from portlight.store.protocol import Alternative, Chosen
from portlight.store.shapes import SHAPES
from portlight.store.statements import padded, parameter_names


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Where the values of a test come from: a column of the rows of a table."""

    table: str
    key: str
    form: "Form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A key that has one of several values."""

    key: str
    parameter: str
    """Beginning of the names of its parameters; unique in the statement."""
    count: int = 0
    look_up: LookUp | None = None


Form = tuple[Test, ...]
"""Tests that all hold."""


def written(any_of: Sequence[Alternative]) -> tuple[tuple[Form, ...], dict[str, str]]:
    """Return the forms of the alternatives, and the values of their parameters."""
    values: dict[str, str] = {}
    forms = tuple(_form(f"or{place}", one, values) for place, one in enumerate(any_of))
    return forms, values


def _form(prefix: str, alternative: Alternative, values: dict[str, str]) -> Form:
    return tuple(
        _look_up(key, f"{prefix}_{key}", wanted, values)
        if isinstance(wanted, Chosen)
        else _listed(key, f"{prefix}_{key}", padded(wanted), values)
        for key, wanted in sorted(alternative.items(), key=_key)
    )


def _key(item: tuple[str, object]) -> str:
    return item[0]


def _listed(key: str, parameter: str, listed: list[str], values: dict[str, str]) -> Test:
    values.update(zip(parameter_names(parameter, len(listed)), listed, strict=True))
    return Test(key=key, parameter=parameter, count=len(listed))


def _look_up(key: str, parameter: str, wanted: Chosen, values: dict[str, str]) -> Test:
    look_up = LookUp(
        table=SHAPES[wanted.kind].table,
        key=wanted.key,
        form=_form(parameter, dict(wanted.where), values),
    )
    return Test(key=key, parameter=parameter, look_up=look_up)
