"""Applies remedies: written down first, under a timer, and again after a restart."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from portlight.guest.guard.confirm import amend, applying, begin, confirm, pending, rollback
from portlight.guest.guard.journal import (
    Change,
    ChangeId,
    Journal,
    Record,
    State,
    Step,
    state_folder,
)
from portlight.guest.routes.boot import boot_files, tool_words
from portlight.guest.routes.intent import Intent, intent_of, kept_intent, next_intent
from portlight.guest.routes.policy import (
    Policy,
    is_of_policy,
    policy_commands,
    present_policy,
    wanted_policy,
)
from portlight.guest.routes.remedies import Commands
from portlight.guest.routes.show import read_rows, read_rows6, render_rows, render_rows6
from portlight.guest.routes.snapshot import ToolError, read_snapshot, run_tool
from portlight.guest.routes.values import FAMILIES, Command, RoutesError, Snapshot

_SETTLED: Final = (
    'said=$(LC_ALL=C "$@" 2>&1) || case $said in'
    ' *"File exists"*|*"No such"*|*"Cannot find"*) ;; *) echo "$said" >&2; exit 1 ;; esac'
)
"""Runs a command that may have been run before: what is there is not made, what is gone stays."""
_THERE_OR_GONE: Final = ("File exists", "No such", "Cannot find")
_NOT_POSSIBLE: Final = (
    *("invalid gateway", "No route to host", "not up", "unreachable"),
    *("Invalid prefsrc", "Invalid source"),
)
"""What `ip` says of a route whose address, subnet or interface went since."""
_PROC: Final = Path("/proc/net")
_SYSTEMD: Final = Path("/run/systemd/system")
_ENTRY: Final = "portlight.guest.entry"
_AT_ONCE: Final = 60.0
"""Seconds that a change without confirmation may take until it is applied."""


class NothingToUndoError(RoutesError):
    """No change of routes is left that could be taken back."""


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
    waiting = [record.change for record in pending("routes")]
    intent = replace(next_intent(waiting, kinds, keep), commands=commands.apply)
    return _begin(f"fix {', '.join(kinds)}", commands, intent, seconds)


def start_undo(seconds: float) -> tuple[ChangeId, bool]:
    """Take the last change of routes back; return it, and whether that waits for confirmation.

    One that is still pending is rolled back; a confirmed one is undone by a new change.
    """
    last = _last()
    if last.state is State.PENDING:
        rollback(last.id, "undone")
        return last.id, False
    done = intent_of(last.change)
    back = done.before or Intent()
    recorded = Commands(
        apply=tuple(_original(step) for step in last.change.undo), undo=done.commands
    )
    commands = plan_undo(read_snapshot(), recorded, keeps_policy="policy-routing" in back.kinds)
    intent = Intent(kinds=back.kinds, keep=back.keep, commands=commands.apply)
    return _begin(f"undo of change {last.id}", commands, intent, seconds, run=_undo), True


def plan_undo(snapshot: Snapshot, recorded: Commands, *, keeps_policy: bool) -> Commands:
    """Return what takes a confirmed change back, and the way back from that.

    Addresses have moved since: tables and rules are those of now, not the recorded ones.
    """
    if not any(is_of_policy(command) for command in recorded.undo):
        return recorded
    present = present_policy(snapshot)
    wanted = wanted_policy(snapshot) if keeps_policy else Policy()
    others, back = (
        tuple(one for one in commands if not is_of_policy(one))
        for commands in (recorded.apply, recorded.undo)
    )
    return Commands(
        apply=(*others, *policy_commands(present, wanted)),
        undo=(*policy_commands(wanted, present), *back),
    )


def _undo(*command: str) -> None:
    """Run a command that was right once; what the network does not allow any more is said."""
    try:
        run_tool(*command)
    except ToolError as error:
        if any(text in str(error) for text in _NOT_POSSIBLE):
            print(f"passed over: {error}", file=sys.stderr)
        elif not any(text in str(error) for text in _THERE_OR_GONE):
            raise


def _begin(
    summary: str,
    commands: Commands,
    intent: Intent,
    seconds: float,
    run: Callable[..., object] = run_tool,
) -> ChangeId:
    change = Change(
        kind="routes",
        summary=summary,
        undo=tuple(_step(command) for command in commands.undo),
        before=listing(),
        files=(
            kept_intent(intent),
            *boot_files(state_folder(), _SYSTEMD, tool_words(sys.executable, sys.argv[0], _ENTRY)),
        ),
    )
    started = begin(change, seconds or _AT_ONCE)
    try:
        with applying(started):
            for command in commands.apply:
                run(*command)
    except ToolError:
        rollback(started, "it could not be applied")
        raise
    amend(started, after=listing())
    if not seconds:
        confirm(started)
    return started


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


def _text(path: Path) -> str:
    """Return a file of the kernel; empty when it has no IPv6."""
    return path.read_text() if path.exists() else ""
