"""`portlight instance` and `portlight exec`: the guests that Portlight runs."""

import os
from collections.abc import Callable, Sequence
from typing import NoReturn

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.nic import NIC
from portlight.cli.output import json_option, print_one
from portlight.cli.security_group import GROUP
from portlight.cli.session import Session, pass_session
from portlight.cli.subnet import SUBNET
from portlight.cli.vpc import VPC
from portlight.client.client import Client
from portlight.client.resources import Instance

INSTANCE: Kind[Instance] = Kind(
    word="instance",
    of=lambda client: client.instances,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "Status": lambda one: one.status,
        "Addresses": lambda one: " ".join(_addresses(one)) or "-",
        "Host": lambda one: one.host,
        "Init": lambda one: "-" if one.init_pid is None else str(one.init_pid),
    },
)

_VERBS = {
    "start": "Start a stopped instance.",
    "stop": "Stop an instance; its interfaces stay.",
    "reboot": "End every process of an instance, and start it anew.",
    "renew": "Let the DHCP clients of an instance ask for its addresses again.",
}


_policy_routing = click.option(
    "--policy-routing/--no-policy-routing",
    default=None,
    help="With several interfaces: replies leave by the one their request came in by (default).",
)


@click.group("instance")
def instance() -> None:
    """Guests: network namespaces with their own processes."""


add_standard_commands(instance, INSTANCE)


@instance.command("create")
@click.argument("name")
@click.option("--nic", "nics", multiple=True, help="An existing NIC; several are fine, in order.")
@click.option("--vpc", "vpcs", multiple=True, help="A new NIC in this network.")
@click.option("--subnet", "subnets", multiple=True, help="A new NIC in this subnet.")
@click.option("--sg", "groups", multiple=True, help="Security groups of the new NICs.")
@click.option("--description")
@_policy_routing
@json_option
@pass_session
def create(  # noqa: PLR0913, PLR0917 -- one for each option
    session: Session,
    /,
    name: str,
    nics: tuple[str, ...],
    vpcs: tuple[str, ...],
    subnets: tuple[str, ...],
    groups: tuple[str, ...],
    description: str | None,
    *,
    policy_routing: bool | None,
    as_json: bool,
) -> None:
    """Create an instance. Interfaces are in the order: --nic, --vpc, --subnet."""
    client = session.client
    chosen = [GROUP.id_of(client, group) for group in groups] or None
    interfaces = [
        *({"port_id": NIC.id_of(client, nic)} for nic in nics),
        *(given(network_id=VPC.id_of(client, vpc), security_groups=chosen) for vpc in vpcs),
        *(given(subnet_id=SUBNET.id_of(client, one), security_groups=chosen) for one in subnets),
    ]
    body = given(
        name=name, interfaces=interfaces, description=description, policy_routing=policy_routing
    )
    print_one(client.instances.create(body), as_json=as_json)


@instance.command("set")
@click.argument("instance", metavar="INSTANCE")
@click.option("--name")
@click.option("--description")
@_policy_routing
@json_option
@pass_session
def change(session: Session, /, instance: str, *, as_json: bool, **fields: object) -> None:
    """Change the name, the description or the way of routing of an instance."""
    client = session.client
    changed = client.instances.update(INSTANCE.id_of(client, instance), given(**fields))
    print_one(changed, as_json=as_json)


@instance.command("attach")
@click.argument("instance", metavar="INSTANCE")
@click.argument("nic", metavar="NIC")
@click.option("--delete-on-termination/--keep-on-termination", default=None)
@json_option
@pass_session
def attach(
    session: Session,
    /,
    instance: str,
    nic: str,
    *,
    delete_on_termination: bool | None,
    as_json: bool,
) -> None:
    """Give a running instance one more interface."""
    client = session.client
    request = given(port_id=NIC.id_of(client, nic), delete_on_termination=delete_on_termination)
    print_one(client.attach(INSTANCE.id_of(client, instance), **request), as_json=as_json)


@instance.command("detach")
@click.argument("instance", metavar="INSTANCE")
@click.argument("nic", metavar="NIC")
@pass_session
def detach(session: Session, /, instance: str, nic: str) -> None:
    """Take an interface from a running instance; the NIC stays."""
    client = session.client
    client.detach(INSTANCE.id_of(client, instance), NIC.id_of(client, nic))


@click.command("exec")
@click.argument("instance", metavar="INSTANCE")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_session
def execute(session: Session, /, instance: str, command: tuple[str, ...]) -> None:
    """Run a command inside an instance: portlight exec INSTANCE -- COMMAND."""
    become(session.client, instance, command)


def become(client: Client, instance: str, command: Sequence[str]) -> NoReturn:
    """Replace this process by a command inside every namespace of an instance."""
    init_pid = _init_pid(client, instance)
    arguments = ["nsenter", "--target", str(init_pid), "--all", "--", *command]
    try:
        os.execvp("nsenter", arguments)  # noqa: S606, S607 -- this process becomes the command
    except OSError as error:
        raise click.ClickException(f"nsenter cannot be started: {error.strerror}.") from error


def _init_pid(client: Client, name: str) -> int:
    found = INSTANCE.find(client, name)
    if found.init_pid is None:
        raise click.ClickException(f"Instance '{name}' has no process now: it is {found.status}.")
    if os.geteuid() != 0:
        raise click.ClickException("Entering an instance needs root: use sudo.")
    return found.init_pid


def _addresses(one: Instance) -> list[str]:
    return [ip.ip_address for interface in one.interfaces for ip in interface.fixed_ips]


def _verb_command(verb: str, words: str) -> Callable[..., None]:
    @instance.command(verb, help=words)
    @click.argument("instance", metavar="INSTANCE")
    @json_option
    @pass_session
    def run(session: Session, /, instance: str, *, as_json: bool) -> None:
        client = session.client
        changed = client.instances.act(INSTANCE.id_of(client, instance), verb)
        print_one(changed, as_json=as_json)

    return run


for _verb, _words in _VERBS.items():
    _verb_command(_verb, _words)
