"""`portlight internet-gateway`, `nat-gateway` and `peering`: ways out of a VPC."""

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.output import json_option, print_one
from portlight.cli.public_ip import PUBLIC_IP
from portlight.cli.route_table import TABLE
from portlight.cli.session import Session, pass_session
from portlight.cli.subnet import SUBNET
from portlight.cli.vpc import ADDRESS_SPACE, VPC
from portlight.client.vpc_resources import InternetGateway, NatGateway, Peering

INTERNET_GATEWAY: Kind[InternetGateway] = Kind(
    word="internet gateway",
    of=lambda client: client.internet_gateways,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "External network": lambda one: one.external_network_id,
        "Route table": lambda one: one.routingtable_id or "-",
        "State": lambda one: one.state,
    },
)
NAT_GATEWAY: Kind[NatGateway] = Kind(
    word="NAT gateway",
    of=lambda client: client.nat_gateways,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "VPC": lambda one: one.vpc_id,
        "Address": lambda one: one.fixed_ip,
        "Public IP": lambda one: one.floating_ip,
        "Status": lambda one: f"{one.status} {one.status_detail}".rstrip(),
    },
    filters={"vpc": ("vpc_id", ADDRESS_SPACE.id_of)},
)
PEERING: Kind[Peering] = Kind(
    word="peering",
    of=lambda client: client.peerings,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "VPC": lambda one: one.vpc_id,
        "Peer": lambda one: one.peer_vpc_id,
        "Status": lambda one: one.status,
    },
    filters={"vpc": ("vpc_id", ADDRESS_SPACE.id_of)},
)


@click.group("internet-gateway")
def internet_gateway() -> None:
    """Internet gateways: what gives a VPC a way out."""


add_standard_commands(internet_gateway, INTERNET_GATEWAY)


@internet_gateway.command("create")
@click.argument("name")
@click.option("--network", default="public", show_default=True, help="The external network.")
@json_option
@pass_session
def create_internet_gateway(session: Session, /, name: str, network: str, *, as_json: bool) -> None:
    """Create an internet gateway."""
    client = session.client
    body = {"name": name, "external_network_id": VPC.id_of(client, network)}
    print_one(client.internet_gateways.create(body), as_json=as_json)


@internet_gateway.command("attach")
@click.argument("gateway", metavar="GATEWAY")
@click.argument("table", metavar="ROUTE-TABLE")
@pass_session
def attach(session: Session, /, gateway: str, table: str) -> None:
    """Let a route table lead to the outside."""
    client = session.client
    body = {"gateway_id": INTERNET_GATEWAY.id_of(client, gateway)}
    client.put(f"routingtables/{TABLE.id_of(client, table)}/attach_gateway", body)


@internet_gateway.command("detach")
@click.argument("table", metavar="ROUTE-TABLE")
@pass_session
def detach(session: Session, /, table: str) -> None:
    """Take the internet gateway from a route table."""
    client = session.client
    client.put(f"routingtables/{TABLE.id_of(client, table)}/detach_gateway")


@click.group("nat-gateway")
def nat_gateway() -> None:
    """NAT gateways: a way out for those without a public address."""


add_standard_commands(nat_gateway, NAT_GATEWAY)


@nat_gateway.command("create")
@click.argument("name")
@click.option("--vpc", required=True, help="By name or id.")
@click.option("--subnet", required=True, help="Where it gets its address.")
@click.option("--public-ip", required=True, help="By address, name or id.")
@json_option
@pass_session
def create_nat_gateway(  # noqa: PLR0913 -- the options of one command
    session: Session, /, name: str, vpc: str, subnet: str, public_ip: str, *, as_json: bool
) -> None:
    """Create a NAT gateway; its route is made apart."""
    client = session.client
    body = {
        "name": name,
        "vpc_id": ADDRESS_SPACE.id_of(client, vpc),
        "subnet_id": SUBNET.id_of(client, subnet),
        "floatingips_id": PUBLIC_IP.id_of(client, public_ip),
    }
    print_one(client.nat_gateways.create(body), as_json=as_json)


@click.group("peering")
def peering() -> None:
    """Peerings: VPCs that reach each other, with routes on both sides."""


add_standard_commands(peering, PEERING)


@peering.command("create")
@click.argument("name")
@click.option("--vpc", required=True, help="Your own, by name or id.")
@click.option("--peer", required=True, help="The other one: of another project by its id.")
@click.option("--peer-project", "peer_project_id", metavar="ID", help="Default: your own.")
@json_option
@pass_session
def create_peering(  # noqa: PLR0913 -- the options of one command
    session: Session,
    /,
    name: str,
    vpc: str,
    peer: str,
    *,
    peer_project_id: str | None,
    as_json: bool,
) -> None:
    """Ask for a peering; within one project it is active at once."""
    client = session.client
    peer_id = peer if peer_project_id else ADDRESS_SPACE.id_of(client, peer)
    body = given(
        name=name,
        vpc_id=ADDRESS_SPACE.id_of(client, vpc),
        peer_vpc_id=peer_id,
        peer_project_id=peer_project_id,
    )
    print_one(client.peerings.create(body), as_json=as_json)


@peering.command("accept")
@click.argument("peering", metavar="PEERING")
@json_option
@pass_session
def accept(session: Session, /, peering: str, *, as_json: bool) -> None:
    """Let packets cross."""
    client = session.client
    answered = client.peerings.act(PEERING.id_of(client, peering), "accept")
    print_one(answered, as_json=as_json)


@peering.command("reject")
@click.argument("peering", metavar="PEERING")
@json_option
@pass_session
def reject(session: Session, /, peering: str, *, as_json: bool) -> None:
    """Say no."""
    client = session.client
    answered = client.peerings.act(PEERING.id_of(client, peering), "reject")
    print_one(answered, as_json=as_json)
