"""The verbs of the service itself, added to the command line."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from portlight.cli.demo.command import run_demo
from portlight.client.client import connect
from portlight.client.credentials import load_credentials
from portlight.main.agent import run_agent, tear_down_host
from portlight.main.keystone import remember_service_user
from portlight.main.lifecycle import (
    LifecycleError,
    answers,
    bring_up,
    is_ours,
    services,
    take_down,
)
from portlight.main.logs import log_to_stderr
from portlight.main.serve import serve
from portlight.main.settings import DEFAULT_STATE, Settings, SettingsError, load_settings

C = TypeVar("C", bound=Callable[..., Any])


def _state_option(command: C) -> C:
    return click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        # The variable PORTLIGHT_STATE is read by the group, so that a --state before the verb wins.
        default=DEFAULT_STATE,
        show_default=True,
        help="Folder of credentials, database and logs.",
    )(command)


def _listener_options(command: C) -> C:
    for option in (
        click.option("--listen", metavar="HOST:PORT", help="Default: 127.0.0.1:9696."),
        click.option("--host", help="Name of this host in the API."),
        click.option("--tls-cert", type=click.Path(dir_okay=False), help="Certificate (PEM)."),
        click.option("--tls-key", type=click.Path(dir_okay=False), help="Its key (PEM)."),
        click.option("--insecure", is_flag=True, default=None, help="Allow clear text anywhere."),
        click.option(
            "--database",
            metavar="URL",
            help="postgresql+psycopg://USER@HOST/NAME. Default: a file in the state folder.",
        ),
        click.option("--workers", type=int, help="Server processes on the listener. Default: 1."),
        click.option(
            "--keystone",
            metavar="URL",
            help="Accept the tokens of this Keystone. Default: users and tokens of our own.",
        ),
        click.option(
            "--public-pool",
            metavar="CIDR|none",
            help="Addresses of the first external network. Default: 203.0.113.0/24.",
        ),
        click.option(
            "--release-idle-public-ips",
            "release_idle_hours",
            type=click.IntRange(0),
            metavar="HOURS",
            help="Give public IPs back that nobody used for so long; 0: never (default).",
        ),
    ):
        command = option(command)
    return command


def _settings(state: Path, flags: dict[str, Any]) -> Settings:
    try:
        settings = load_settings(state, flags, os.environ)
        if settings.keystone:
            remember_service_user(settings.state, os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    return settings


def _up(settings: Settings) -> Settings:
    try:
        return bring_up(settings)
    except (SettingsError, LifecycleError) as error:
        raise click.ClickException(str(error)) from error


@click.command("up")
@_state_option
@_listener_options
def up(state: Path, **flags: Any) -> None:  # noqa: ANN401 -- the options above
    """Start the server and the agent of this host; again is safe."""
    settings = _up(_settings(state, flags))
    click.echo(f"Portlight answers at {settings.url}")
    if settings.keystone:
        click.echo(f"Tokens are those of {settings.keystone}")
    else:
        click.echo(f"Credentials: {settings.state}/credentials.json, openrc and clouds.yaml")


@click.command("down")
@_state_option
@click.option("--purge", is_flag=True, help="Delete the state folder too.")
def down(state: Path, *, purge: bool) -> None:
    """End both processes and remove all, and only, what this deployment made."""
    settings = _settings(state, {})
    if not is_ours(settings):
        raise click.ClickException(f"the tag {settings.tag} belongs to another state folder")
    was_running = take_down(settings, tear_down_host, purge=purge)
    click.echo("Portlight is down." if was_running else "Nothing ran.")


@click.command("status")
@_state_option
def status(state: Path) -> None:
    """Say whether the server and the agent run; exit status 1 when not both do."""
    settings = _settings(state, {})
    server, agent = services(settings)
    states = {"server": server.running and answers(settings), "agent": agent.running}
    for name, running in states.items():
        click.echo(f"{name}: {'runs' if running else 'does not run'}")
    click.echo(f"listener: {settings.url}\ntag: {settings.tag}")
    if not all(states.values()):
        raise click.exceptions.Exit(1)


@click.command("serve")
@_state_option
@_listener_options
def serve_command(state: Path, **flags: Any) -> None:  # noqa: ANN401 -- the options above
    """Run the server in the foreground."""
    log_to_stderr()
    settings = _settings(state, flags)
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        serve(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@click.command("agent")
@_state_option
def agent_command(state: Path) -> None:
    """Run the agent of this host in the foreground."""
    log_to_stderr()
    run_agent(_settings(state, {}))


@click.command("demo")
@_state_option
@_listener_options
def demo(state: Path, **flags: Any) -> None:  # noqa: ANN401 -- the options above
    """Start, build a sample network, and prove with packets what Portlight claims."""
    settings = _up(_settings(state, flags))
    run_demo(connect(load_credentials(settings.state)), settings.state)


COMMANDS = (up, down, status, serve_command, agent_command, demo)
