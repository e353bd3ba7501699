"""`portlight guest`: routes and firewall of a server, from the inside.

The same tools as `portlight-guest`, run in an instance or, over SSH, on any server.
"""

from collections.abc import Sequence

import click

from portlight.cli.instance import become
from portlight.cli.session import Session, pass_session
from portlight.guest.guard.sessions import VIA_VARIABLE
from portlight.guest.remote import run_remotely


@click.command(
    "guest",
    # What follows the area and the instance belongs to the tool: -L is no option of ours.
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--ssh", metavar="USER@HOST", help="A server that is no instance of ours.")
@click.option("--sudo", is_flag=True, help="With --ssh: as root, through sudo.")
@click.option("--ssh-option", "options", multiple=True, help="Passed to ssh.")
@click.argument("area")
@click.argument("words", metavar="INSTANCE [ARGUMENTS]...", nargs=-1, type=click.UNPROCESSED)
@pass_session
def guest(  # noqa: PLR0913 -- one for each option
    session: Session,
    /,
    ssh: str | None,
    area: str,
    words: tuple[str, ...],
    options: tuple[str, ...],
    *,
    sudo: bool,
) -> None:
    """Routes and firewall inside an instance, without lock-outs.

    AREA is a command of portlight-guest: iptables, ip6tables, firewall, routes, vip,
    protect, sshguard.

    \b
    portlight guest iptables web -A INPUT -p tcp --dport 22 -j ACCEPT
    portlight guest firewall web confirm
    portlight guest --ssh root@192.0.2.7 routes check
    """  # noqa: D301 -- click's sign for lines that are to stay as they are
    if ssh is not None:
        raise click.exceptions.Exit(
            run_remotely(ssh, [area, *_plain(words)], sudo=sudo, options=options)
        )
    if not words:
        raise click.UsageError("name an instance, or a server with --ssh")
    name, *arguments = words
    tool = ("/bin/sh", "/run/guest/portlight-guest", area, *_plain(arguments))
    become(session.client, name, ("env", f"{VIA_VARIABLE}=Portlight", *tool))


def _plain(words: Sequence[str]) -> list[str]:
    """Return the words without the two dashes that some put before them."""
    return list(words[1:] if words and words[0] == "--" else words)
