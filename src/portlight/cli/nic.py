"""`portlight nic`: ports."""

from collections.abc import Sequence

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.output import Columns, json_option, print_list, print_one
from portlight.cli.security_group import GROUP
from portlight.cli.session import Session, pass_session
from portlight.cli.subnet import SUBNET
from portlight.cli.vpc import VPC
from portlight.client.client import Client
from portlight.client.resources import Count, FixedIp, Port, PortExposure

NIC: Kind[Port] = Kind(
    word="NIC",
    of=lambda client: client.ports,
    columns={
        "ID": lambda port: port.id,
        "Name": lambda port: port.name,
        "MAC": lambda port: port.mac_address,
        "Addresses": lambda port: _addresses(port.fixed_ips),
        "Device": lambda port: port.device_id or "-",
        "Owner": lambda port: port.device_owner or "-",
        "Status": lambda port: port.status,
    },
    filters={
        "vpc": ("network_id", VPC.id_of),
        "device": ("device_id", lambda _client, device: device),
    },
)

_COUNT_COLUMNS: Columns[Count] = {
    "Direction": lambda count: count.direction,
    "Reason": lambda count: count.reason or "allowed",
    "Packets": lambda count: str(count.packets),
    "Bytes": lambda count: str(count.bytes),
}


_POSTURE_COLUMNS: Columns[PortExposure] = {
    "NIC": lambda port: port.name or port.port_id,
    "Device": lambda port: port.device_id or "-",
    "Exposure": lambda port: "\n".join(one.exposure for one in port.findings),
    "Why": lambda port: "\n".join(one.detail for one in port.findings),
    "Until": lambda port: port.until or "-",
}


@click.group("nic")
def nic() -> None:
    """Network interfaces: addresses, security, what was dropped."""


add_standard_commands(nic, NIC)


@nic.command("create")
@click.argument("name")
@click.option("--vpc", help="The network; not needed with --subnet.")
@click.option("--subnet", help="Take the address from this subnet.")
@click.option("--ip", "addresses", multiple=True, help="This very address; several are fine.")
@click.option("--mac")
@click.option("--sg", "groups", multiple=True, help="Security group; several are fine.")
@click.option("--no-sg", is_flag=True, help="No group at all, not even the default one.")
@click.option("--port-security/--no-port-security", default=None)
@click.option(
    "--source-destination-check/--no-source-destination-check",
    default=None,
    help="Off: it may send and receive for addresses that are not its own (a NAT instance).",
)
@click.option("--delete-on-termination/--keep-on-termination", default=None)
@click.option("--description")
@json_option
@pass_session
def create(  # noqa: PLR0913 -- one for each way to name a place
    session: Session,
    /,
    name: str,
    vpc: str | None,
    subnet: str | None,
    *,
    addresses: tuple[str, ...],
    as_json: bool,
    **fields: object,
) -> None:
    """Create a network interface."""
    client = session.client
    body = _body(client, name=name, **fields)  # type: ignore[arg-type]  # the options above give the types
    fixed_ips: list[dict[str, str]] = [{"ip_address": address} for address in addresses]
    if subnet is not None:
        chosen = SUBNET.find(client, subnet)
        body["network_id"] = chosen.network_id
        fixed_ips = [{"subnet_id": chosen.id, **one} for one in fixed_ips or [{}]]
    if vpc is not None:
        body["network_id"] = VPC.id_of(client, vpc)
    if "network_id" not in body:
        raise click.UsageError("Name the network with --vpc or --subnet.")
    if fixed_ips:
        body["fixed_ips"] = fixed_ips
    print_one(client.ports.create(body), as_json=as_json)


@nic.command("set")
@click.argument("nic", metavar="NIC")
@click.option("--name")
@click.option("--description")
@click.option("--ip", "addresses", multiple=True, help="The addresses from now on.")
@click.option("--mac")
@click.option("--sg", "groups", multiple=True, help="The groups from now on.")
@click.option("--no-sg", is_flag=True, help="No group any more.")
@click.option("--port-security/--no-port-security", default=None)
@click.option(
    "--source-destination-check/--no-source-destination-check",
    default=None,
    help="Off: it may send and receive for addresses that are not its own (a NAT instance).",
)
@click.option("--reason", help="Why its security is off; needed to switch it off.")
@click.option("--for", "minutes", type=click.IntRange(1), help="Minutes until it is on again.")
@click.option("--up/--down", "admin_state_up", default=None, help="Let packets through or not.")
@click.option("--delete-on-termination/--keep-on-termination", default=None)
@json_option
@pass_session
def change(  # noqa: PLR0913 -- the options of one command
    session: Session,
    /,
    nic: str,
    *,
    addresses: tuple[str, ...],
    reason: str | None,
    minutes: int | None,
    as_json: bool,
    **fields: object,
) -> None:
    """Change a network interface, all fields in one step."""
    if fields["port_security"] is False and not reason:
        raise click.UsageError("Say with --reason why its security is switched off.")
    client = session.client
    body = _body(client, **fields)  # type: ignore[arg-type]  # the options above give the types
    seconds = None if minutes is None else minutes * 60
    body |= given(port_security_reason=reason, port_security_seconds=seconds)
    if addresses:
        body["fixed_ips"] = [{"ip_address": address} for address in addresses]
    print_one(client.ports.update(NIC.id_of(client, nic), body), as_json=as_json)


@nic.group("pair")
def pair() -> None:
    """Further source addresses that a NIC may use."""


@pair.command("add")
@click.argument("nic", metavar="NIC")
@click.argument("address", metavar="ADDRESS[/LENGTH]")
@click.option("--mac", help="Default: the NIC's own.")
@json_option
@pass_session
def add_pair(
    session: Session, /, nic: str, address: str, mac: str | None, *, as_json: bool
) -> None:
    """Let the NIC send from one more address or prefix."""
    port = NIC.find(session.client, nic)
    added = given(ip_address=address, mac_address=mac)
    _set_pairs(session.client, port, [*_pairs(port), added], as_json=as_json)


@pair.command("remove")
@click.argument("nic", metavar="NIC")
@click.argument("address", metavar="ADDRESS[/LENGTH]")
@click.option("--mac", help="Only the pair with this MAC.")
@json_option
@pass_session
def remove_pair(
    session: Session, /, nic: str, address: str, mac: str | None, *, as_json: bool
) -> None:
    """No longer let the NIC send from an address or prefix."""
    port = NIC.find(session.client, nic)
    kept = [
        one
        for one in _pairs(port)
        if one["ip_address"] != address or (mac is not None and one["mac_address"] != mac.lower())
    ]
    if len(kept) == len(port.allowed_address_pairs):
        raise click.ClickException(f"NIC '{nic}' has no pair with {address}.")
    _set_pairs(session.client, port, kept, as_json=as_json)


@nic.command("posture")
@json_option
@pass_session
def posture(session: Session, /, *, as_json: bool) -> None:
    """List the NICs that are less protected than by default, and why."""
    print_list(session.client.exposures(), _POSTURE_COLUMNS, as_json=as_json)


@nic.command("drops")
@click.argument("nic", metavar="NIC")
@json_option
@pass_session
def drops(session: Session, /, nic: str, *, as_json: bool) -> None:
    """Show which packets were dropped, and why."""
    counts = _counts(session.client, nic)
    print_list([one for one in counts if one.reason], _COUNT_COLUMNS, as_json=as_json)


@nic.command("counters")
@click.argument("nic", metavar="NIC")
@json_option
@pass_session
def counters(session: Session, /, nic: str, *, as_json: bool) -> None:
    """Show how many packets were allowed and dropped."""
    print_list(_counts(session.client, nic), _COUNT_COLUMNS, as_json=as_json)


def _counts(client: Client, nic: str) -> list[Count]:
    return client.counters(NIC.id_of(client, nic)).counters


def _body(
    client: Client,
    *,
    groups: tuple[str, ...],
    no_sg: bool,
    mac: str | None,
    port_security: bool | None,
    **fields: object,
) -> dict[str, object]:
    body = given(mac_address=mac, port_security_enabled=port_security, **fields)
    if groups or no_sg:
        body["security_groups"] = [GROUP.id_of(client, group) for group in groups]
    return body


def _pairs(port: Port) -> list[dict[str, object]]:
    return [
        {"ip_address": one.ip_address, "mac_address": one.mac_address}
        for one in port.allowed_address_pairs
    ]


def _set_pairs(
    client: Client, port: Port, pairs: list[dict[str, object]], *, as_json: bool
) -> None:
    # the revision guards the pairs of another writer
    body = {"allowed_address_pairs": pairs}
    changed = client.ports.update(port.id, body, revision=port.revision_number)
    print_one(changed, as_json=as_json)


def _addresses(fixed_ips: Sequence[FixedIp]) -> str:
    return " ".join(one.ip_address for one in fixed_ips) or "-"
