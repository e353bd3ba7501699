"""The confirm timer: a change that nobody confirms in time is taken back.

It is written down before the first packet is affected. Changes of one kind stand on each other:
taking one back takes back what came after it; confirming one confirms what came before.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portlight.guest.guard.author import current_author
from portlight.guest.guard.clock import boot_mark, boottime, wall_clock
from portlight.guest.guard.journal import (
    Change,
    ChangeId,
    Journal,
    KeptFile,
    Kind,
    Record,
    State,
)
from portlight.guest.guard.rollback import ChangeError, RollbackError, roll_back, run_steps
from portlight.guest.guard.watch import start_watchers

DEFAULT_SECONDS: Final = 60.0


class StandsOnError(ChangeError):
    """A change may not be confirmed alone: it was judged on top of one that may go."""

    def __init__(self, change: ChangeId, below: Record) -> None:
        super().__init__(
            f"change {change} is not confirmed: it stands on change {below.id}"
            f" ({below.change.kind}, {below.change.summary}), which waits for its own confirmation"
        )
        self.below = below


@dataclass(slots=True, kw_only=True)
class Begun:
    """A change that is written down and being applied."""

    id: ChangeId
    after: str = ""
    files: tuple[KeptFile, ...] = ()

    def settle(self, *, after: str, files: tuple[KeptFile, ...] = ()) -> None:
        """Add what is known only once it is applied; no files: those of the change."""
        self.after, self.files = after, files


@contextmanager
def applying(
    prepare: Callable[[], Change],
    seconds: float = DEFAULT_SECONDS,
    *,
    folder: Path | None = None,
) -> Iterator[Begun]:
    """Write a change down and start its timer; the caller applies it meanwhile.

    All of it under one lock: what `prepare` reads is what the change is applied to, and the timer
    waits for a slow server. Whatever fails is taken back; whoever is killed in here lets go.
    """
    journal = Journal(folder)
    with journal.locked():
        change = prepare()
        _check_firm(journal, change.kind)
        record = _write_down(journal, change, seconds)
        begun = Begun(id=record.id)
        try:
            yield begun
            _settle(journal, record, begun)
        except BaseException as error:
            try:
                roll_back(journal, record.id, "it could not be applied")
            except RollbackError as failure:
                raise ChangeError(f"{error}\n{failure}") from error
            raise


def confirm(
    change: ChangeId, *, alone: bool = False, folder: Path | None = None
) -> tuple[Record, ...]:
    """Keep a change and those it stands on; return them. Their files are written.

    `alone`: StandsOnError when any other change, of whatever kind, waited before this one.
    """
    journal = Journal(folder)
    with journal.locked():
        record = _load(journal, change)
        _check_pending(record)
        waiting = [one for one in journal.pending() if one.id <= change]
        if alone and waiting[0].id != change:
            raise StandsOnError(change, waiting[0])
        chosen = [one for one in waiting if one.change.kind == record.change.kind]
        for one in chosen:
            _check_pending(one)
            _check_applied(one)
        for one in chosen:
            journal.save(replace(one, state=State.CONFIRMING, ended_at=wall_clock()))
        return tuple(_finish(journal, _load(journal, one.id)) for one in chosen)


def rollback(
    change: ChangeId, reason: str = "asked for", *, folder: Path | None = None
) -> tuple[Record, ...]:
    """Take a change back and those that stand on it, the newest first; return them."""
    journal = Journal(folder)
    with journal.locked():
        record = _load(journal, change)
        if not record.waits:
            _check_pending(record)
        return roll_back(journal, change, reason)


def pending(kind: Kind | None = None, *, folder: Path | None = None) -> tuple[Record, ...]:
    """Return the changes that wait, for a confirmation or to be taken back, the oldest first."""
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
                touched.append(journal.end(record, State.ROLLED_BACK, "the server restarted"))
            else:
                _watch_again(journal, record.id)
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


def _write_down(journal: Journal, change: Change, seconds: float) -> Record:
    """Put a change into the journal and start its timer."""
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
    try:
        _watch(journal, record.id)
    except BaseException:
        journal.end(record, State.ROLLED_BACK, "no watcher could be started; it was not applied")
        raise
    return record


def _settle(journal: Journal, record: Record, begun: Begun) -> None:
    """Write down that a change is applied, and what was made of it."""
    known = replace(record.change, after=begun.after, files=begun.files or record.change.files)
    journal.save(replace(record, change=known, is_applied=True))


def _watch(journal: Journal, change: ChangeId) -> None:
    def expire() -> None:
        if not journal.path(change).exists():
            return  # somebody threw the whole journal away, and the way back with it
        with journal.locked():
            if _load(journal, change).waits:
                roll_back(journal, change, "not confirmed in time")

    start_watchers(journal, change, expire)


def _watch_again(journal: Journal, change: ChangeId) -> None:
    """Start the watchers of a change that lost them; without any it is over."""
    try:
        _watch(journal, change)
    except BaseException:
        roll_back(journal, change, "no watcher could be started")
        raise


def _finish(journal: Journal, record: Record) -> Record:
    """Write the files of a confirmed change; only then is it confirmed for good."""
    for file in record.change.files:
        file.write()
    failures = run_steps(record.change.then)
    return journal.end(record, State.CONFIRMED, "; ".join(("confirmed", *failures)))


def _is_lost(journal: Journal, record: Record) -> bool:
    return record.state is State.CONFIRMING or not is_watched(journal, record)


def _load(journal: Journal, change: ChangeId) -> Record:
    try:
        return journal.load(change)
    except KeyError:
        raise ChangeError(f"there is no change {change}; `history` lists them") from None


def _check_pending(record: Record) -> None:
    if record.state is not State.PENDING:
        when = f" at {record.ended_at}" if record.ended_at else ""
        why = f" ({record.note})" if record.note else ""
        raise ChangeError(f"change {record.id} is {record.state} already{when}{why}")


def _check_applied(record: Record) -> None:
    """Refuse to keep what nobody has seen applied: its files may not be what the kernel has."""
    if not record.is_applied:
        raise ChangeError(
            f"change {record.id} was interrupted while it was applied, and nobody knows how far:"
            " roll it back, and make it again"
        )


def _check_firm(journal: Journal, kind: Kind) -> None:
    """Refuse to build on a change that is being taken back: the next try would take both."""
    for one in journal.pending(kind):
        if one.state is State.STUCK:
            raise ChangeError(
                f"nothing was changed: change {one.id} is being taken back ({one.note})"
            )
