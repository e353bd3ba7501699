"""Applies remedies: written down first, under a timer, and again after a restart."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from portlight.guest.guard.confirm import applying, confirm, rollback
from portlight.guest.guard.journal import (
    Change,
    ChangeId,
    Journal,
    KeptFile,
    Record,
    State,
    Step,
    state_folder,
)
from portlight.guest.routes.boot import boot_files, tool_words
from portlight.guest.routes.remedies import Commands, plan_remedies
from portlight.guest.routes.show import read_rows, read_rows6, render_rows, render_rows6
from portlight.guest.routes.snapshot import read_snapshot, run_tool
from portlight.guest.routes.values import FAMILIES, Command, RoutesError

_SETTLED: Final = (
    'said=$(LC_ALL=C "$@" 2>&1) || case $said in'
    ' *"File exists"*|*"No such"*|*"Cannot find"*) ;; *) echo "$said" >&2; exit 1 ;; esac'
)
"""Runs a command that may have been run before: what is there is not made, what is gone stays."""
_PROC: Final = Path("/proc/net")
_SYSTEMD: Final = Path("/run/systemd/system")
_ENTRY: Final = "portlight.guest.entry"
_AT_ONCE: Final = 60.0
"""Seconds that a change without confirmation may take until it is applied."""


class NothingToUndoError(RoutesError):
    """No change of routes is left that could be taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Which remedies this server gets again after a restart, and how it came to them."""

    kinds: tuple[str, ...] = ()
    keep: str = ""
    commands: tuple[Command, ...] = ()
    """What the change that wrote this did: the way back from its undo."""
    before: "Intent | None" = None


def intent_path() -> Path:
    """Return where the intent is kept."""
    return state_folder() / "routes.json"


def listing() -> str:
    """Return tables and rules as people read them."""
    rules = "".join(run_tool("ip", f"-{family}", "rule", "show") for family in FAMILIES)
    tables = (
        render_rows(read_rows((_PROC / "route").read_text())),
        render_rows6(read_rows6(_text(_PROC / "ipv6_route"))),
    )
    return "".join((*tables, rules))


def start(kinds: Sequence[str], keep: str, commands: Commands, seconds: float) -> ChangeId:
    """Write the change down, start its timer, apply it; take it back when it fails half-way."""
    before = load_intent()
    intent = Intent(
        kinds=tuple(dict.fromkeys((*before.kinds, *kinds))),
        keep=keep or before.keep,
        commands=commands.apply,
        before=Intent(kinds=before.kinds, keep=before.keep),
    )
    return _begin(f"fix {', '.join(kinds)}", commands, intent, seconds)


def start_undo(seconds: float) -> tuple[ChangeId, bool]:
    """Take the last change of routes back; return it, and whether that waits for confirmation.

    One that is still pending is rolled back; a confirmed one is undone by a new change.
    """
    last = _last()
    if last.state is State.PENDING:
        rollback(last.id, "undone")
        return last.id, False
    done = _decode_intent(json.loads(last.change.files[0].text))
    back = done.before or Intent()
    commands = Commands(
        apply=tuple(_original(step) for step in last.change.undo), undo=done.commands
    )
    intent = Intent(kinds=back.kinds, keep=back.keep, commands=commands.apply)
    return _begin(f"undo of change {last.id}", commands, intent, seconds), True


def restore() -> tuple[Command, ...]:
    """Apply what is intended, after a restart; return the commands that were needed."""
    intent = load_intent()
    commands = plan_remedies(read_snapshot(), intent.kinds, intent.keep).apply
    for command in commands:
        run_tool(*command)
    return commands


def load_intent() -> Intent:
    """Return what is intended; nothing when nothing was ever confirmed."""
    try:
        return _decode_intent(json.loads(intent_path().read_text()))
    except FileNotFoundError:
        return Intent()


def _begin(summary: str, commands: Commands, intent: Intent, seconds: float) -> ChangeId:
    change = Change(
        kind="routes",
        summary=summary,
        undo=tuple(_step(command) for command in commands.undo),
        before=listing(),
        files=(
            KeptFile(path=str(intent_path()), text=json.dumps(asdict(intent))),
            *boot_files(state_folder(), _SYSTEMD, tool_words(sys.executable, sys.argv[0], _ENTRY)),
        ),
    )
    with applying(lambda: change, seconds or _AT_ONCE) as begun:
        for command in commands.apply:
            run_tool(*command)
        begun.settle(after=listing())
    if not seconds:
        confirm(begun.id)
    return begun.id


def _last() -> Record:
    """Return the last change of routes that holds."""
    records = [one for one in Journal().records() if one.change.kind == "routes"]
    undone = 0
    for record in reversed(records):
        if record.state is State.PENDING:
            return record
        if record.state is not State.CONFIRMED:
            continue
        if record.change.summary.startswith("undo of"):
            undone += 1
        elif undone:
            undone -= 1
        else:
            return record
    raise NothingToUndoError("no change of routes is left to undo")


def _step(command: Command) -> Step:
    return Step(argv=("sh", "-c", _SETTLED, "sh", *command))


def _original(step: Step) -> Command:
    return step.argv[4:]


def _decode_intent(raw: dict[str, object]) -> Intent:
    before = raw["before"]
    return Intent(
        kinds=tuple(raw["kinds"]),  # type: ignore[arg-type]  # as we wrote it
        keep=str(raw["keep"]),
        commands=tuple(tuple(words) for words in raw["commands"]),  # type: ignore[attr-defined]  # as we wrote it
        before=_decode_intent(before) if isinstance(before, dict) else None,
    )


def _text(path: Path) -> str:
    """Return a file of the kernel; empty when it has no IPv6."""
    return path.read_text() if path.exists() else ""
