"""The command `portlight-guest`: tools that run inside a server, for the server itself.

Standard library only: the same files make up the zipapp that a person copies to a bare server.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from portlight.guest.arguments import Area
from portlight.guest.routes import commands as routes

AREAS: Final[tuple[Area, ...]] = (routes.add_commands,)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="portlight-guest", description="Routes and firewall of this server, without lock-outs."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in AREAS:
        add(commands)
    arguments = parser.parse_args(argv)
    status: int = arguments.run(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
