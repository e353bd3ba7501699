"""Policy routing that follows what DHCP and routers change, for as long as the server runs."""

import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from portlight.guest.routes.policy import PROTOCOL, Policy, policy_commands, present_policy
from portlight.guest.routes.remedies import plan_remedies
from portlight.guest.routes.snapshot import ToolError, read_snapshot, run_tool
from portlight.guest.routes.values import Command, Snapshot

_MONITOR: Final = ("ip", "-N", "-oneline", "monitor", "link", "address", "route")
_SETTLE_SECONDS: Final = 0.1
"""So long nothing must happen: a lease is an address and several routes."""
_ATTEMPTS: Final = 3


def switch_policy(*, on: bool) -> None:
    """Bring tables and rules to what they should be, or remove them all."""
    for attempt in range(_ATTEMPTS):
        try:
            for command in switching(read_snapshot(), on=on):
                run_tool(*command)
        except ToolError:
            # An interface or address went between looking and doing: look again.
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def switching(snapshot: Snapshot, *, on: bool) -> tuple[Command, ...]:
    """Return the commands that switch policy routing on or off."""
    if on:
        return plan_remedies(snapshot, ("policy-routing",)).apply
    return tuple(policy_commands(present_policy(snapshot), Policy()))


def follow() -> None:
    """Keep policy routing up to date until this process ends."""
    # Whoever ends this process ends the monitor too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with subprocess.Popen(_MONITOR, stdout=subprocess.PIPE, text=True) as monitor:
        try:
            # The monitor may have missed what came before it listened.
            _catch_up()
            for _ in _pauses(monitor):
                _catch_up()
        finally:
            monitor.terminate()


def _catch_up() -> None:
    """Bring policy routing up to date; what fails is said, and tried at the next change."""
    try:
        switch_policy(on=True)
    except ToolError as error:
        print(f"portlight-guest: {error}", file=sys.stderr, flush=True)


def _pauses(monitor: subprocess.Popen[str]) -> Iterator[None]:
    """Yield once after each burst of changes that are not our own."""
    if monitor.stdout is None:
        return
    for line in monitor.stdout:
        if f"proto {PROTOCOL} " in line:
            continue
        while select.select([monitor.stdout], [], [], _SETTLE_SECONDS)[0]:
            if not monitor.stdout.readline():
                return
        yield
