"""The two watchers of a change: they take it back at its deadline, whatever became of its author.

Each of them sees the other die, and forks another. They are forks of the caller and run no file,
so that they also work when the program that started them is gone from the disk.
"""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from portlight.guest.guard.clock import boottime
from portlight.guest.guard.journal import ChangeId, Journal, State

LOOK_SECONDS: Final = 0.4
"""How often a watcher looks whether the change was confirmed, and at the clock: a timeout of
poll(2) stands still while the machine sleeps, the deadline does not."""
_ATTEMPTS: Final = 25
_DEAF_TO: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE)
_CGROUP_ROOTS: Final = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")

RollBack = Callable[[], None]


class WatchError(RuntimeError):
    """No watcher could be started; so nothing may be changed."""

    def __init__(self) -> None:
        super().__init__("the confirm timer could not be started; nothing was changed")


def watch_lock(journal: Journal, change: ChangeId) -> Path:
    """Return the file that every watcher of a change holds open."""
    return journal.path(change).with_suffix(".watch")


def start_watchers(journal: Journal, change: ChangeId, roll_back: RollBack) -> None:
    """Start both watchers of a change; return when both stand."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _become_first(journal, change, roll_back, tell)
    os.close(tell)
    os.waitpid(child, 0)
    with os.fdopen(told, "rb") as answers:
        if answers.read() != b"ok":
            raise WatchError


def _become_first(journal: Journal, change: ChangeId, roll_back: RollBack, tell: int) -> NoReturn:
    """Become a daemon: no terminal, no parent, no session that could be ended with the caller."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _let_go(tell)
        _leave_cgroup()
        second = _fork_other(journal, change, roll_back, tell)
        os.write(tell, b"ok")
        os.close(tell)
        _stand(journal, change, roll_back, second)
    finally:
        os._exit(1)


def _fork_other(journal: Journal, change: ChangeId, roll_back: RollBack, *drop: int) -> int:
    """Fork the other watcher, in a session of its own; return a descriptor that sees it die."""
    me = os.getpid()
    child = os.fork()
    if child:
        return os.pidfd_open(child)
    try:
        for descriptor in drop:
            os.close(descriptor)
        os.setsid()
        _stand(journal, change, roll_back, _descriptor_of_parent(me))
    finally:
        os._exit(1)


def _descriptor_of_parent(parent: int) -> int | None:
    """Return a descriptor that sees the parent die; None when it is dead by now."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(parent)
        if os.getppid() == parent:
            return descriptor
        os.close(descriptor)
    return None


def _stand(journal: Journal, change: ChangeId, roll_back: RollBack, other: int | None) -> None:
    """Wait for the deadline, the confirmation or the other's death; return when all is done."""
    lock = watch_lock(journal, change).open("ab")
    with lock:
        record = journal.load(change)
        seen = _version(journal, change)
        while record.state is State.PENDING:
            left = record.deadline - boottime()
            if left <= 0:
                _insist(roll_back)
                return
            if _wait_for_death(other, min(left, LOOK_SECONDS)):
                _close(other)
                other = _fork_other(journal, change, roll_back)
            if (now := _version(journal, change)) != seen:
                seen, record = now, journal.load(change)


def _wait_for_death(other: int | None, seconds: float) -> bool:
    """Wait at most so long; say whether the other watcher is dead."""
    if other is None:
        return True
    if not select.select([other], [], [], seconds)[0]:
        return False
    with suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, other, os.WEXITED | os.WNOHANG)
    return True


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _insist(roll_back: RollBack) -> None:
    """Roll back; a full disk or a lock that is held for a moment is no reason to give up."""
    for _ in range(_ATTEMPTS):
        try:
            roll_back()
        except Exception:  # noqa: BLE001 -- there is nobody left who could be told
            select.select([], [], [], LOOK_SECONDS)
        else:
            return


def _version(journal: Journal, change: ChangeId) -> tuple[int, int]:
    status = journal.path(change).stat()
    return status.st_ino, status.st_mtime_ns


def _let_go(keep: int) -> None:
    """Let go of everything that belongs to the caller: descriptors, folder, signals."""
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    highest = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, keep)
    os.closerange(keep + 1, min(highest, 65536))
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)


def _leave_cgroup() -> None:
    """Leave the caller's control group: ending a session ends all that is in its group."""
    for root in _CGROUP_ROOTS:
        with suppress(OSError):
            (Path(root) / "cgroup.procs").write_text(str(os.getpid()))
