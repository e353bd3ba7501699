"""The types by which an area adds its commands to the command line."""

import argparse
from collections.abc import Callable
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 -- it has no other name
"""What `add_subparsers` returns. A string: the class takes no index at run time."""

Area = Callable[[Commands], None]
"""Adds the commands of one area; each sets `run`, a function from arguments to exit status."""
