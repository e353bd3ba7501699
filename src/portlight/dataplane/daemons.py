"""Servers of ours in namespaces: they outlive the agent, and a fresh one knows them again.

A server is known by its pid file and by a command line that names its configuration.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portlight.dataplane.namespaces import namespace_inode, namespace_path, run_tool
from portlight.dataplane.processes import ProcessMark, kill_and_wait, mark_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One server: a program with a folder of its own, which has `pid` and its configuration."""

    program: str
    option: str
    """How the configuration is named on the command line: `--config=`."""
    config: Path

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.config.parent

    def process(self) -> ProcessMark | None:
        """Return the server that its pid file names, if it is really that server."""
        try:
            pid = int((self.folder / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return mark_of(pid) if self._is(pid) else None

    def runs_in(self, inode: int | None) -> bool:
        """Whether it runs, in the namespace with this number."""
        process = self.process()
        return process is not None and namespace_of(process) == inode

    def start(self, namespace: str, *options: str) -> None:
        """Run the program in a namespace; it must detach itself."""
        run_tool(
            "nsenter",
            f"--net={namespace_path(namespace)}",
            self.program,
            self._argument,
            *options,
        )

    def end(self) -> None:
        """End every process that runs with this configuration, known by pid file or not."""
        for stray in self._strays():
            kill_and_wait(stray)

    def forget(self) -> None:
        """Remove its files. While they are there, a fresh agent knows that there is work left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _argument(self) -> str:
        return f"{self.option}{self.config}"

    def _strays(self) -> Iterator[ProcessMark]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and self._is(int(entry.name)):
                mark = mark_of(int(entry.name))
                if mark is not None:
                    yield mark

    def _is(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return words[0].endswith(self.program.encode()) and self._argument.encode() in words


def namespace_of(process: ProcessMark) -> int | None:
    """Return the number of the network namespace of a process."""
    return namespace_inode(Path(f"/proc/{process.pid}/ns/net"))


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader never sees half of it."""
    new = path.parent / f".{path.name}"
    new.write_text(text)
    new.replace(path)
