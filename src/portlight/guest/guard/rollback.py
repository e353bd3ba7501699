"""Taking changes back: the newest first, all of them, and again until it works.

Whoever calls holds the journal's lock.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from portlight.guest.guard.connections import restore_connections
from portlight.guest.guard.journal import ChangeId, Journal, Record, State, Step

_STEP_SECONDS: Final = 30.0


class ChangeError(Exception):
    """A change cannot be made, confirmed or taken back; the text says why."""


class RollbackError(ChangeError):
    """A change is not taken back yet. Its watchers go on trying."""

    def __init__(self, change: ChangeId, failures: Sequence[str]) -> None:
        super().__init__(
            f"change {change} could not be taken back yet ({'; '.join(failures)});"
            " it is tried again until it works"
        )


def roll_back(journal: Journal, change: ChangeId, reason: str) -> tuple[Record, ...]:
    """Take a change back and those that stand on it; return them.

    When a step fails, all of them stay to be taken back, each time the newest first again: one
    that was put back later than what it stands on would bring that back to life.
    """
    waiting = journal.pending(journal.load(change).change.kind)
    oldest = min([change, *(one.id for one in waiting if one.state is State.STUCK)])
    chosen = [one for one in reversed(waiting) if one.id >= oldest]
    failures = [failure for one in chosen for failure in run_steps(one.change.undo)]
    if failures:
        for one in chosen:
            _note_failure(journal, one, "; ".join((reason, *failures)))
        raise RollbackError(change, failures)
    return tuple(
        journal.end(one, State.ROLLED_BACK, "; ".join(filter(None, (reason, _reconnect(one)))))
        for one in chosen
    )


def _note_failure(journal: Journal, record: Record, note: str) -> None:
    """Write down that a change is being taken back; once is enough for the same failure."""
    stuck = replace(record, state=State.STUCK, note=note)
    if stuck != record:
        journal.save(stuck)


def _reconnect(record: Record) -> str:
    """Set the connections right; return what went wrong, which is no reason to try again."""
    try:
        restore_connections(record.change.flows)
    except (OSError, subprocess.SubprocessError) as error:
        return f"connections: {error}"
    return ""


def run_steps(steps: Sequence[Step]) -> list[str]:
    """Run all steps; those that fail again as long as that helps. Return what still fails."""
    failing, failures = list(steps), [""] * (len(steps) + 1)
    while 0 < len(failing) < len(failures):
        outcomes = [(step, _failure_of(step)) for step in failing]
        failing = [step for step, failure in outcomes if failure]
        failures = [failure for _, failure in outcomes]
    return [failure for failure in failures if failure] if failing else []


def _failure_of(step: Step) -> str:
    """Run a command; return the empty text when it did what it should."""
    try:
        done = subprocess.run(
            step.argv,
            input=step.stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=_STEP_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{step.argv[0]}: {error}"
    return done.stderr.strip() or f"status {done.returncode}" if done.returncode else ""
