"""Processes that go on after their caller: no terminal, no parent, no session, no control group.

They are forks and run no file, so that they also work when the program that started them is gone
from the disk. What they need must be imported before.
"""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

_CGROUP_ROOTS: Final = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")
_MOST_DESCRIPTORS: Final = 65_536
_START_SECONDS: Final = 20.0

Body = Callable[[Callable[[], None]], None]
"""What a daemon does; it calls its argument once it stands."""


class DaemonError(RuntimeError):
    """The process ended before it stood."""


def start_daemon(body: Body) -> None:
    """Start a process that goes on by itself; return when it says that it stands."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _become(body, tell)
    os.close(tell)
    os.waitpid(child, 0)
    # Not until its end: what the daemon forks before it stands holds the other end as well.
    stands = bool(select.select([told], [], [], _START_SECONDS)[0]) and os.read(told, 2) == b"ok"
    os.close(told)
    if not stands:
        raise DaemonError


def _become(body: Body, tell: int) -> NoReturn:
    def ready() -> None:
        os.write(tell, b"ok")
        os.close(tell)

    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _let_go(tell)
        _leave_cgroup()
        body(ready)
        os._exit(0)
    finally:
        os._exit(1)


def _let_go(keep: int) -> None:
    """Let go of the caller's folder and of all descriptors but one."""
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.closerange(3, keep)
    os.closerange(keep + 1, min(os.sysconf("SC_OPEN_MAX"), _MOST_DESCRIPTORS))


def _leave_cgroup() -> None:
    """Leave the caller's control group: ending a session ends all that is in its group."""
    for root in _CGROUP_ROOTS:
        with suppress(OSError):
            (Path(root) / "cgroup.procs").write_text(str(os.getpid()))
