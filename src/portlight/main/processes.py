"""Start and end our own two processes; they are known again by process id and start time."""

import os
import select
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from portlight.dataplane.processes import ProcessMark, mark_of, read_mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One of our processes: how it is started, and where its pid and log are."""

    name: str
    arguments: tuple[str, ...]
    pid_file: Path
    log_file: Path

    @property
    def running(self) -> ProcessMark | None:
        """The process, if the very one in the pid file still runs."""
        return read_mark(self.pid_file)


def start(service: Service) -> None:
    """Start the process in a session of its own, its output in the log file."""
    service.log_file.parent.mkdir(parents=True, exist_ok=True)
    service.pid_file.parent.mkdir(parents=True, exist_ok=True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "portlight.main.entry", *service.arguments],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(service.log_file), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    mark = mark_of(pid)
    fresh = service.pid_file.with_suffix(".new")
    fresh.write_text(f"{pid} {mark.started if mark else 0}\n")
    fresh.replace(service.pid_file)


def end(service: Service, *, seconds: float) -> bool:
    """End the process: ask, and after `seconds` kill. Return whether there was one."""
    mark = service.running
    if mark is not None:
        _end_process(mark.pid, seconds)
    service.pid_file.unlink(missing_ok=True)
    return mark is not None


def _end_process(pid: int, seconds: float) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for one in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(descriptor, one)
            if select.select([descriptor], [], [], seconds)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
