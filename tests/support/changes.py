"""Changes of a guest whose effect is a file, begun by a process that ends at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from portlight.guest.guard.journal import ChangeId, Journal

_BEGIN = """
import os
import signal
import sys
from pathlib import Path
from portlight.guest.guard.confirm import applying
from portlight.guest.guard.journal import Change, KeptFile, Step
target, kept, kind, seconds, needs, dies = Path(sys.argv[1]), *sys.argv[2:]
before = target.read_text()
change = Change(
    kind=kind,
    summary="write a file",
    undo=(Step(argv=("sh", "-c", 'test -e "$1" && tee "$0"', str(target), needs), stdin=before),),
    files=(KeptFile(path=kept, text=before + "x"),),
)
with applying(lambda: change, float(seconds)) as begun:
    target.write_text(before + "x")
    print(begun.id, flush=True)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    begun.settle(after=target.read_text())
"""


class Bench:
    """A state folder, and a file that grows by one letter with each change."""

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        self.folder = folder / "state"
        self.target = folder / "target"
        self.kept = folder / "kept"
        self.target.write_text("")
        self.journal = Journal(self.folder)
        self._variables = dict(variables or {})

    def begin(
        self,
        seconds: float,
        kind: str = "firewall",
        *,
        needs: Path = Path("/"),
        dies: bool = False,
    ) -> ChangeId:
        """Begin and apply a change in a process that is gone when this returns.

        Taking it back fails while the file that it `needs` is missing; a process that `dies` is
        killed once the change is applied.
        """
        words = (self.target, self.kept, kind, str(seconds), needs, "dies" if dies else "")
        done = subprocess.run(
            [sys.executable, "-c", _BEGIN, *words],
            env={**os.environ, **self._variables, "PORTLIGHT_GUEST_STATE": str(self.folder)},
            start_new_session=True,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (-signal.SIGKILL if dies else 0), done.stderr
        return ChangeId(int(done.stdout))

    def watchers(self, change: ChangeId) -> set[int]:
        """Return the processes that guard a change."""
        return holders(self.journal.mark(change))

    def kill(self, watcher: int) -> None:
        os.kill(watcher, signal.SIGKILL)


def holders(file: Path) -> set[int]:
    """Return the processes that have a file open."""
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if descriptor.readlink() == file:
                found.add(int(descriptor.parts[2]))
        except OSError:  # the process or the descriptor ended while we looked
            continue
    return found
