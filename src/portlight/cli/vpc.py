"""`portlight vpc`: networks."""

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.output import json_option, print_one
from portlight.cli.session import Session, pass_session
from portlight.client.resources import Network

VPC: Kind[Network] = Kind(
    word="VPC",
    of=lambda client: client.networks,
    columns={
        "ID": lambda network: network.id,
        "Name": lambda network: network.name,
        "Subnets": lambda network: str(len(network.subnets)),
        "MTU": lambda network: str(network.mtu),
        "State": lambda network: "up" if network.admin_state_up else "down",
    },
)


@click.group("vpc")
def vpc() -> None:
    """Networks of your own."""


add_standard_commands(vpc, VPC)


@vpc.command("create")
@click.argument("name")
@click.option("--description")
@click.option("--mtu", type=int, help="Largest IP packet, in bytes.")
@click.option("--port-security/--no-port-security", default=None, help="Default of new NICs.")
@json_option
@pass_session
def create(session: Session, /, name: str, *, as_json: bool, **fields: object) -> None:
    """Create a network."""
    body = _body(name=name, **fields)
    print_one(session.client.networks.create(body), as_json=as_json)


@vpc.command("set")
@click.argument("network", metavar="VPC")
@click.option("--name")
@click.option("--description")
@click.option("--mtu", type=int, help="Largest IP packet, in bytes.")
@click.option("--port-security/--no-port-security", default=None, help="Default of new NICs.")
@click.option("--up/--down", "admin_state_up", default=None, help="Let packets through or not.")
@json_option
@pass_session
def change(session: Session, /, network: str, *, as_json: bool, **fields: object) -> None:
    """Change a network."""
    identifier = VPC.id_of(session.client, network)
    print_one(session.client.networks.update(identifier, _body(**fields)), as_json=as_json)


def _body(port_security: object = None, **fields: object) -> dict[str, object]:
    return given(port_security_enabled=port_security, **fields)
