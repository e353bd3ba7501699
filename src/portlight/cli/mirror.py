"""`portlight mirror`: sessions that copy packets, and `create`, which sets one up in one go."""

from collections.abc import Callable, Sequence
from functools import partial

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.mirror_filter import FILTER, filters, parse_rules, rules
from portlight.cli.nic import NIC
from portlight.cli.output import Columns, json_option, print_list, print_one
from portlight.cli.session import Session, pass_session
from portlight.client.client import Client
from portlight.client.errors import ClientError
from portlight.client.resources import MirrorSession, MirrorWay

SESSION: Kind[MirrorSession] = Kind(
    word="mirror session",
    of=lambda client: client.mirror_sessions,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "Priority": lambda one: str(one.priority),
        "Sources": lambda one: str(len(one.source_port_ids)),
        "Target": lambda one: one.target_port_id or one.target_ip or "none",
        "VNI": lambda one: str(one.vni),
        "Length": lambda one: str(one.packet_length or "whole"),
        "Enabled": lambda one: "yes" if one.enabled else "no",
    },
    filters={
        "filter": ("mirror_filter_id", FILTER.id_of),
        "source": ("source_port_id", NIC.id_of),
        "target": ("target_port_id", NIC.id_of),
    },
)

_COUNTER_COLUMNS: Columns[MirrorWay] = {
    "NIC": lambda way: way.port_id,
    "Direction": lambda way: way.direction,
    "Matched": lambda way: str(way.matched),
    "Copied": lambda way: str(way.copied.packets),
    "Bytes": lambda way: str(way.copied.bytes),
    "Truncated": lambda way: str(way.truncated.packets),
    "Over budget": lambda way: str(way.over_budget.packets),
    "No target": lambda way: str(way.no_target.packets),
    "Refused": lambda way: str(way.refused.packets),
    "Failed": lambda way: str(way.failed.packets),
    "Overload": lambda way: str(way.overload.packets),
}

_SETTINGS = (
    click.option("--target", help="NIC that gets the copies."),
    click.option("--target-ip", help="Who gets the copies outside the cloud, instead of a NIC."),
    click.option("--description"),
    click.option("--vni", type=int, help="VXLAN network identifier. Default: 1."),
    click.option("--length", "packet_length", type=int, help="Bytes to keep; 0: all. Default: 96."),
    click.option("--copy-all/--first-match", "copies_all", default=None),
    click.option("--drops/--passed", "copies_drops", default=None, help="Copy what was dropped."),
    click.option("--budget", type=click.IntRange(0), help="Bytes per second; 0: no limit."),
)


def _settings(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command the options by which sessions differ."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


@click.group("mirror")
def mirror() -> None:
    """Traffic mirroring: copies of what NICs send and receive, sent to another NIC."""


mirror.add_command(filters)
mirror.add_command(rules)


@mirror.group("session")
def sessions() -> None:
    """Sessions: whose packets are copied to whom, by which filters."""


add_standard_commands(sessions, SESSION)


@sessions.command("create")
@click.argument("name")
@click.option("--priority", type=int, required=True, help="The smaller first; 1 to 32766.")
@click.option("--filter", "filter_names", multiple=True, help="By name or id; several are fine.")
@click.option("--source", "sources", multiple=True, help="NIC; several are fine.")
@click.option("--enable", "enabled", is_flag=True, default=None)
@_settings
@json_option
@pass_session
def create_session(session: Session, /, *, as_json: bool, **fields: object) -> None:
    """Create a session. It copies nothing before it is enabled."""
    client = session.client
    body = _body(client, **fields)  # type: ignore[arg-type]  # the options above give the types
    print_one(client.mirror_sessions.create(body), as_json=as_json)


@sessions.command("set")
@click.argument("mirror", metavar="SESSION")
@click.option("--name")
@click.option("--priority", type=int)
@click.option("--filter", "filter_names", multiple=True, help="The filters from now on.")
@click.option("--source", "sources", multiple=True, help="The sources from now on.")
@_settings
@json_option
@pass_session
def change_session(session: Session, /, mirror: str, *, as_json: bool, **fields: object) -> None:
    """Change a session, all fields in one step."""
    client = session.client
    body = _body(client, **fields)  # type: ignore[arg-type]  # the options above give the types
    changed = client.mirror_sessions.update(SESSION.id_of(client, mirror), body)
    print_one(changed, as_json=as_json)


@sessions.command("add-source")
@click.argument("mirror", metavar="SESSION")
@click.argument("nics", nargs=-1, required=True, metavar="NIC…")
@json_option
@pass_session
def add_source(session: Session, /, mirror: str, nics: tuple[str, ...], *, as_json: bool) -> None:
    """Copy the packets of more NICs."""
    _change_sources(session.client, mirror, nics, "add-sources", as_json=as_json)


@sessions.command("remove-source")
@click.argument("mirror", metavar="SESSION")
@click.argument("nics", nargs=-1, required=True, metavar="NIC…")
@json_option
@pass_session
def remove_source(
    session: Session, /, mirror: str, nics: tuple[str, ...], *, as_json: bool
) -> None:
    """Copy the packets of some NICs no more."""
    _change_sources(session.client, mirror, nics, "remove-sources", as_json=as_json)


@sessions.command("enable")
@click.argument("mirror", metavar="SESSION")
@pass_session
def enable(session: Session, /, mirror: str) -> None:
    """Begin to copy, running flows too."""
    _switch(session.client, mirror, enabled=True)


@sessions.command("disable")
@click.argument("mirror", metavar="SESSION")
@pass_session
def disable(session: Session, /, mirror: str) -> None:
    """Stop copying; the session stays as it is."""
    _switch(session.client, mirror, enabled=False)


@sessions.command("counters")
@click.argument("mirror", metavar="SESSION")
@json_option
@pass_session
def counters(session: Session, /, mirror: str, *, as_json: bool) -> None:
    """Show what became of the packets that a session chose."""
    client = session.client
    found = client.mirror_counters(SESSION.id_of(client, mirror))
    print_list(found.counters, _COUNTER_COLUMNS, as_json=as_json)


@mirror.command("create")
@click.argument("name")
@click.option("--priority", type=int, required=True, help="The smaller first; 1 to 32766.")
@click.option("--filter", "filter_name", help="An existing filter, instead of --rule.")
@click.option(
    "--rule",
    "rule_texts",
    multiple=True,
    metavar="'ACTION DIRECTION …'",
    help="As in 'accept ingress tcp src=10.0.0.0/8 dport=443'; in order of precedence.",
)
@click.option("--source", "sources", multiple=True, required=True, help="NIC; several are fine.")
@click.option("--enable/--disabled", "enabled", default=True, help="Default: enable.")
@_settings
@json_option
@pass_session
def create(  # noqa: PLR0913 -- the options of one command
    session: Session,
    /,
    name: str,
    filter_name: str | None,
    rule_texts: tuple[str, ...],
    *,
    enabled: bool,
    as_json: bool,
    **fields: object,
) -> None:
    """Set up a session: basics, filter with rules, sources, target, and enable it."""
    if bool(filter_name) == bool(rule_texts):
        raise click.UsageError("Name a filter with --filter, or give its rules with --rule.")
    if bool(fields["target"]) == bool(fields["target_ip"]):
        raise click.UsageError("Say who gets the copies: --target or --target-ip.")
    client = session.client
    bodies = parse_rules(rule_texts)
    filter_names = () if filter_name is None else (filter_name,)
    body = _body(client, name=name, filter_names=filter_names, **fields)  # type: ignore[arg-type]  # the options above give the types
    undo: list[Callable[[], None]] = []
    try:
        if bodies:
            body["mirror_filter_ids"] = [_make_filter(client, name, bodies, undo)]
        begun = client.mirror_sessions.create(body)
        undo.append(partial(client.mirror_sessions.delete, begun.id))
        done = client.mirror_sessions.update(begun.id, {"enabled": True}) if enabled else begun
    except ClientError:
        for step in reversed(undo):
            step()
        raise
    print_one(done, as_json=as_json)


def _make_filter(
    client: Client,
    name: str,
    bodies: Sequence[dict[str, object]],
    undo: list[Callable[[], None]],
) -> str:
    one = client.mirror_filters.create({"name": name})
    undo.append(partial(client.mirror_filters.delete, one.id))
    for body in bodies:
        client.mirror_filter_rules.create({**body, "mirror_filter_id": one.id})
    return one.id


def _body(
    client: Client,
    *,
    filter_names: tuple[str, ...],
    sources: tuple[str, ...],
    target: str | None,
    budget: int | None,
    **fields: object,
) -> dict[str, object]:
    body = given(**fields)
    if filter_names:
        body["mirror_filter_ids"] = [FILTER.id_of(client, one) for one in filter_names]
    if sources:
        body["source_port_ids"] = [NIC.id_of(client, one) for one in sources]
    if target is not None:
        body["target_port_id"] = NIC.id_of(client, target)
    if budget is not None:
        body["bytes_per_second"] = budget or None
    return body


def _change_sources(
    client: Client, mirror: str, nics: tuple[str, ...], verb: str, *, as_json: bool
) -> None:
    body = {"source_port_ids": [NIC.id_of(client, one) for one in nics]}
    changed = client.mirror_sessions.act(SESSION.id_of(client, mirror), verb, body)
    print_one(changed, as_json=as_json)


def _switch(client: Client, mirror: str, *, enabled: bool) -> None:
    client.mirror_sessions.update(SESSION.id_of(client, mirror), {"enabled": enabled})
