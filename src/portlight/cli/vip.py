"""`portlight vip`: virtual IPs, their members, their owner and its history."""

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.nic import NIC
from portlight.cli.output import Columns, json_option, print_list, print_one
from portlight.cli.session import Session, pass_session
from portlight.cli.subnet import SUBNET
from portlight.client.resources import Move, VirtualIp

POLICIES = click.Choice(["latest", "first", "priority", "frozen"])

VIP: Kind[VirtualIp] = Kind(
    word="virtual IP",
    of=lambda client: client.virtual_ips,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "Address": lambda one: one.ip_address,
        "Members": lambda one: str(len(one.members)),
        "Policy": lambda one: one.claim_policy,
    },
    filters={"subnet": ("subnet_id", SUBNET.id_of)},
)

_MOVE_COLUMNS: Columns[Move] = {
    "At": lambda move: move.at,
    "From": lambda move: move.from_port_id or "-",
    "To": lambda move: move.to_port_id,
    "MAC": lambda move: move.mac_address,
    "By": lambda move: move.kind,
}


@click.group("vip")
def vip() -> None:
    """Virtual IPs: addresses that several NICs share, one at a time."""


add_standard_commands(vip, VIP)


@vip.command("create")
@click.argument("name")
@click.option("--subnet", required=True, help="By name or id.")
@click.option("--ip", "ip_address", help="This very address.")
@click.option("--policy", "claim_policy", type=POLICIES, help="Who owns it when two announce it.")
@click.option("--description")
@json_option
@pass_session
def create(session: Session, /, name: str, subnet: str, *, as_json: bool, **fields: object) -> None:
    """Reserve an address that no other NIC can get."""
    client = session.client
    body = given(name=name, subnet_id=SUBNET.id_of(client, subnet), **fields)
    print_one(client.virtual_ips.create(body), as_json=as_json)


@vip.command("set")
@click.argument("vip", metavar="VIP")
@click.option("--name")
@click.option("--description")
@click.option("--policy", "claim_policy", type=POLICIES)
@json_option
@pass_session
def change(session: Session, /, vip: str, *, as_json: bool, **fields: object) -> None:
    """Change a virtual IP."""
    client = session.client
    print_one(client.virtual_ips.update(VIP.id_of(client, vip), given(**fields)), as_json=as_json)


@vip.group("member")
def member() -> None:
    """Choose the NICs that may hold a virtual IP."""


@member.command("add")
@click.argument("vip", metavar="VIP")
@click.argument("nic", metavar="NIC")
@click.option("--vrid", type=int, help="VRRP group, when the guests use its virtual MAC.")
@json_option
@pass_session
def add_member(session: Session, /, vip: str, nic: str, vrid: int | None, *, as_json: bool) -> None:
    """Let a NIC hold the address: opens exactly this address on it."""
    client = session.client
    port_id = NIC.id_of(client, nic)
    print_one(client.add_member(VIP.id_of(client, vip), port_id, vrid), as_json=as_json)


@member.command("remove")
@click.argument("vip", metavar="VIP")
@click.argument("nic", metavar="NIC")
@pass_session
def remove_member(session: Session, /, vip: str, nic: str) -> None:
    """No longer let a NIC hold the address."""
    client = session.client
    client.remove_member(VIP.id_of(client, vip), NIC.id_of(client, nic))


@vip.command("move")
@click.argument("vip", metavar="VIP")
@click.argument("nic", metavar="NIC")
@json_option
@pass_session
def move(session: Session, /, vip: str, nic: str, *, as_json: bool) -> None:
    """Make a member the owner now."""
    client = session.client
    print_one(client.move(VIP.id_of(client, vip), NIC.id_of(client, nic)), as_json=as_json)


@vip.command("status")
@click.argument("vip", metavar="VIP")
@json_option
@pass_session
def status(session: Session, /, vip: str, *, as_json: bool) -> None:
    """Show the owner, and whether two members claim the address at once."""
    client = session.client
    print_one(client.state(VIP.id_of(client, vip)), as_json=as_json)


@vip.command("history")
@click.argument("vip", metavar="VIP")
@json_option
@pass_session
def history(session: Session, /, vip: str, *, as_json: bool) -> None:
    """Show the last 100 changes of owner, newest last."""
    client = session.client
    moves: list[Move] = client.state(VIP.id_of(client, vip)).moves
    print_list(moves, _MOVE_COLUMNS, as_json=as_json)
