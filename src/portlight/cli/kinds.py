"""The commands that every kind of resource has: list, show, delete."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import click

from portlight.cli.output import Columns, json_option, print_list, print_one
from portlight.cli.session import Session, pass_session
from portlight.client.client import Client
from portlight.client.collection import Collection, Identified

R = TypeVar("R", bound=Identified)
Resolve = Callable[[Client, str], str]
"""From a name or id on the command line to an id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[R]):
    """A kind of resource on the command line."""

    word: str
    """What people call it."""
    of: Callable[[Client], Collection[R]]
    columns: Columns[R]
    filters: Mapping[str, tuple[str, Resolve]] = field(default_factory=dict)
    """Option of `list` to the field on the wire, and how its value becomes an id."""

    def find(self, client: Client, name_or_id: str) -> R:
        """Return the one that is meant."""
        return self.of(client).find(name_or_id)

    def id_of(self, client: Client, name_or_id: str) -> str:
        """Return the id of the one that is meant."""
        return self.find(client, name_or_id).id


def add_standard_commands(group: click.Group, kind: Kind[R]) -> None:
    """Give the group its list, show and delete."""
    group.add_command(_list_command(kind))
    group.add_command(_show_command(kind))
    group.add_command(_delete_command(kind))


def given(**fields: object) -> dict[str, object]:
    """Return the fields that were given on the command line."""
    return {name: value for name, value in fields.items() if value is not None}


def _list_command(kind: Kind[R]) -> click.Command:
    @json_option
    @pass_session
    def run(session: Session, /, *, as_json: bool, **options: str | None) -> None:
        client = session.client
        filters = {
            kind.filters[option][0]: kind.filters[option][1](client, value)
            for option, value in options.items()
            if value is not None
        }
        print_list(kind.of(client).list(**filters), kind.columns, as_json=as_json)

    for option in kind.filters:
        run = click.option(f"--{option}", option, help=f"Only those of this {option}.")(run)
    return click.command("list", help=f"List every {kind.word} that you may see.")(run)


def _show_command(kind: Kind[R]) -> click.Command:
    @click.command("show", help=f"Show one {kind.word}.")
    @click.argument("name")
    @json_option
    @pass_session
    def run(session: Session, /, name: str, *, as_json: bool) -> None:
        print_one(kind.find(session.client, name), as_json=as_json)

    return run


def _delete_command(kind: Kind[R]) -> click.Command:
    @click.command("delete", help=f"Delete a {kind.word}, or several.")
    @click.argument("names", nargs=-1, required=True)
    @pass_session
    def run(session: Session, /, names: tuple[str, ...]) -> None:
        client = session.client
        for name in names:
            kind.of(client).delete(kind.id_of(client, name))

    return run
