"""Processes that outlive the agent: knowing one again by its id and start time."""

import fcntl
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_STATE_FIELD = 2
_START_FIELD = 21
_POLL_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process id with its start time, which together never come again while the machine is up."""

    pid: int
    started: int
    """Clock ticks after the start of the machine (proc(5), stat, field 22)."""

    @property
    def alive(self) -> bool:
        """Whether this very process is still there, and no zombie."""
        return mark_of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        if self.alive:
            os.kill(self.pid, number)


def mark_of(pid: int) -> ProcessMark | None:
    """Return the mark of a living process; None when there is none."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything, so fields count from the last parenthesis.
    fields = [str(pid), "", *raw[raw.rindex(")") + 2 :].split()]
    if fields[_STATE_FIELD] in ("Z", "X"):
        return None
    return ProcessMark(pid, int(fields[_START_FIELD]))


def read_mark(path: Path) -> ProcessMark | None:
    """Return the process named by a file `<pid> <start time>`; None unless it lives."""
    try:
        pid, started = path.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    mark = ProcessMark(int(pid), int(started))
    return mark if mark.alive else None


def write_mark(path: Path) -> None:
    """Write down this very process, so that `read_mark` finds it."""
    mark = mark_of(os.getpid())
    if mark is not None:
        new = path.with_suffix(".new")
        new.write_text(f"{mark.pid} {mark.started}\n")
        new.replace(path)


def kill_and_wait(mark: ProcessMark, *, seconds: float = 5) -> None:
    """End a process for good; raise TimeoutError when it is still there afterwards."""
    mark.signal(signal.SIGKILL)
    deadline = time.monotonic() + seconds
    while mark.alive:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {mark.pid} does not end")
        time.sleep(_POLL_SECONDS)


def hold_lock(path: Path) -> int:
    """Take a lock that ends with this process; raise BlockingIOError when another one holds it.

    The descriptor must be kept; programs that we start do not inherit it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def wait_for_lock(path: Path) -> int:
    """Take a lock as soon as no other process has it; closing the descriptor ends it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor
