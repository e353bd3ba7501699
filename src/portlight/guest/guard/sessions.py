"""Through which connection the person at work reaches this server, and who else is logged in.

A connection counts as a session only when an SSH server holds it: a name in the environment alone
proves nothing, and tmux keeps the one of a session that may be long gone.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from portlight.guest.guard.sockets import End, Socket, plain, read_sockets

VIA_VARIABLE: Final = "PORTLIGHT_GUEST_VIA"
"""Set by whoever enters a server without a packet, for example through its namespaces."""
_SERVER: Final = re.compile(r"sshd(-session|-auth)?$")
_LOGGED_IN: Final = re.compile(r"^sshd(-session)?: .+@(notty|(pts/|tty)\S*) *$")
"""What an SSH server calls its process once somebody is in: `sshd: alice@pts/0`. Before that it is
`sshd: alice [net]`, also for `alice@corp`: an attacker must not look like an operator."""


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

    sessions: tuple[Session, ...] = ()
    """One; more when nobody can say which of them it is; none when no packet is known."""
    via: str = ""
    """The way without packets, if there is one: nothing can cut it off."""


def find_door(environment: Mapping[str, str], pid: int) -> Door:
    """Return how a process was reached."""
    if via := environment.get(VIA_VARIABLE):
        return Door(via=via)
    sockets = read_sockets()
    named = _named_by(environment.get("SSH_CONNECTION", ""))
    for process in ancestors(pid):
        if _SERVER.match(process.name) and (found := _sessions_of(process, sockets)):
            chosen = tuple(one for one in found if _ends(one.socket) == named)
            return Door(sessions=chosen or found)
    standing = (one for one in sockets if not one.is_listening and _ends(one) == named)
    return Door(sessions=tuple(Session(user="", socket=one) for one in standing))


def current_door() -> Door:
    """Return how this process was reached."""
    return find_door(os.environ, os.getpid())


def ssh_sessions() -> tuple[Session, ...]:
    """Return everyone who is logged in over SSH; who still guesses passwords is not."""
    sockets = read_sockets()
    return tuple(
        {
            session.socket: session
            for process in _processes()
            if _SERVER.match(process.name) and is_logged_in(process.title)
            for session in _sessions_of(process, sockets)
        }.values()
    )


def is_logged_in(title: str) -> bool:
    """Whether an SSH server's process is of somebody who has logged in, by its title."""
    return _LOGGED_IN.search(title) is not None


def ancestors(pid: int) -> Iterator[Process]:
    """Yield a process, its parent and so on; ends at the first process of the server."""
    while pid > 0 and (process := _read(pid)) is not None:
        yield process
        pid = process.parent


def _sessions_of(process: Process, sockets: Sequence[Socket]) -> tuple[Session, ...]:
    """Return the connections through which the user of an SSH server's process came.

    It also holds those that are forwarded for the user. What came to a port where the process
    itself listens was forwarded from afar; what came to no port of a listener goes away from here.
    """
    held = _held_by(process.pid, sockets)
    lent = {one.inode for one in held if one.is_listening}
    accepted = [
        one
        for one in held
        if not one.is_listening
        and not any(_takes(server, one) for server in held if server.inode in lent)
    ]
    servers = [one for one in sockets if one.is_listening and one.inode not in lent]
    served = [one for one in accepted if any(_takes(server, one) for server in servers)]
    # Without a listener (it was stopped, or has handed over what it got): any of them.
    return tuple(Session(user=_user(process), socket=one) for one in served or accepted)


def _takes(server: Socket, one: Socket) -> bool:
    """Whether a connection is to a port where somebody listens."""
    if (server.protocol, server.local_port) != (one.protocol, one.local_port):
        return False
    return server.local.is_unspecified or server.local == one.local


_Ends = tuple[End, End]


def _ends(socket: Socket) -> _Ends:
    return socket.near, socket.far


def _named_by(value: str) -> _Ends | None:
    """Return the ends of the session that SSH_CONNECTION names, this server's first."""
    words = value.split()
    if len(words) != 4:  # noqa: PLR2004 -- client, its port, server, its port (ssh(1))
        return None
    try:
        far, near = ((plain(ip_address(words[place])), int(words[place + 1])) for place in (0, 2))
    except ValueError:
        return None
    return near, far


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


def _held_by(pid: int, sockets: Iterable[Socket]) -> list[Socket]:
    """Return the TCP sockets that a process holds open."""
    inodes = set()
    with suppress(OSError):
        for descriptor in (Path("/proc") / str(pid) / "fd").iterdir():
            with suppress(OSError):
                inodes.add(str(descriptor.readlink()))
    return [one for one in sockets if one.protocol == "tcp" and f"socket:[{one.inode}]" in inodes]


def _user(process: Process) -> str:
    """Return whose session it is; the name may have an @ of its own."""
    said = process.title.partition(": ")[2]
    return said.rpartition("@")[0] or said.split(" ")[0]
