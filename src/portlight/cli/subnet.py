"""`portlight subnet`: ranges of addresses."""

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.output import json_option, print_one
from portlight.cli.session import Session, pass_session
from portlight.cli.vpc import VPC, address_space
from portlight.client.resources import Subnet

SUBNET: Kind[Subnet] = Kind(
    word="subnet",
    of=lambda client: client.subnets,
    columns={
        "ID": lambda subnet: subnet.id,
        "Name": lambda subnet: subnet.name,
        "VPC": lambda subnet: subnet.network_id,
        "CIDR": lambda subnet: subnet.cidr,
        "Gateway": lambda subnet: subnet.gateway_ip or "-",
        "DHCP": lambda subnet: "yes" if subnet.enable_dhcp else "no",
    },
    filters={"vpc": ("network_id", VPC.id_of)},
)


@click.group("subnet")
def subnet() -> None:
    """Ranges of addresses in a network."""


add_standard_commands(subnet, SUBNET)


@subnet.command("create")
@click.argument("name")
@click.option("--vpc", required=True, help="The VPC or network, by name or id.")
@click.option("--cidr", required=True, help="For example 10.0.0.0/24 or fd00:1::/64.")
@click.option("--gateway", help="An address, or none. Default: the first one.")
@click.option("--pool", "pools", multiple=True, metavar="FIRST-LAST")
@click.option("--dns", "dns", multiple=True, metavar="ADDRESS")
@click.option("--dhcp/--no-dhcp", default=None)
@click.option("--ipv6-mode", type=click.Choice(["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]))
@click.option("--description")
@json_option
@pass_session
def create(session: Session, /, name: str, vpc: str, *, as_json: bool, **fields: object) -> None:
    """Create a subnet."""
    client = session.client
    space = address_space(client, vpc)
    if space is not None:
        place = {"name": name, "vpc_id": space.id, "cidr": str(fields.pop("cidr"))}
        made = client.vpc_subnets.create(place)
        rest = _body(**fields)  # type: ignore[arg-type]  # the options above give the types
        print_one(client.subnets.update(made.id, rest), as_json=as_json)
        return
    body = {"name": name, "network_id": VPC.id_of(client, vpc), **_body(**fields)}  # type: ignore[arg-type]  # the options above give the types
    print_one(client.subnets.create(body), as_json=as_json)


@subnet.command("set")
@click.argument("subnet", metavar="SUBNET")
@click.option("--name")
@click.option("--description")
@click.option("--gateway", help="An address, or none.")
@click.option("--pool", "pools", multiple=True, metavar="FIRST-LAST")
@click.option("--dns", "dns", multiple=True, metavar="ADDRESS")
@click.option("--dhcp/--no-dhcp", default=None)
@json_option
@pass_session
def change(session: Session, /, subnet: str, *, as_json: bool, **fields: object) -> None:
    """Change a subnet."""
    client = session.client
    body = _body(**fields)  # type: ignore[arg-type]  # the options above give the types
    print_one(client.subnets.update(SUBNET.id_of(client, subnet), body), as_json=as_json)


def _body(
    *,
    gateway: str | None = None,
    pools: tuple[str, ...] = (),
    dns: tuple[str, ...] = (),
    dhcp: bool | None = None,
    ipv6_mode: str | None = None,
    **fields: object,
) -> dict[str, object]:
    body = given(
        enable_dhcp=dhcp,
        dns_nameservers=list(dns) or None,
        allocation_pools=[_pool(one) for one in pools] or None,
        ipv6_address_mode=ipv6_mode,
        ipv6_ra_mode=ipv6_mode,
        **fields,
    )
    if gateway is not None:
        body["gateway_ip"] = None if gateway == "none" else gateway
    return body


def _pool(spelling: str) -> dict[str, str]:
    first, dash, last = spelling.partition("-")
    if not dash:
        raise click.BadParameter(f"'{spelling}' is not FIRST-LAST.", param_hint="--pool")
    return {"start": first.strip(), "end": last.strip()}
