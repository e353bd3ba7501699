"""The command `portlight-guest`: tools that run inside a server, for the server itself.

Standard library only: the same files make up the zipapp that a person copies to a bare server.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Final

from portlight.guest.arguments import Area
from portlight.guest.guard.commands import add_firewall
from portlight.guest.guard.confirm import rearm
from portlight.guest.guard.iptables_commands import add_iptables
from portlight.guest.guard.journal import DEFAULT_FOLDER, FOLDER_VARIABLE
from portlight.guest.guard.protected import ProtectedError
from portlight.guest.guard.rollback import ChangeError
from portlight.guest.guard.sshguard_commands import add_protect, add_sshguard
from portlight.guest.guard.watch import WatchError
from portlight.guest.iptables.parse import SaveFileError
from portlight.guest.iptables.tool import ToolError, search_path
from portlight.guest.remote import run_remotely
from portlight.guest.routes.commands import add_commands as add_routes
from portlight.guest.routes.values import RoutesError
from portlight.guest.routes.vip_command import add_vip

AREAS: Final[tuple[Area, ...]] = (
    add_iptables,
    add_firewall,
    add_routes,
    add_vip,
    add_protect,
    add_sshguard,
)
_EXPECTED: Final = (
    ChangeError,
    ToolError,
    ProtectedError,
    RoutesError,
    SaveFileError,
    WatchError,
    OSError,
    subprocess.SubprocessError,
)
_PROGRAM: Final = "portlight-guest"
_REFUSED: Final = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    front, words = _front_options(sys.argv[1:] if argv is None else argv)
    if front.state_dir:
        os.environ[FOLDER_VARIABLE] = front.state_dir
    os.environ["PATH"] = search_path()
    _say_any_bytes()
    try:
        if front.ssh:
            state = ("--state-dir", front.state_dir) if front.state_dir else ()
            words = [*state, *words]
            return run_remotely(front.ssh, words, sudo=front.sudo, options=front.ssh_option)
        arguments = _parser().parse_args(words)
        rearm()
        status: int = arguments.run(arguments)
    except _EXPECTED as error:
        print(f"portlight-guest: {str(error).strip()}", file=sys.stderr)
        return _REFUSED
    return status


def _say_any_bytes() -> None:
    """Print what is no UTF-8 as it came: a comment in a rule may be anything."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")


def _front_options(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the options before the command, and the rest as it is."""
    front = argparse.ArgumentParser(prog=_PROGRAM, add_help=False, allow_abbrev=False)
    _add_front_options(front)
    front.add_argument("words", nargs=argparse.REMAINDER)
    options, unknown = front.parse_known_args(argv)
    return options, [*unknown, *options.words]


def _add_front_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ssh", metavar="USER@HOST", help="run the command there, over SSH")
    parser.add_argument("--sudo", action="store_true", help="with --ssh: as root, through sudo")
    parser.add_argument(
        "--ssh-option", action="append", default=[], metavar="OPTION", help="passed to ssh"
    )
    parser.add_argument(
        "--state-dir", metavar="DIR", help=f"default: ${FOLDER_VARIABLE}, else {DEFAULT_FOLDER}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Routes and firewall of this server, without lock-outs."
    )
    _add_front_options(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in AREAS:
        add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
