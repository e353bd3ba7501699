"""Network namespaces by name, as `ip netns` keeps them under /run/netns.

A namespace lives as long as a name, a process or an open file holds it. So a name that somebody
else removed is given back to the same namespace while one of the three is left.
"""

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pyroute2 import netns

NETNS_FOLDER = Path("/run/netns")
_TOOL_SECONDS = 20
T = TypeVar("T")


class ToolError(RuntimeError):
    """A tool of the system refused what we asked for."""

    def __init__(self, command: tuple[str, ...], said: str) -> None:
        super().__init__(f"{' '.join(command)}: {said.strip()}")
        self.command = command


def run_tool(*command: str, text: str | None = None) -> str:
    """Run a tool to its end and return what it printed; raise ToolError when it fails."""
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        timeout=_TOOL_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ToolError(command, done.stderr or done.stdout)
    return done.stdout


def namespace_path(name: str) -> Path:
    """Return the file that stands for the namespace."""
    return NETNS_FOLDER / name


def namespace_exists(name: str) -> bool:
    """Whether the name is there and a namespace is mounted on it."""
    try:
        return namespace_path(name).stat().st_dev != NETNS_FOLDER.stat().st_dev
    except FileNotFoundError:
        return False


def namespace_inode(path: Path) -> int | None:
    """Return the kernel's number of the namespace behind a file; None when there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def create_namespace(name: str) -> bool:
    """Make the namespace unless it is there, and set its loopback up; return whether it was new.

    An empty file that somebody's `umount` left behind is replaced.
    """
    if namespace_exists(name):
        return False
    namespace_path(name).unlink(missing_ok=True)
    run_tool("ip", "netns", "add", name)
    run_tool("ip", "-n", name, "link", "set", "lo", "up")
    return True


def attach_name(name: str, source: Path) -> None:
    """Give the namespace behind `source` (a file in /proc) the name again."""
    path = namespace_path(name)
    NETNS_FOLDER.mkdir(exist_ok=True)
    path.touch()
    run_tool("mount", "--no-canonicalize", "--bind", str(source), str(path))


def delete_namespace(name: str) -> None:
    """Remove the name; the namespace ends with its last process or open file."""
    if namespace_exists(name):
        run_tool("ip", "netns", "delete", name)
    else:
        namespace_path(name).unlink(missing_ok=True)


def list_namespaces() -> list[str]:
    """Return all names under /run/netns, ours and others."""
    try:
        return sorted(entry.name for entry in NETNS_FOLDER.iterdir())
    except FileNotFoundError:
        return []


def write_sysctls(name: str, values: dict[str, str]) -> None:
    """Set `net/…` values inside a namespace; one that this kernel does not have is left out."""
    script = "".join(
        f"[ -e /proc/sys/{key} ] && echo {value} > /proc/sys/{key}\n"
        for key, value in values.items()
    )
    run_tool("nsenter", f"--net={namespace_path(name)}", "sh", text=script + "true\n")


def do_inside(name: str, action: Callable[[], T]) -> T:
    """Return what an action returns that is done inside a namespace.

    Entering changes the thread that enters, so a thread of its own does it and ends.
    """
    made: list[T | OSError] = []

    def enter() -> None:
        try:
            netns.setns(str(namespace_path(name)), flags=os.O_RDONLY, fork=False)
            made.append(action())
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if not made:
        raise OSError(f"namespace {name} cannot be entered")
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]
