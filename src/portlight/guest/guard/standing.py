"""Which confirmed changes still hold, after others took some of them back. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from portlight.guest.guard.journal import ChangeId, Record, State

_UNDO: Final = re.compile(r"undo of change (\d+)")


def undo_summary(change: ChangeId) -> str:
    """Return what the change is called that takes another one back."""
    return f"undo of change {change}"


def standing(records: Iterable[Record]) -> list[Record]:
    """Return the confirmed changes of one kind that hold, the oldest first.

    An undo takes back a change and all that came after it, and is itself none that is left to
    undo: who undoes twice goes two changes back.
    """
    left: list[Record] = []
    for record in records:
        if record.state is not State.CONFIRMED:
            continue
        undone = _UNDO.fullmatch(record.change.summary)
        if undone is None:
            left.append(record)
        else:
            left = [one for one in left if one.id < int(undone[1])]
    return left
