"""`portlight router`: what joins subnets, and leads outside."""

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.output import Columns, json_option, print_list, print_one
from portlight.cli.session import Session, pass_session
from portlight.cli.subnet import SUBNET
from portlight.cli.vpc import VPC
from portlight.client.resources import HostRoute, Router

ROUTER: Kind[Router] = Kind(
    word="router",
    of=lambda client: client.routers,
    columns={
        "ID": lambda router: router.id,
        "Name": lambda router: router.name,
        "Gateway": lambda router: ", ".join(_gateway_addresses(router)) or "-",
        "Routes": lambda router: str(len(router.routes)),
        "Status": lambda router: router.status,
    },
)

_ROUTE_COLUMNS: Columns[HostRoute] = {
    "Destination": lambda route: route.destination,
    "Next hop": lambda route: route.nexthop,
}


@click.group("router")
def router() -> None:
    """Join subnets, and lead outside."""


add_standard_commands(router, ROUTER)


@router.command("create")
@click.argument("name")
@click.option("--gateway", metavar="NETWORK", help="An external network, by name or id.")
@click.option("--description")
@json_option
@pass_session
def create(
    session: Session, /, name: str, gateway: str | None, *, as_json: bool, **fields: object
) -> None:
    """Create a router."""
    client = session.client
    info = None if gateway is None else {"network_id": VPC.id_of(client, gateway)}
    body = given(name=name, external_gateway_info=info, **fields)
    print_one(client.routers.create(body), as_json=as_json)


@router.command("add-subnet")
@click.argument("router", metavar="ROUTER")
@click.argument("subnet", metavar="SUBNET")
@pass_session
def add_subnet(session: Session, /, router: str, subnet: str) -> None:
    """Join a router to a subnet: it gets the subnet's gateway address."""
    client = session.client
    client.add_router_interface(ROUTER.id_of(client, router), SUBNET.id_of(client, subnet))


@router.command("remove-subnet")
@click.argument("router", metavar="ROUTER")
@click.argument("subnet", metavar="SUBNET")
@pass_session
def remove_subnet(session: Session, /, router: str, subnet: str) -> None:
    """Take a router out of a subnet."""
    client = session.client
    client.remove_router_interface(ROUTER.id_of(client, router), SUBNET.id_of(client, subnet))


@router.command("set-gateway")
@click.argument("router", metavar="ROUTER")
@click.argument("network", metavar="NETWORK")
@click.option("--snat/--no-snat", default=None, help="Whether guests without a public address may.")
@json_option
@pass_session
def set_gateway(
    session: Session, /, router: str, network: str, *, snat: bool | None, as_json: bool
) -> None:
    """Lead outside by an external network; `none`: nowhere any more."""
    client = session.client
    info = None
    if network != "none":
        info = given(network_id=VPC.id_of(client, network), enable_snat=snat)
    body = {"external_gateway_info": info}
    print_one(client.routers.update(ROUTER.id_of(client, router), body), as_json=as_json)


@router.command("routes")
@click.argument("router", metavar="ROUTER")
@click.option("--add", multiple=True, metavar="CIDR=ADDRESS")
@click.option("--remove", multiple=True, metavar="CIDR=ADDRESS")
@json_option
@pass_session
def routes(
    session: Session,
    /,
    router: str,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Show the routes of a router, after adding and removing some."""
    client = session.client
    found = ROUTER.find(client, router)
    for verb, spellings in (("add_extraroutes", add), ("remove_extraroutes", remove)):
        if spellings:
            wanted = [_route(spelling) for spelling in spellings]
            found = client.change_routes(found.id, verb, wanted)
    print_list(found.routes, _ROUTE_COLUMNS, as_json=as_json)


def _route(spelling: str) -> HostRoute:
    destination, equals, nexthop = spelling.partition("=")
    if not equals:
        raise click.BadParameter(f"'{spelling}' is not CIDR=ADDRESS.")
    return HostRoute(destination=destination.strip(), nexthop=nexthop.strip())


def _gateway_addresses(router: Router) -> list[str]:
    gateway = router.external_gateway_info
    return [] if gateway is None else [ip.ip_address for ip in gateway.external_fixed_ips]
