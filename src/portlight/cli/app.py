"""The `portlight` command: one group for each kind of resource.

The verbs of the service itself (`up`, `down`, …) are added by `main`.
"""

from pathlib import Path

import click

from portlight.cli.gateways import internet_gateway, nat_gateway, peering
from portlight.cli.guest import guest
from portlight.cli.instance import execute, instance
from portlight.cli.mirror import mirror
from portlight.cli.nic import nic
from portlight.cli.public_ip import orphans, public_ip, usage
from portlight.cli.route_table import route, route_table
from portlight.cli.router import router
from portlight.cli.security_group import sg
from portlight.cli.session import Session
from portlight.cli.subnet import subnet
from portlight.cli.vip import vip
from portlight.cli.vpc import vpc
from portlight.client.errors import ClientError

DEFAULT_STATE = Path("/var/lib/portlight")


class PlainErrors(click.Group):
    """A group whose commands fail with one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except ClientError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=PlainErrors)
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="PORTLIGHT_STATE",
    help=f"Folder with the credentials. Default: the OS_* variables, else {DEFAULT_STATE}.",
)
@click.pass_context
def app(ctx: click.Context, state: Path | None) -> None:
    """Portlight: a self-hosted cloud network on plain Linux."""
    _open_session(ctx, state)
    if state is not None:
        # commands with a --state of their own (`up`, `down`) must not fall back to another folder
        ctx.default_map = {name: {"state": str(state)} for name in app.commands}


def accept_state(command: click.Command) -> None:
    """Let `--state` be given after the command as well as before it."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            accept_state(inner)
        return
    command.params.append(
        click.Option(
            ["--state"],
            type=click.Path(file_okay=False, path_type=Path),
            expose_value=False,
            callback=_choose_state,
            help="Folder with the credentials.",
        )
    )


def _choose_state(ctx: click.Context, _option: click.Parameter, state: Path | None) -> None:
    if state is not None:
        _open_session(ctx, state)


def _open_session(ctx: click.Context, state: Path | None) -> None:
    session = Session(state, DEFAULT_STATE)
    ctx.call_on_close(session.close)
    ctx.obj = session


for _command in (
    vpc,
    subnet,
    router,
    nic,
    vip,
    sg,
    route_table,
    route,
    internet_gateway,
    nat_gateway,
    peering,
    public_ip,
    usage,
    orphans,
    mirror,
    instance,
    execute,
    guest,
):
    accept_state(_command)
    app.add_command(_command)
