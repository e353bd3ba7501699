"""`portlight vpc`: VPCs, and single networks.

With --cidr a VPC is made: an address space whose subnets are routed to each other. Without, a
single network, which nothing routes until somebody adds a router.
"""

import click

from portlight.cli.kinds import Kind, given
from portlight.cli.output import Columns, json_option, print_list, print_one
from portlight.cli.session import Session, pass_session
from portlight.client.client import Client
from portlight.client.errors import NoMatchError
from portlight.client.resources import Network
from portlight.client.vpc_resources import Vpc

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
ADDRESS_SPACE: Kind[Vpc] = Kind(
    word="VPC",
    of=lambda client: client.vpcs,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "CIDRs": lambda one: ", ".join(one.cidrs),
    },
)
_BOTH: Columns[Network | Vpc] = {
    "ID": lambda one: one.id,
    "Name": lambda one: one.name,
    "CIDRs": lambda one: ", ".join(one.cidrs) if isinstance(one, Vpc) else "-",
    "Subnets": lambda one: "-" if isinstance(one, Vpc) else str(len(one.subnets)),
    "MTU": lambda one: "-" if isinstance(one, Vpc) else str(one.mtu),
    "State": lambda one: "up" if isinstance(one, Vpc) or one.admin_state_up else "down",
}


@click.group("vpc")
def vpc() -> None:
    """VPCs of your own, and single networks."""


@vpc.command("list")
@json_option
@pass_session
def show_all(session: Session, /, *, as_json: bool) -> None:
    """List every VPC and every network that you may see."""
    client = session.client
    found: list[Network | Vpc] = [*client.vpcs.list(), *client.networks.list()]
    print_list(found, _BOTH, as_json=as_json)


@vpc.command("show")
@click.argument("name")
@json_option
@pass_session
def show(session: Session, /, name: str, *, as_json: bool) -> None:
    """Show one."""
    client = session.client
    print_one(address_space(client, name) or VPC.find(client, name), as_json=as_json)


@vpc.command("delete")
@click.argument("names", nargs=-1, required=True)
@pass_session
def delete(session: Session, /, names: tuple[str, ...]) -> None:
    """Delete one or several; a VPC goes with its empty subnets."""
    client = session.client
    for name in names:
        found = address_space(client, name)
        if found is None:
            client.networks.delete(VPC.id_of(client, name))
        else:
            client.vpcs.delete(found.id)


@vpc.command("create")
@click.argument("name")
@click.option("--cidr", "cidrs", multiple=True, help="Address space; several are fine.")
@click.option("--description")
@click.option("--mtu", type=int, help="Largest IP packet, in bytes.")
@click.option("--port-security/--no-port-security", default=None, help="Default of new NICs.")
@json_option
@pass_session
def create(
    session: Session, /, name: str, cidrs: tuple[str, ...], *, as_json: bool, **fields: object
) -> None:
    """Create a VPC with an address space, or (without --cidr) a single network."""
    client = session.client
    body = _body(name=name, **fields)
    if cidrs:
        print_one(client.vpcs.create({**body, "cidrs": list(cidrs)}), as_json=as_json)
    else:
        print_one(client.networks.create(body), as_json=as_json)


@vpc.command("set")
@click.argument("vpc", metavar="VPC")
@click.option("--name")
@click.option("--cidr", "cidrs", multiple=True, help="The whole address space from now on.")
@click.option("--description")
@click.option("--mtu", type=int, help="Largest IP packet, in bytes.")
@click.option("--port-security/--no-port-security", default=None, help="Default of new NICs.")
@click.option("--up/--down", "admin_state_up", default=None, help="Let packets through or not.")
@json_option
@pass_session
def change(
    session: Session, /, vpc: str, cidrs: tuple[str, ...], *, as_json: bool, **fields: object
) -> None:
    """Change a VPC or a network."""
    client = session.client
    found, body = address_space(client, vpc), _body(**fields)
    if found is None:
        changed = client.networks.update(VPC.id_of(client, vpc), body)
        print_one(changed, as_json=as_json)
    else:
        body |= given(cidrs=list(cidrs) or None)
        print_one(client.vpcs.update(found.id, body), as_json=as_json)


def address_space(client: Client, name_or_id: str) -> Vpc | None:
    """Return the VPC that is meant; None when it is a network, or nothing."""
    try:
        return ADDRESS_SPACE.find(client, name_or_id)
    except NoMatchError as error:
        if error.found:
            raise
        return None


def _body(port_security: object = None, **fields: object) -> dict[str, object]:
    return given(port_security_enabled=port_security, **fields)
