"""Through which connection the person at work reaches this server, and who else is logged in.

A connection counts as a session only when an SSH server holds it: a name in the environment alone
proves nothing, and tmux keeps the one of a session that may be long gone.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from portlight.guest.guard.sockets import Socket, plain, read_sockets

VIA_VARIABLE: Final = "PORTLIGHT_GUEST_VIA"
"""Set by whoever enters a server without a packet, for example through its namespaces."""
_SERVER: Final = re.compile(r"sshd(-session|-auth)?$")
_LOGGED_IN: Final = re.compile(r"^sshd(-session)?: [^\[\] ]+@")
"""What an SSH server calls its process once the user is known: `sshd: alice@pts/0`. Before that it
is `sshd: alice [preauth]`: an attacker must not look like an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Someone who is logged in over SSH."""

    user: str
    socket: Socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What /proc tells about one process."""

    pid: int
    parent: int
    name: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How the person at work came in."""

    session: Session | None
    via: str = ""
    """The way without packets, if there is one: nothing can cut it off."""


def find_door(environment: Mapping[str, str], pid: int) -> Door:
    """Return how a process was reached."""
    if via := environment.get(VIA_VARIABLE):
        return Door(session=None, via=via)
    sockets = [socket for socket in read_sockets() if not socket.is_listening]
    for process in ancestors(pid):
        if _SERVER.match(process.name):
            for socket in _held_by(process.pid, sockets):
                return Door(session=Session(user=_user(process), socket=socket))
    return Door(session=_session_of_variable(environment.get("SSH_CONNECTION", ""), sockets))


def current_door() -> Door:
    """Return how this process was reached."""
    return find_door(os.environ, os.getpid())


def ssh_sessions() -> tuple[Session, ...]:
    """Return everyone who is logged in over SSH; who still guesses passwords is not."""
    sockets = [socket for socket in read_sockets() if not socket.is_listening]
    return tuple(
        {
            socket: Session(user=_user(process), socket=socket)
            for process in _processes()
            if _SERVER.match(process.name) and _LOGGED_IN.match(process.title)
            for socket in _held_by(process.pid, sockets)
        }.values()
    )


def ancestors(pid: int) -> Iterator[Process]:
    """Yield a process, its parent and so on; ends at the first process of the server."""
    while pid > 0 and (process := _read(pid)) is not None:
        yield process
        pid = process.parent


def _session_of_variable(value: str, sockets: Iterable[Socket]) -> Session | None:
    """Return the session that SSH_CONNECTION names, if it still stands."""
    words = value.split()
    if len(words) != 4:  # noqa: PLR2004 -- client, its port, server, its port (ssh(1))
        return None
    try:
        ends = (plain(ip_address(words[2])), int(words[3]), plain(ip_address(words[0])))
    except ValueError:
        return None
    for one in sockets:
        if (one.local, one.local_port, one.remote) == ends and str(one.remote_port) == words[1]:
            return Session(user="", socket=one)
    return None


def _processes() -> Iterator[Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        process = _read(int(folder.name))
        if process is not None:
            yield process


def _read(pid: int) -> Process | None:
    """Return a process; None when it ended meanwhile."""
    folder = Path("/proc") / str(pid)
    try:
        head, _, tail = (folder / "stat").read_text().rpartition(")")
        title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    return Process(pid=pid, parent=int(tail.split()[1]), name=head.partition("(")[2], title=title)


def _held_by(pid: int, sockets: Iterable[Socket]) -> Iterator[Socket]:
    """Yield the connections that a process holds open."""
    inodes = set()
    with suppress(OSError):
        for descriptor in (Path("/proc") / str(pid) / "fd").iterdir():
            with suppress(OSError):
                inodes.add(str(descriptor.readlink()))
    for socket in sockets:
        if socket.protocol == "tcp" and f"socket:[{socket.inode}]" in inodes:
            yield socket


def _user(process: Process) -> str:
    return process.title.partition(": ")[2].split("@")[0].split(" ")[0]
