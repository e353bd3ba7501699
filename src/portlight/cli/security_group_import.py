"""`portlight sg import`: a save file of iptables becomes a security group."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import click

from portlight.cli.output import json_option, print_one
from portlight.cli.session import Session, pass_session
from portlight.client.client import Client
from portlight.client.errors import ClientError
from portlight.client.resources import SecurityGroup
from portlight.guest.iptables.comparison import Comparison
from portlight.guest.iptables.groups import Import, Place
from portlight.guest.iptables.imports import import_words, imported, is_proven
from portlight.guest.iptables.parse import SaveFileError, parse_save
from portlight.guest.iptables.tool import system_names

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _addresses(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[IPv4Address | IPv6Address, ...]:
    try:
        return tuple(map(ip_address, values))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--group", "name", help="Make a group of this name; without it, only say what it is.")
@click.option("--ipv6-file", type=_FILE, help="What ip6tables-save wrote; without it: no IPv6.")
@click.option("--interface", default="eth0", show_default=True, help="Of the server.")
@click.option("--address", "addresses", multiple=True, callback=_addresses, help="Of the server.")
@click.option("--partial", is_flag=True, help="Also if some of what was let through is left over.")
@json_option
@pass_session
def import_rules(  # noqa: PLR0913 -- one for each option of the command
    session: Session,
    /,
    file: Path,
    name: str | None,
    *,
    ipv6_file: Path | None,
    interface: str,
    addresses: tuple[IPv4Address | IPv6Address, ...],
    partial: bool,
    as_json: bool,
) -> None:
    """Make a security group of what iptables-save wrote, and prove that it judges alike."""
    place = Place(interface=interface, addresses=addresses)
    files = {4: file, **({6: ipv6_file} if ipv6_file else {})}
    imports = {family: _read(path, family, place) for family, path in files.items()}
    for family, (found, proof) in imports.items():
        click.echo(f"IPv{family}: {import_words(found, proof)}", err=as_json)
    _check(imports, partial=partial)
    if name is not None:
        group = make_group(session.client, name, [found for found, _ in imports.values()])
        print_one(group, as_json=as_json)


def _read(path: Path, family: int, place: Place) -> tuple[Import, Comparison]:
    try:
        text = path.read_text(errors="surrogateescape")
        return imported(parse_save(text, family, system_names()), place)
    except SaveFileError as error:
        raise click.ClickException(f"{path}: {error}") from error


def _check(imports: dict[int, tuple[Import, Comparison]], *, partial: bool) -> None:
    """Refuse a group that would let through more, or less without being asked to."""
    if not all(is_proven(found, proof) for found, proof in imports.values()):
        raise click.ClickException("refused: the group would not judge as the rules do")
    if len({found.is_stateful for found, _ in imports.values()}) > 1:
        raise click.ClickException(
            "refused: one family lets answers through by state and the other does not; "
            "import them into two groups"
        )
    left = [each for found, _ in imports.values() for each in found.leftovers]
    if any(each.table == "filter" and each.chain != "FORWARD" for each in left) and not partial:
        raise click.ClickException("refused: not everything can be said; --partial takes the rest")


def make_group(client: Client, name: str, imports: list[Import]) -> SecurityGroup:
    """Make the group with its rules, or leave nothing behind."""
    stateful = imports[0].is_stateful
    group = client.security_groups.create({"name": name, "stateful": stateful})
    try:
        for rule in group.security_group_rules:
            client.security_group_rules.delete(rule.id)
        for found in imports:
            for document in found.documents:
                client.security_group_rules.create({"security_group_id": group.id, **document})
    except ClientError:
        client.security_groups.delete(group.id)
        raise
    return client.security_groups.get(group.id)
