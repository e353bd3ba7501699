"""`portlight sg`: security groups and their rules."""

import click
import msgspec

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.output import Columns, json_option, print_list, print_one
from portlight.cli.security_group_import import import_rules
from portlight.cli.session import Session, pass_session
from portlight.client.client import Client
from portlight.client.resources import SecurityGroup, SecurityGroupRule

GROUP: Kind[SecurityGroup] = Kind(
    word="security group",
    of=lambda client: client.security_groups,
    columns={
        "ID": lambda group: group.id,
        "Name": lambda group: group.name,
        "Rules": lambda group: str(len(group.security_group_rules)),
        "Stateful": lambda group: "yes" if group.stateful else "no",
        "Established flows": lambda group: group.established_flows,
    },
)

RULE_COLUMNS: Columns[SecurityGroupRule] = {
    "ID": lambda rule: rule.id,
    "Direction": lambda rule: rule.direction,
    "Family": lambda rule: rule.ethertype,
    "Protocol": lambda rule: rule.protocol or "any",
    "Ports": lambda rule: _ports(rule.protocol, rule.port_range_min, rule.port_range_max),
    "Remote": lambda rule: (
        rule.remote_ip_prefix or rule.remote_group_id or rule.remote_address_group_id or "any"
    ),
}

_ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")


@click.group("sg")
def sg() -> None:
    """Security groups: what may reach a NIC, and what may leave it."""


add_standard_commands(sg, GROUP)
sg.add_command(import_rules)


@sg.command("show")
@click.argument("name")
@json_option
@pass_session
def show(session: Session, /, name: str, *, as_json: bool) -> None:
    """Show one security group, and what it protects."""
    client = session.client
    group = GROUP.find(client, name)
    protection = client.protection(group.id)
    print_one(
        {
            **msgspec.to_builtins(group),
            "protected_instances": msgspec.to_builtins(protection.instances),
            "protected_ports": msgspec.to_builtins(protection.ports),
        },
        as_json=as_json,
    )


@sg.command("create")
@click.argument("name")
@click.option("--description")
@click.option("--stateful/--stateless", default=None, help="Whether answers are let through.")
@click.option(
    "--established-flows",
    type=click.Choice(["cut", "keep"]),
    help="What happens to a running flow when no rule allows it any more.",
)
@json_option
@pass_session
def create(session: Session, /, name: str, *, as_json: bool, **fields: object) -> None:
    """Create a security group."""
    body = given(name=name, **fields)
    print_one(session.client.security_groups.create(body), as_json=as_json)


@sg.command("set")
@click.argument("group", metavar="SG")
@click.option("--name")
@click.option("--description")
@click.option("--stateful/--stateless", default=None, help="Whether answers are let through.")
@click.option("--established-flows", type=click.Choice(["cut", "keep"]))
@json_option
@pass_session
def change(session: Session, /, group: str, *, as_json: bool, **fields: object) -> None:
    """Change a security group."""
    client = session.client
    changed = client.security_groups.update(GROUP.id_of(client, group), given(**fields))
    print_one(changed, as_json=as_json)


@sg.group("rule")
def rule() -> None:
    """Rules of a security group."""


@rule.command("list")
@click.argument("group", metavar="SG")
@json_option
@pass_session
def list_rules(session: Session, /, group: str, *, as_json: bool) -> None:
    """List the rules of a group."""
    client = session.client
    rules = client.security_group_rules.list(security_group_id=GROUP.id_of(client, group))
    print_list(rules, RULE_COLUMNS, as_json=as_json)


@rule.command("add")
@click.argument("group", metavar="SG")
@click.option("--ingress/--egress", default=True, help="To the NIC (the default) or from it.")
@click.option("--protocol", help="tcp, udp, icmp, a number, … Default: any.")
@click.option("--port", metavar="N[-M]", help="Destination ports; for ICMP: TYPE[:CODE].")
@click.option("--remote", metavar="CIDR", help="Only with these addresses.")
@click.option("--remote-group", metavar="SG", help="Only with the members of this group.")
@click.option("--remote-address-group", metavar="GROUP", help="Only with the addresses in it.")
@click.option("--ipv6", is_flag=True, help="For IPv6. Taken from --remote when that is given.")
@click.option("--description")
@json_option
@pass_session
def add_rule(session: Session, /, group: str, *, as_json: bool, **options: object) -> None:
    """Allow something."""
    client = session.client
    body = {
        "security_group_id": GROUP.id_of(client, group),
        **_rule_body(client, **options),  # type: ignore[arg-type]  # the options above give the types
    }
    print_one(client.security_group_rules.create(body), as_json=as_json)


@rule.command("delete")
@click.argument("rules", nargs=-1, required=True, metavar="RULE…")
@pass_session
def delete_rules(session: Session, /, rules: tuple[str, ...]) -> None:
    """Delete rules by their ids (or by the beginning of an id)."""
    collection = session.client.security_group_rules
    for one in collection.find_by_ids(rules):
        collection.delete(one.id)


def _rule_body(  # noqa: PLR0913 -- one for each option of the command
    client: Client,
    *,
    ingress: bool,
    protocol: str | None,
    port: str | None,
    remote: str | None,
    remote_group: str | None,
    remote_address_group: str | None,
    ipv6: bool,
    description: str | None,
) -> dict[str, object]:
    is_ipv6 = ipv6 or (remote is not None and ":" in remote)
    low, high = (None, None) if port is None else _range(port, is_icmp=protocol in _ICMP)
    return given(
        direction="ingress" if ingress else "egress",
        ethertype="IPv6" if is_ipv6 else "IPv4",
        protocol=protocol,
        port_range_min=low,
        port_range_max=high,
        remote_ip_prefix=remote,
        remote_group_id=None if remote_group is None else GROUP.id_of(client, remote_group),
        remote_address_group_id=(
            None
            if remote_address_group is None
            else client.address_groups.find(remote_address_group).id
        ),
        description=description,
    )


def _range(spelling: str, *, is_icmp: bool) -> tuple[int, int | None]:
    first, separator, last = spelling.partition(":" if is_icmp else "-")
    try:
        low = int(first)
        high = int(last) if separator else None
    except ValueError as error:
        raise click.BadParameter(f"'{spelling}' is no range.", param_hint="--port") from error
    return low, high if is_icmp or separator else low


def _ports(protocol: str | None, low: int | None, high: int | None) -> str:
    if low is None and high is None:
        return "any"
    if protocol in _ICMP:
        return f"type {low}" + ("" if high is None else f" code {high}")
    return str(low) if low == high else f"{low}-{high}"
