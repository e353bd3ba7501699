"""The commands about interfaces and routes: `routes show`, ..."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from portlight.guest.arguments import Commands
from portlight.guest.routes.show import read_rows, read_rows6, render_rows, render_rows6

_PROC = Path("/proc/net")


def add_commands(commands: Commands) -> None:
    """Add `routes` and what is below it."""
    routes = commands.add_parser("routes", help="this server's interfaces and routes")
    verbs = routes.add_subparsers(required=True, metavar="VERB")
    _add_show(verbs)


def _add_show(verbs: Commands) -> None:
    show = verbs.add_parser("show", help="the routing table, as `route -n` prints it")
    show.add_argument("-6", "--ipv6", action="store_true", help="IPv6, as `route -6 -n`")
    show.add_argument("--json", action="store_true")
    show.set_defaults(run=_show)


def _show(arguments: argparse.Namespace) -> int:
    if arguments.ipv6:
        rows, render = [*read_rows6((_PROC / "ipv6_route").read_text())], render_rows6
    else:
        rows, render = [*read_rows((_PROC / "route").read_text())], render_rows
    if arguments.json:
        print(json.dumps({"routes": [asdict(row) for row in rows]}))
    else:
        print(render(rows), end="")
    return 0
