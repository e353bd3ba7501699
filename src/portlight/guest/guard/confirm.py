"""The confirm timer: a change that nobody confirms in time is taken back.

`begin` comes before the first packet is affected. Changes of one kind stand on each other: taking
one back takes back what came after it, the newest first; confirming one confirms what came before.
"""

import fcntl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from portlight.guest.guard.author import current_author
from portlight.guest.guard.clock import boot_mark, boottime, wall_clock
from portlight.guest.guard.connections import restore_connections
from portlight.guest.guard.journal import (
    Change,
    ChangeId,
    Journal,
    KeptFile,
    Kind,
    Record,
    State,
    Step,
    write_durably,
)
from portlight.guest.guard.watch import start_watchers

DEFAULT_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 30.0
_ROUNDS: Final = 3


class ChangeError(Exception):
    """A change cannot be confirmed or taken back; the text says why."""


def begin(
    change: Change, seconds: float = DEFAULT_SECONDS, *, folder: Path | None = None
) -> ChangeId:
    """Write a change down and start its timer; apply it only after this has returned."""
    journal = Journal(folder)
    with journal.locked():
        record = Record(
            id=journal.next_id(),
            change=change,
            state=State.PENDING,
            author=current_author(),
            at=wall_clock(),
            seconds=seconds,
            deadline=boottime() + seconds,
            boot=boot_mark(),
        )
        journal.save(record)
    _watch(journal, record.id)
    return record.id


@contextmanager
def applying(change: ChangeId, *, folder: Path | None = None) -> Iterator[None]:
    """Hold the timer off while the change is applied; refuse when it has run out before.

    Otherwise a slow server could be changed after it was rolled back, and stay so. Whoever is
    killed in here lets go of the timer.
    """
    journal = Journal(folder)
    with journal.locked():
        _check_pending(_load(journal, change))
        yield


def amend(
    change: ChangeId,
    *,
    after: str,
    files: Sequence[KeptFile] = (),
    folder: Path | None = None,
) -> None:
    """Add to a pending change what is known only once it is applied."""
    journal = Journal(folder)
    with journal.locked():
        record = _load(journal, change)
        known = replace(record.change, after=after, files=tuple(files) or record.change.files)
        if record.state is State.PENDING:
            journal.save(replace(record, change=known))


def confirm(change: ChangeId, *, folder: Path | None = None) -> tuple[Record, ...]:
    """Keep a change and those it stands on; return them. Their files are written."""
    journal = Journal(folder)
    with journal.locked():
        record = _load(journal, change)
        _check_pending(record)
        chosen = [one for one in journal.pending(record.change.kind) if one.id <= change]
        for one in chosen:
            journal.save(replace(one, state=State.CONFIRMING, ended_at=wall_clock()))
        return tuple(_finish(journal, _load(journal, one.id)) for one in chosen)


def rollback(
    change: ChangeId, reason: str = "asked for", *, folder: Path | None = None
) -> tuple[Record, ...]:
    """Take a change back and those that stand on it, the newest first; return them."""
    journal = Journal(folder)
    with journal.locked():
        _check_pending(_load(journal, change))
        return tuple(_roll_back(journal, change, reason))


def pending(kind: Kind | None = None, *, folder: Path | None = None) -> tuple[Record, ...]:
    """Return the changes that wait for a confirmation, the oldest first."""
    return tuple(Journal(folder).pending(kind))


def rearm(*, folder: Path | None = None) -> tuple[Record, ...]:
    """Set right what lost its watchers; return the changes that were touched.

    A change from before a restart is gone from the kernel; one that was confirmed gets its files;
    one whose watchers were both killed at once gets new ones, or is taken back when it is due.
    """
    journal = Journal(folder)
    if not journal.unended():
        return ()
    touched = []
    with journal.locked():
        lost = [one for one in journal.unended() if _is_lost(journal, one)]
        for record in lost:
            if record.state is State.CONFIRMING:
                touched.append(_finish(journal, record))
            elif record.boot != boot_mark():
                touched.append(_end(journal, record, State.ROLLED_BACK, "the server restarted"))
    for record in lost:
        if record.state is State.PENDING and record.boot == boot_mark():
            _watch(journal, record.id)
            touched.append(record)
    return tuple(touched)


def remaining(record: Record) -> float:
    """Return how many seconds a pending change still has."""
    return max(0.0, record.deadline - boottime())


def is_watched(journal: Journal, record: Record) -> bool:
    """Whether a watcher of this change lives."""
    try:
        with journal.mark(record.id).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _watch(journal: Journal, change: ChangeId) -> None:
    """Start the watchers; a change without them is over before it began."""

    def expire() -> None:
        with journal.locked():
            if _load(journal, change).state is State.PENDING:
                list(_roll_back(journal, change, "not confirmed in time"))

    try:
        start_watchers(journal, change, expire)
    except BaseException:
        with journal.locked():
            list(_roll_back(journal, change, "no watcher could be started"))
        raise


def _roll_back(journal: Journal, change: ChangeId, reason: str) -> Iterator[Record]:
    kind = _load(journal, change).change.kind
    chosen = [one for one in journal.pending(kind) if one.id >= change]
    for one in reversed(chosen):
        failures = _run(one.change.undo)
        try:
            restore_connections(one.change.flows)
        except (OSError, subprocess.SubprocessError) as error:
            failures.append(f"connections: {error}")
        state = State.STUCK if failures else State.ROLLED_BACK
        yield _end(journal, one, state, "; ".join((reason, *failures)))


def _run(steps: Sequence[Step]) -> list[str]:
    """Run all steps, again those that fail; return what fails for good."""
    failing = list(steps)
    failures: list[str] = []
    for _ in range(_ROUNDS):
        outcomes = [(step, _failure_of(step)) for step in failing]
        failing = [step for step, failure in outcomes if failure]
        failures = [failure for _, failure in outcomes if failure]
    return failures


def _failure_of(step: Step) -> str:
    """Run a command; return the empty text when it did what it should."""
    try:
        done = subprocess.run(
            step.argv,
            input=step.stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_STEP_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{step.argv[0]}: {error}"
    return done.stderr.strip() or f"status {done.returncode}" if done.returncode else ""


def _end(journal: Journal, record: Record, state: State, note: str) -> Record:
    ended = replace(record, state=state, note=note, ended_at=wall_clock())
    journal.save(ended)
    return ended


def _finish(journal: Journal, record: Record) -> Record:
    """Write the files of a confirmed change; only then is it confirmed for good."""
    for file in record.change.files:
        write_durably(Path(file.path), file.text)
    failures = _run(record.change.then)
    return _end(journal, record, State.CONFIRMED, "; ".join(("confirmed", *failures)))


def _is_lost(journal: Journal, record: Record) -> bool:
    if record.state is State.CONFIRMING:
        return True
    return record.state is State.PENDING and not is_watched(journal, record)


def _load(journal: Journal, change: ChangeId) -> Record:
    try:
        return journal.load(change)
    except KeyError:
        raise ChangeError(f"there is no change {change}; `history` lists them") from None


def _check_pending(record: Record) -> None:
    if record.state is not State.PENDING:
        when = f" at {record.ended_at} ({record.note})" if record.ended_at else ""
        raise ChangeError(f"change {record.id} is {record.state} already{when}")
