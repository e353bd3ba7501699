"""`portlight demo`: play it, print what was seen, say what to try next."""

import asyncio
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from portlight.cli.demo.acts import (
    group_filters,
    interface_outlives_instance,
    servers_and_client,
    spoofing_is_dropped,
    virtual_ip_fails_over,
)
from portlight.cli.demo.guarding import guessing_is_banned, nobody_is_locked_out
from portlight.cli.demo.interfaces import second_interface_answers
from portlight.cli.demo.mirroring import web_traffic_is_mirrored
from portlight.cli.demo.routing import (
    nat_instance_carries_a_subnet,
    public_address_comes_and_goes,
)
from portlight.cli.demo.scene import clear, make_network
from portlight.cli.demo.stage import PREFIX, DemoError, Stage
from portlight.client.client import Client


async def play(stage: Stage) -> None:
    """Play every act; what the guests run ends with it."""
    clear(stage)
    network = make_network(stage)
    try:
        await servers_and_client(stage, network)
        await group_filters(stage)
        await spoofing_is_dropped(stage)
        await nobody_is_locked_out(stage)
        await guessing_is_banned(stage)
        await web_traffic_is_mirrored(stage, network)
        await virtual_ip_fails_over(stage, network)
        await interface_outlives_instance(stage, network)
        await second_interface_answers(stage)
        await public_address_comes_and_goes(stage)
        await nat_instance_carries_a_subnet(stage)
    except DemoError as error:
        stage.note("the demonstration runs to its end", str(error), held=False)
    finally:
        await stage.close()


def show(stage: Stage, state: Path) -> None:
    """Print the claims, where the credentials are, and what to try next."""
    table = Table(title="What was claimed, and what was seen")
    table.add_column("Claim")
    table.add_column("Seen")
    table.add_column("Held")
    for claim in stage.claims:
        table.add_row(claim.text, claim.seen, "yes" if claim.held else "NO")
    console = Console()
    console.print(table)
    console.print(f"Credentials: {state}/credentials.json, {state}/openrc, {state}/clouds.yaml")
    console.print("Try next:")
    folder = Path(sys.executable).parent
    for line in (
        f"{folder}/portlight exec --state {state} {PREFIX}client -- ip addr",
        f"{folder}/portlight nic drops --state {state} {PREFIX}client",
        f"{folder}/portlight mirror session counters --state {state} {PREFIX}web",
        (
            f"OS_CLIENT_CONFIG_FILE={state}/clouds.yaml {folder}/openstack --os-cloud portlight"
            " port list"
        ),
    ):
        console.print(f"  {line}", soft_wrap=True, highlight=False)


def run_demo(client: Client, state: Path) -> None:
    """Play and show the demonstration; exit status 1 when a claim did not hold."""
    stage = Stage(client=client, folder=state / "demo")
    asyncio.run(play(stage))
    show(stage, state)
    if not all(claim.held for claim in stage.claims):
        raise click.exceptions.Exit(1)
