"""How a command tells of what went wrong and was to be expected."""

import argparse
import sys
from collections.abc import Callable
from typing import Final

from portlight.guest.guard.confirm import ChangeError
from portlight.guest.routes.changes import NothingToUndoError
from portlight.guest.routes.remedies import RemedyError
from portlight.guest.routes.snapshot import ToolError

OK: Final = 0
REFUSED: Final = 1
_EXPECTED: Final = (RemedyError, ToolError, ChangeError, NothingToUndoError, OSError)


def telling(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Say on one line what an expected failure is."""

    def told(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments)
        except _EXPECTED as error:
            print(f"portlight-guest: {error}", file=sys.stderr)
            return REFUSED

    return told
