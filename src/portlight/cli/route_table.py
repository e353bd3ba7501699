"""`portlight route-table` and `portlight route`: where packets of subnets go."""

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.output import json_option, print_one
from portlight.cli.session import Session, pass_session
from portlight.cli.subnet import SUBNET
from portlight.cli.vpc import ADDRESS_SPACE
from portlight.client.vpc_resources import Route, RouteTable

TABLE: Kind[RouteTable] = Kind(
    word="route table",
    of=lambda client: client.route_tables,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "VPC": lambda one: one.vpc_id,
        "Default": lambda one: "yes" if one.default_table else "no",
        "Internet gateway": lambda one: one.gateway_name or one.gateway_id or "-",
    },
    filters={"vpc": ("vpc_id", ADDRESS_SPACE.id_of)},
)
ROUTE: Kind[Route] = Kind(
    word="route",
    of=lambda client: client.routes,
    columns={
        "ID": lambda one: one.id,
        "Table": lambda one: one.route_table_id,
        "Destination": lambda one: one.destination,
        "To": lambda one: one.next_hop.kind,
        "Next hop": lambda one: one.next_hop.ip_address or one.next_hop.id or "-",
        "Status": lambda one: one.status,
        "Detail": lambda one: one.detail or "-",
    },
    filters={"table": ("route_table_id", TABLE.id_of)},
)


@click.group("route-table")
def route_table() -> None:
    """Route tables of VPCs."""


add_standard_commands(route_table, TABLE)


@route_table.command("create")
@click.argument("name")
@click.option("--vpc", required=True, help="By name or id.")
@json_option
@pass_session
def create_table(session: Session, /, name: str, vpc: str, *, as_json: bool) -> None:
    """Create a table beside the default one."""
    client = session.client
    body = {"name": name, "vpc_id": ADDRESS_SPACE.id_of(client, vpc)}
    print_one(client.route_tables.create(body), as_json=as_json)


@route_table.command("associate")
@click.argument("table", metavar="TABLE")
@click.argument("subnet", metavar="SUBNET")
@pass_session
def associate(session: Session, /, table: str, subnet: str) -> None:
    """Let a subnet follow this table."""
    client = session.client
    body = {"routingtable_id": TABLE.id_of(client, table)}
    client.put(f"vpcsubnets/{SUBNET.id_of(client, subnet)}/attach_routingtable", body)


@route_table.command("disassociate")
@click.argument("subnet", metavar="SUBNET")
@pass_session
def disassociate(session: Session, /, subnet: str) -> None:
    """Let a subnet follow the default table again."""
    client = session.client
    client.put(f"vpcsubnets/{SUBNET.id_of(client, subnet)}/detach_routingtable")


@route_table.command("set-default")
@click.argument("table", metavar="TABLE")
@pass_session
def set_default(session: Session, /, table: str) -> None:
    """Make this the table of all subnets that follow no other."""
    client = session.client
    client.put(f"routingtables/{TABLE.id_of(client, table)}/set_as_default")


@click.group("route")
def route() -> None:
    """Routes of a table, and how their next hops fare."""


add_standard_commands(route, ROUTE)


@route.command("create")
@click.argument("table", metavar="TABLE")
@click.argument("destination", metavar="CIDR")
@click.option("--via", metavar="ADDRESS", help="An address in one of the VPC's subnets.")
@click.option("--to", "target", metavar="ID", help="A NIC, instance, VIP, peering or gateway.")
@click.option("--blackhole", is_flag=True, help="Drop what goes there.")
@click.option("--description")
@json_option
@pass_session
def create_route(  # noqa: PLR0913 -- one option for each kind of next hop
    session: Session,
    /,
    table: str,
    destination: str,
    *,
    via: str | None,
    target: str | None,
    blackhole: bool,
    description: str | None,
    as_json: bool,
) -> None:
    """Create a route."""
    hop = given(ip_address=via, id=target, kind="blackhole" if blackhole else None)
    if len(hop) != 1:
        raise click.UsageError("Name the next hop by one of --via, --to and --blackhole.")
    client = session.client
    fields = given(description=description)
    body = {"route_table_id": TABLE.id_of(client, table), "destination": destination, **fields}
    print_one(client.routes.create({**body, "next_hop": hop}), as_json=as_json)
