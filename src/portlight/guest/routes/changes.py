"""Applies remedies: written down first, under a timer, and again after a restart."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portlight.guest.guard.confirm import pending, rollback
from portlight.guest.guard.guarded import Made, Outlook, Request, change_guarded
from portlight.guest.guard.history_commands import OK
from portlight.guest.guard.journal import (
    Change,
    Journal,
    Record,
    Step,
    state_folder,
)
from portlight.guest.guard.rollback import ChangeError
from portlight.guest.guard.standing import standing, undo_summary
from portlight.guest.guard.units import SYSTEMD, own_command
from portlight.guest.guard.wishes import Wishes
from portlight.guest.routes.boot import boot_files, boot_steps
from portlight.guest.routes.intent import Intent, intent_of, kept_intent, next_intent
from portlight.guest.routes.planned import planned
from portlight.guest.routes.policy import (
    Policy,
    is_of_policy,
    policy_commands,
    present_policy,
    wanted_policy,
)
from portlight.guest.routes.proof import edges_of_routes, judge_by_routes
from portlight.guest.routes.remedies import Commands
from portlight.guest.routes.show import read_rows, read_rows6, render_rows, render_rows6
from portlight.guest.routes.snapshot import ToolError, read_snapshot, run_tool
from portlight.guest.routes.values import FAMILIES, Command, Route, RoutesError, Rule, Snapshot

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What is to be done, and what is kept of it."""

    summary: str
    commands: Commands
    intent: Intent
    run: Callable[..., object] = run_tool
    """Runs one command; raises when that fails."""


def start(
    kinds: Sequence[str], keep: str, commands: Commands, snapshot: Snapshot, wishes: Wishes
) -> int:
    """Apply remedies under guard; return the exit status."""
    waiting = [record.change for record in pending("routes")]
    intent = replace(next_intent(waiting, kinds, keep), commands=commands.apply)
    work = _Work(summary=f"fix {', '.join(kinds)}", commands=commands, intent=intent)
    return _change(work, snapshot, wishes)


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
    done, snapshot = intent_of(last.change), read_snapshot()
    back = done.before or Intent()
    recorded = Commands(
        apply=tuple(_original(step) for step in last.change.undo), undo=done.commands
    )
    commands = plan_undo(snapshot, recorded, keeps_policy="policy-routing" in back.kinds)
    intent = Intent(kinds=back.kinds, keep=back.keep, commands=commands.apply)
    work = _Work(summary=undo_summary(last.id), commands=commands, intent=intent, run=_run_again)
    return _change(work, snapshot, wishes)


def outlook_of(snapshot: Snapshot, commands: Sequence[Command]) -> Outlook:
    """Return what packets meet now, and what they will meet after commands."""
    then = planned(snapshot, commands)
    return Outlook(
        before=judge_by_routes(snapshot, snapshot),
        after=judge_by_routes(snapshot, then),
        edges=lambda: edges_of_routes(snapshot, then),
    )


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


def _run_again(*command: str) -> None:
    """Run a command that was right once; what the network does not allow any more is said."""
    try:
        run_tool(*command)
    except ToolError as error:
        if any(text in str(error) for text in _NOT_POSSIBLE):
            print(f"passed over: {error}", file=sys.stderr)
        elif not any(text in str(error) for text in _THERE_OR_GONE):
            raise


def _change(work: _Work, snapshot: Snapshot, wishes: Wishes) -> int:
    def record() -> Change:
        if _way_of_packets(read_snapshot()) != _way_of_packets(snapshot):
            raise ChangeError("the routes were changed meanwhile; nothing was done: run it again")
        boot = boot_files(state_folder(), SYSTEMD, own_command(state_folder()))
        return Change(
            kind="routes",
            summary=work.summary,
            undo=tuple(_step(command) for command in work.commands.undo),
            before=listing(),
            files=(kept_intent(work.intent), *boot),
            then=boot_steps(boot),
        )

    def carry_out() -> None:
        for command in work.commands.apply:
            work.run(*command)

    def look() -> Made:
        return Made(text=listing(), judge=judge_by_routes(snapshot, read_snapshot()))

    outlook = outlook_of(snapshot, work.commands.apply)
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


def _text(path: Path) -> str:
    """Return a file of the kernel; empty when it has no IPv6."""
    return path.read_text() if path.exists() else ""
