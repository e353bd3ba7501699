"""SSHGUARD's own programs, one reading what the other writes: log, parser, blocker.

The blocker can be replaced while the others go on: it forgets what it blocked, which is the only
way to make it look at an address again whose ban a person has lifted.
"""

import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FOLDERS: Final = ("/usr/libexec/sshguard", "/usr/lib/sshguard", "/usr/local/libexec/sshguard")
_READ_BYTES: Final = 65_536

Program = subprocess.Popen[bytes]


class SshguardError(Exception):
    """SSHGUARD cannot be started; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When SSHGUARD bans (sshguard(8)); most attacks have a score of 10."""

    threshold: int = 30
    block_seconds: int = 120
    detection_seconds: int = 1800


def programs_folder() -> Path:
    """Return where SSHGUARD's programs are."""
    found = next((Path(path) for path in _FOLDERS if (Path(path) / "sshg-blocker").exists()), None)
    if found is None:
        raise SshguardError("SSHGUARD is not installed; on Debian: apt-get install sshguard")
    return found


class Pipeline:
    """The three programs at work."""

    def __init__(self, folder: Path, log: Path, policy: Policy) -> None:
        self._blocker_command = (
            *(str(folder / "sshg-blocker"), "-a", str(policy.threshold)),
            *("-p", str(policy.block_seconds), "-s", str(policy.detection_seconds)),
        )
        # Not sshg-logtail: that passes the name of the log through a shell.
        self._log = _start(("tail", "-F", "-n", "0", str(log)), None)
        self._parser = _start((str(folder / "sshg-parser"),), self._log)
        self._blocker = _start(self._blocker_command, self._parser)
        self._rests: dict[int, bytes] = {}

    def replace_blocker(self) -> None:
        """Start another blocker; lines that come meanwhile wait for it."""
        self._blocker.terminate()
        self._blocker.communicate()
        self._blocker = _start(self._blocker_command, self._parser)
        self._rests = {}

    def lines(self, seconds: float) -> Iterator[str] | None:
        """Return what the blocker says within a time; None when it has ended."""
        # Reasons come before the command they belong to: in this order they are read.
        order = [one.fileno() for one in (self._blocker.stderr, self._blocker.stdout) if one]
        waiting = select.select(order, [], [], seconds)[0]
        said: list[str] = []
        for descriptor in [one for one in order if one in waiting]:
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                return None
            *lines, rest = (self._rests.get(descriptor, b"") + data).split(b"\n")
            self._rests[descriptor] = rest
            said.extend(line.decode(errors="replace") for line in lines)
        return iter(said)

    def end(self) -> None:
        """End all three."""
        for program in (self._log, self._parser, self._blocker):
            program.terminate()


def _start(command: tuple[str, ...], source: Program | None) -> Program:
    """Start a program that ends with us, also when we are killed."""
    tie = ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()
    return subprocess.Popen(
        (*tie, *command),
        stdin=source.stdout if source else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # With this variable the blocker tells its reasons there.
        stderr=subprocess.PIPE if "sshg-blocker" in command[0] else subprocess.DEVNULL,
        env={**os.environ, "SSHGUARD_DEBUG": "1", "LANG": "C"},
    )
