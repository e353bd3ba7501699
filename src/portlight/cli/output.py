"""Tables for people, JSON for programs."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

T = TypeVar("T")
Columns = Mapping[str, Callable[[T], str]]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_PIPE_WIDTH = 200
_NOT_NESTED = frozenset(
    {"project_id", "security_group_id", "revision_number", "created_at", "updated_at"}
)
"""What is left out of things inside other things."""


def console() -> Console:
    """Return the console; wide enough for whole ids when the output goes into a pipe."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_list(items: Sequence[T], columns: Columns[T], *, as_json: bool) -> None:
    """Print one line for each item."""
    if as_json:
        print_json(items)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in columns:
        table.add_column(header, overflow="fold")
    for item in items:
        table.add_row(*(Text(column(item)) for column in columns.values()))
    console().print(table)


def print_one(item: object, *, as_json: bool) -> None:
    """Print one line for each field of an item."""
    if as_json:
        print_json(item)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in msgspec.to_builtins(item).items():
        table.add_row(name, Text(spell(value)))
    console().print(table)


def spell(value: object) -> str:
    """Spell a JSON value for people."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return "\n".join(spell(member) for member in value) or "-"
        case dict():
            shown = {key: one for key, one in value.items() if key not in _NOT_NESTED}
            return " ".join(f"{key}={spell(one)}" for key, one in shown.items() if _says(one))
        case _:
            return str(value)


def _says(value: object) -> bool:
    return value is not None and value not in ("", [])
