"""The two watchers of a change: they take it back at its deadline, whatever became of its author.

Each of them sees the other die, and forks another. They are forks of the caller and run no file,
so that they also work when the program that started them is gone from the disk.
"""

import fcntl
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from portlight.guest.guard.clock import boottime
from portlight.guest.guard.daemon import DaemonError, start_daemon
from portlight.guest.guard.journal import ChangeId, Journal, Record, State

LOOK_SECONDS: Final = 0.4
"""How often a watcher looks whether the change was confirmed, and at the clock: a timeout of
poll(2) stands still while the machine sleeps, the deadline does not."""
_LONGEST_PAUSE_SECONDS: Final = 5.0
_DEAF_TO: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE)

_INIT: Final = Path("/proc/1/comm")
_ENDING: Final = "systemd-shutdow"
"""What systemd's init becomes when all services have ended; a name has 15 letters (proc(5))."""

RollBack = Callable[[], None]


class WatchError(RuntimeError):
    """No watcher could be started; so nothing may be changed."""

    def __init__(self) -> None:
        super().__init__("the confirm timer could not be started; nothing was changed")


def start_watchers(journal: Journal, change: ChangeId, roll_back: RollBack) -> None:
    """Start both watchers of a change; return when both stand."""

    def stand(ready: Callable[[], None]) -> None:
        for number in _DEAF_TO:
            signal.signal(number, signal.SIG_IGN)
        # The lock falls when the last watcher is gone: each holds it from its fork on.
        with journal.mark(change).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            second = _fork_other(journal, change, roll_back)
            ready()
            _stand(journal, change, roll_back, second)

    try:
        start_daemon(stand)
    except DaemonError as error:
        raise WatchError from error


def _fork_other(journal: Journal, change: ChangeId, roll_back: RollBack) -> int:
    """Fork the other watcher, in a session of its own; return a descriptor that sees it die."""
    me = os.getpid()
    child = os.fork()
    if child:
        return os.pidfd_open(child)
    try:
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
    record, seen = journal.load(change), _version(journal, change)
    while record.waits:
        left = _left(record)
        if left <= 0:
            _insist(roll_back)
            return
        is_alone = _wait_for_death(other, min(left, LOOK_SECONDS))
        if _server_goes_down():
            return
        if is_alone:
            _close(other)
            other = _fork_other(journal, change, roll_back)
        if (now := _version(journal, change)) != seen:
            record, seen = journal.load(change), now


def _left(record: Record) -> float:
    """Return how many seconds may pass; none when somebody tried to take it back and could not."""
    return 0 if record.state is State.STUCK else record.deadline - boottime()


def _wait_for_death(other: int | None, seconds: float) -> bool:
    """Wait at most so long; say whether the other watcher is dead."""
    if other is None:
        return True
    if not select.select([other], [], [], seconds)[0]:
        return False
    with suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, other, os.WEXITED | os.WNOHANG)
    return True


def _server_goes_down() -> bool:
    """Whether this is the end of all processes: what is applied is lost with the kernel.

    Deaf as we are, we would hold up a reboot for the 90 seconds after which systemd kills.
    """
    return _INIT.read_text().strip() == _ENDING


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _insist(roll_back: RollBack) -> None:
    """Roll back, for as long as it takes: nobody else is left who would."""
    pause = LOOK_SECONDS
    while not _server_goes_down():
        try:
            roll_back()
        except Exception:  # noqa: BLE001 -- there is nobody left who could be told
            select.select([], [], [], pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        else:
            return


def _version(journal: Journal, change: ChangeId) -> tuple[int, int]:
    status = journal.path(change).stat()
    return status.st_ino, status.st_mtime_ns
