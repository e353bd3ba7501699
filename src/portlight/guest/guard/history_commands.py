"""The commands about changes that were made: status, history, show, confirm, rollback."""

import argparse
import difflib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

from portlight.guest.arguments import Commands
from portlight.guest.guard.confirm import (
    confirm,
    is_watched,
    pending,
    remaining,
    rollback,
)
from portlight.guest.guard.journal import ChangeId, Journal, Kind, Record, State
from portlight.guest.guard.rollback import ChangeError

OK, REFUSED = 0, 1
_BRIEF: Final = 120
"""Letters of a summary in a table."""


def add_history_commands(verbs: Commands, kind: Kind, *, show_word: str = "show") -> None:
    """Add the verbs about changes of one kind."""
    status = verbs.add_parser("status", help="what waits for a confirmation")
    status.set_defaults(run=lambda arguments: _status(kind, as_json=arguments.json))
    history = verbs.add_parser("history", help="all changes, the newest last")
    history.set_defaults(run=lambda arguments: _history(kind, as_json=arguments.json))
    show = verbs.add_parser(show_word, help="one change and its difference")
    show.add_argument("id", type=int)
    show.set_defaults(run=lambda arguments: _show(_of_kind(kind, arguments.id), arguments))
    stay = verbs.add_parser("confirm", help="keep what waits for a confirmation")
    stay.set_defaults(run=lambda arguments: _confirm(_chosen(kind, arguments.id, last=True)))
    back = verbs.add_parser("rollback", help="take back what waits for a confirmation")
    back.set_defaults(run=lambda arguments: _roll_back(_chosen(kind, arguments.id, last=False)))
    for verb in (stay, back):
        verb.add_argument("id", type=int, nargs="?", help="default: all of them")
    for verb in (status, history, show):
        verb.add_argument("--json", action="store_true")


def difference(record: Record) -> list[str]:
    """Return what a change changed, as a unified diff."""
    before, after = record.change.before.splitlines(), record.change.after.splitlines()
    return list(difflib.unified_diff(before, after, "before", "after", n=1, lineterm=""))


def describe_pending(record: Record) -> str:
    """Say that a change waits, and what to do."""
    if record.state is State.STUCK:
        return f"change {record.id} is being taken back, until it works: {record.note}"
    tool = f"portlight-guest {record.change.kind}"
    return (
        f"change {record.id} is taken back in {remaining(record):.0f} s unless it is confirmed\n"
        f"  keep it: {tool} confirm {record.id}    take it back now: {tool} rollback {record.id}"
    )


def as_document(record: Record) -> dict[str, object]:
    """Return a change as people's programs read it."""
    document = asdict(record)
    change = document.pop("change")
    return document | {
        "kind": change["kind"],
        "summary": change["summary"],
        "diff": difference(record),
        "remaining_seconds": remaining(record) if record.state is State.PENDING else 0,
    }


def _status(kind: Kind, *, as_json: bool) -> int:
    waiting = pending(kind)
    if as_json:
        print(json.dumps([as_document(one) for one in waiting]))
        return OK
    if not waiting:
        print("nothing waits for a confirmation")
    for one in waiting:
        print(describe_pending(one))
        print(f"  {one.change.summary}, by {one.author}, {one.at}")
        if not is_watched(Journal(), one):
            print("  its timer was killed; the next command starts it again")
    return OK


def _history(kind: Kind, *, as_json: bool) -> int:
    records = [one for one in Journal().records() if one.change.kind == kind]
    if as_json:
        print(json.dumps([as_document(one) for one in records]))
        return OK
    for line in _table([(str(one.id), one.at, one.state, one.author, _brief(one.change.summary))
                        for one in records]):  # fmt: skip
        print(line)
    return OK


def _brief(summary: str) -> str:
    """Return a summary as one line that a terminal can show; `show` has all of it."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in summary)
    return plain if len(plain) <= _BRIEF else f"{plain[: _BRIEF - 1]}…"


def _table(rows: list[tuple[str, ...]]) -> Iterable[str]:
    table = [("ID", "AT", "STATE", "BY", "CHANGE"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _show(record: Record, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(as_document(record)))
        return OK
    print(f"change {record.id}: {record.change.summary}")
    print(
        f"by {record.author}, {record.at}; {record.state} {record.ended_at} {record.note}".strip()
    )
    print("\n".join(difference(record)))
    return OK


def _confirm(change: ChangeId) -> int:
    for one in confirm(change):
        print(f"change {one.id} is confirmed: {one.change.summary}")
    return OK


def _roll_back(change: ChangeId) -> int:
    for one in rollback(change):
        print(f"change {one.id}: {one.state}: {one.change.summary}")
    return OK


def _chosen(kind: Kind, number: int | None, *, last: bool) -> ChangeId:
    if number is not None:
        return _of_kind(kind, number).id
    waiting = pending(kind)
    if not waiting:
        raise ChangeError("nothing waits for a confirmation")
    return waiting[-1 if last else 0].id


def _of_kind(kind: Kind, number: int) -> Record:
    try:
        record = Journal().load(ChangeId(number))
    except KeyError:
        record = None
    if record is None or record.change.kind != kind:
        raise ChangeError(f"there is no change {number} of {kind}; `history` lists them")
    return record
