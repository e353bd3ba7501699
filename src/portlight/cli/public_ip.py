"""`portlight publicip`, `usage` and `orphans`: public addresses, and what nobody uses."""

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.nic import NIC
from portlight.cli.output import Columns, json_option, print_list, print_one
from portlight.cli.session import Session, pass_session
from portlight.cli.vpc import VPC
from portlight.client.client import Client
from portlight.client.vpc_resources import Orphan, ProjectUsage, PublicIp


def what_it_is_on(one: PublicIp) -> str:
    """Return the name of the device or the interface; a dash when there is none."""
    related = one.related_resource
    return "-" if related is None else related.device_name or related.name or related.id


PUBLIC_IP: Kind[PublicIp] = Kind(
    word="public IP",
    of=lambda client: client.public_ips,
    columns={
        "ID": lambda one: one.id,
        "Public IP": lambda one: one.public_ip,
        "Private IP": lambda one: one.private_ip or "-",
        "Status": lambda one: one.status,
        "On": what_it_is_on,
        "Name": lambda one: one.name or "-",
    },
)
_USAGE: Columns[ProjectUsage] = {
    "Project": lambda one: one.project_id,
    "Addresses": lambda one: str(one.addresses),
    "Hours held": lambda one: f"{one.held_hours:.2f}",
    "Hours used": lambda one: f"{one.used_hours:.2f}",
}
_ORPHANS: Columns[Orphan] = {
    "Kind": lambda one: one.kind,
    "ID": lambda one: one.id,
    "Name": lambda one: one.name or "-",
    "Detail": lambda one: one.detail or "-",
    "Hours": lambda one: f"{one.age_seconds / 3600:.1f}",
    "Since": lambda one: one.since,
}


@click.group("publicip")
def public_ip() -> None:
    """Public addresses; managers allocate and associate them."""


add_standard_commands(public_ip, PUBLIC_IP)


@public_ip.command("allocate")
@click.option("--name")
@click.option("--ip", "public_ip", metavar="ADDRESS", help="This very one.")
@click.option("--network", help="The external network. Default: the only one, or `public`.")
@click.option("--nic", help="Put it on this NIC at once.")
@click.option("--description")
@json_option
@pass_session
def allocate(
    session: Session,
    /,
    network: str | None,
    nic: str | None,
    *,
    as_json: bool,
    **fields: object,
) -> None:
    """Take a public address."""
    client = session.client
    if network is not None:
        fields["network_id"] = VPC.id_of(client, network)
    port_id = None if nic is None else NIC.id_of(client, nic)
    made = client.public_ips.create(given(**fields))
    print_one(made if port_id is None else client.associate(made.id, port_id), as_json=as_json)


@public_ip.command("associate")
@click.argument("public_ip", metavar="PUBLIC-IP")
@click.argument("nic", metavar="NIC")
@json_option
@pass_session
def associate(session: Session, /, public_ip: str, nic: str, *, as_json: bool) -> None:
    """Put a public address (or its id) on a NIC; from another one it moves."""
    client = session.client
    changed = client.associate(_meant(client, public_ip).id, NIC.id_of(client, nic))
    print_one(changed, as_json=as_json)


@public_ip.command("disassociate")
@click.argument("public_ip", metavar="PUBLIC-IP")
@click.option("--release", is_flag=True, help="Give it back in the same step.")
@click.option("--flows", type=click.Choice(["cut", "drain"]), default="cut", show_default=True)
@pass_session
def disassociate(session: Session, /, public_ip: str, *, release: bool, flows: str) -> None:
    """Take a public address off its NIC."""
    client = session.client
    one = _meant(client, public_ip)
    if one.related_resource is None:
        raise click.ClickException(f"{one.public_ip} is on no NIC.")
    client.disassociate(one.id, one.related_resource.id, release=release, flows=flows)


@public_ip.command("release")
@click.argument("public_ips", metavar="PUBLIC-IP", nargs=-1, required=True)
@pass_session
def release(session: Session, /, public_ips: tuple[str, ...]) -> None:
    """Give addresses back that are on no NIC."""
    client = session.client
    for one in public_ips:
        client.public_ips.delete(_meant(client, one).id)


@click.command("usage")
@click.option("--from", "since", metavar="TIME", help="For example 2026-01-01. Default: ever.")
@click.option("--to", "until", metavar="TIME", help="Default: now.")
@json_option
@pass_session
def usage(session: Session, /, since: str | None, until: str | None, *, as_json: bool) -> None:
    """Show for how long projects held public addresses, and used them."""
    named = {"from": since, "to": until}
    period = {word: value for word, value in named.items() if value is not None}
    print_list(session.client.usage(**period), _USAGE, as_json=as_json)


@click.command("orphans")
@json_option
@pass_session
def orphans(session: Session, /, *, as_json: bool) -> None:
    """List what nobody uses, the oldest first."""
    print_list(session.client.orphans(), _ORPHANS, as_json=as_json)


def _meant(client: Client, spelling: str) -> PublicIp:
    """Return the address that is meant: by itself, by its name or id."""
    found = client.public_ips.list(public_ip=spelling)
    return found[0] if len(found) == 1 else PUBLIC_IP.find(client, spelling)
