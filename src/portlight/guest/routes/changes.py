"""Applies remedies: written down first, under a timer, and again after a restart."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from portlight.guest.guard.confirm import rollback
from portlight.guest.guard.guarded import Made, Outlook, Request, change_guarded
from portlight.guest.guard.history_commands import OK
from portlight.guest.guard.journal import (
    Change,
    Journal,
    KeptFile,
    Record,
    Step,
    state_folder,
)
from portlight.guest.guard.rollback import ChangeError
from portlight.guest.guard.standing import standing, undo_summary
from portlight.guest.guard.units import SYSTEMD, own_command
from portlight.guest.guard.wishes import Wishes
from portlight.guest.routes.boot import boot_files
from portlight.guest.routes.planned import planned
from portlight.guest.routes.proof import edges_of_routes, judge_by_routes
from portlight.guest.routes.remedies import Commands, plan_remedies
from portlight.guest.routes.show import read_rows, read_rows6, render_rows, render_rows6
from portlight.guest.routes.snapshot import read_snapshot, run_tool
from portlight.guest.routes.values import FAMILIES, Command, Route, RoutesError, Rule, Snapshot

_SETTLED: Final = (
    'said=$(LC_ALL=C "$@" 2>&1) || case $said in'
    ' *"File exists"*|*"No such"*|*"Cannot find"*) ;; *) echo "$said" >&2; exit 1 ;; esac'
)
"""Runs a command that may have been run before: what is there is not made, what is gone stays."""
_PROC: Final = Path("/proc/net")


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


def start(
    kinds: Sequence[str], keep: str, commands: Commands, snapshot: Snapshot, wishes: Wishes
) -> int:
    """Apply remedies under guard; return the exit status."""
    before = load_intent()
    intent = Intent(
        kinds=tuple(dict.fromkeys((*before.kinds, *kinds))),
        keep=keep or before.keep,
        commands=commands.apply,
        before=Intent(kinds=before.kinds, keep=before.keep),
    )
    return _change(f"fix {', '.join(kinds)}", commands, intent, snapshot, wishes)


def start_undo(wishes: Wishes) -> int:
    """Take the last change of routes back; return the exit status.

    One that is still pending is rolled back; a confirmed one is undone by a new change.
    """
    last = _last()
    if last.waits:
        if not wishes.dry_run:
            rollback(last.id, "undone")
        print(f"change {last.id} {'would be' if wishes.dry_run else 'is'} taken back")
        return OK
    done = _decode_intent(json.loads(last.change.files[0].text))
    back = done.before or Intent()
    commands = Commands(
        apply=tuple(_original(step) for step in last.change.undo), undo=done.commands
    )
    intent = Intent(kinds=back.kinds, keep=back.keep, commands=commands.apply)
    return _change(undo_summary(last.id), commands, intent, read_snapshot(), wishes)


def outlook_of(snapshot: Snapshot, commands: Sequence[Command]) -> Outlook:
    """Return what packets meet now, and what they will meet after commands."""
    then = planned(snapshot, commands)
    return Outlook(
        before=judge_by_routes(snapshot, snapshot),
        after=judge_by_routes(snapshot, then),
        edges=lambda: edges_of_routes(snapshot, then),
    )


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


def _change(
    summary: str, commands: Commands, intent: Intent, snapshot: Snapshot, wishes: Wishes
) -> int:
    def record() -> Change:
        if _way_of_packets(read_snapshot()) != _way_of_packets(snapshot):
            raise ChangeError("the routes were changed meanwhile; nothing was done: run it again")
        boot = boot_files(state_folder(), SYSTEMD, own_command(state_folder()))
        return Change(
            kind="routes",
            summary=summary,
            undo=tuple(_step(command) for command in commands.undo),
            before=listing(),
            files=(KeptFile(path=str(intent_path()), text=json.dumps(asdict(intent))), *boot),
        )

    def carry_out() -> None:
        for command in commands.apply:
            run_tool(*command)

    def look() -> Made:
        return Made(text=listing(), judge=judge_by_routes(snapshot, read_snapshot()))

    outlook = outlook_of(snapshot, commands.apply)
    request = Request(outlook=outlook, record=record, apply=carry_out, look=look)
    return change_guarded(request, wishes)


def _way_of_packets(snapshot: Snapshot) -> tuple[frozenset[Route], frozenset[Rule]]:
    return frozenset(snapshot.routes), frozenset(snapshot.rules)


def _last() -> Record:
    """Return the last change of routes that waits, or that holds."""
    records = [one for one in Journal().records() if one.change.kind == "routes"]
    chosen = [one for one in records if one.waits] or standing(records)
    if not chosen:
        raise NothingToUndoError("no change of routes is left to undo")
    return chosen[-1]


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
