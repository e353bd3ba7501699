"""Stays for as long as the server runs, and puts routes right after each change of them."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import IO, Final

from portlight.guest.routes.policy import PROTOCOL
from portlight.guest.routes.values import RoutesError

_MONITOR: Final = ("ip", "-N", "-oneline", "monitor", "link", "address", "route", "rule")
_SETTLE_SECONDS: Final = 0.1
"""So long nothing must happen: a lease is an address and several routes."""
_BURST_SECONDS: Final = 2.0
"""The longest burst that is waited for: a routing daemon may never be silent."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds until the next attempt at what failed, if nothing changes; doubled each time."""
_MOST_BYTES: Final = 65_536


class Then(Enum):
    """What comes after an attempt to put things right."""

    CHANGE = auto()
    """All is right until something changes."""
    SOON = auto()
    """Something is left to do."""
    END = auto()
    """Nothing is to be followed any more."""


class MonitorError(RoutesError):
    """The kernel's changes are not heard any more."""

    def __init__(self) -> None:
        super().__init__("`ip monitor` ended; changes are not followed")


def follow(catch_up: Callable[[], Then]) -> None:
    """Call `catch_up` at once and after each change; return when it says that this is the end.

    What fails is said and tried again. Raise MonitorError when the changes are not heard.
    """
    # Whoever ends this process ends the monitor too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with subprocess.Popen(_MONITOR, stdout=subprocess.PIPE, bufsize=0) as monitor:
        if monitor.stdout is None:
            raise MonitorError
        try:
            _follow(monitor.stdout, catch_up)
        finally:
            monitor.terminate()


def _follow(changes: IO[bytes], catch_up: Callable[[], Then]) -> None:
    attempt = _Attempt(catch_up)
    pause: float | None = _FIRST_PAUSE
    then = attempt()
    # The monitor may have missed what came before it listened: there is always a second look.
    while then is not Then.END:
        changed = _wait(changes, pause)
        then = attempt()
        if then is Then.CHANGE:
            pause = None
        else:
            pause = _FIRST_PAUSE if changed or pause is None else min(2 * pause, _LONGEST_PAUSE)


class _Attempt:
    """Catches up; what fails is said once, not with every attempt."""

    def __init__(self, catch_up: Callable[[], Then]) -> None:
        self._catch_up = catch_up
        self._said = ""

    def __call__(self) -> Then:
        try:
            then = self._catch_up()
        except (RoutesError, OSError, subprocess.SubprocessError) as error:
            if str(error) != self._said:
                print(f"portlight-guest: {error}", file=sys.stderr, flush=True)
            self._said = str(error)
            return Then.SOON
        self._said = ""
        return then


def _wait(changes: IO[bytes], seconds: float | None) -> bool:
    """Wait for a burst of changes that are not our own, at most so long; say whether it came."""
    while select.select([changes], [], [], seconds)[0]:
        if not _is_foreign(_read(changes)):
            continue
        end = time.monotonic() + _BURST_SECONDS
        while time.monotonic() < end and select.select([changes], [], [], _SETTLE_SECONDS)[0]:
            _read(changes)
        return True
    return False


def _read(changes: IO[bytes]) -> str:
    said = os.read(changes.fileno(), _MOST_BYTES)
    if not said:
        raise MonitorError
    return said.decode(errors="replace")


def _is_foreign(text: str) -> bool:
    """Whether any of these lines is a change that we did not make, or takes away what we made."""
    return any(
        f"proto {PROTOCOL} " not in f"{line} " or line.startswith("Deleted")
        for line in text.splitlines()
    )
