"""Driver of DHCP servers: namespace, addresses, files and process of one dnsmasq per network.

The server is a daemon of its own: it goes on without the agent, and a fresh agent knows it again by
its pid file and its command line. Its link is made by the driver of links.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.daemons import Daemon, write_whole
from portlight.dataplane.dhcp.render import DhcpServer
from portlight.dataplane.dhcp.room import ServerRoom
from portlight.dataplane.names import HostNames
from portlight.dataplane.namespaces import (
    ToolError,
    create_namespace,
    delete_namespace,
    namespace_exists,
)
from portlight.dataplane.processes import ProcessMark, kill_and_wait
from portlight.plan.delta import Delta

_WATCHED = ("options", "names", "hosts")
"""The folders that a server watches, in the order of writing: no host is answered without its own
options."""
_START_ATTEMPTS = 10
_START_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class _Written:
    """What is on disk, as last read or written by us, with the times that tell of a change."""

    stamp: tuple[int, ...]
    config: str
    options: frozenset[str]
    names: frozenset[str]
    hosts: frozenset[str]


class DhcpDriver:
    """Reads and writes the DHCP servers of this host, by network number. For one thread."""

    def __init__(self, names: HostNames) -> None:
        self._names = names
        self._rooms: dict[int, ServerRoom] = {}
        self._written: dict[int, _Written] = {}

    def close(self) -> None:
        """Let go of the servers; they go on."""
        for room in self._rooms.values():
            room.close()
        self._rooms.clear()

    def read(self) -> Mapping[int, DhcpServer]:
        """Return the servers that are there, as they are."""
        return {number: self._read_one(number) for number in self._numbers()}

    def apply(self, delta: Delta[int, DhcpServer]) -> Mapping[int, Exception]:
        """Start, change and end servers; return the failures by network number."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _numbers(self) -> list[int]:
        root = self._names.folder / "dhcp"
        return [int(path.parent.name) for path in root.glob("*/dnsmasq.conf")]

    def _read_one(self, number: int) -> DhcpServer:
        files = self._files(number)
        room = self._room(number)
        daemon = self._daemon(number)
        addresses = room.addresses() if room else None
        whole = (
            room is not None and room.named and daemon.runs_in(room.inode) and addresses is not None
        )
        return DhcpServer(
            config=files.config,
            hosts=files.hosts,
            options=files.options,
            names=files.names,
            addresses=addresses or frozenset(),
            intact=whole,
        )

    def _files(self, number: int) -> _Written:
        folder = self._names.dhcp_folder(number)
        paths = [folder / name for name in ("dnsmasq.conf", *_WATCHED)]
        stamp = tuple(_stamp(path) for path in paths)
        known = self._written.get(number)
        if known is None or known.stamp != stamp:
            config, *watched = paths
            known = _Written(stamp, _text(config), *map(_lines, watched))
            self._written[number] = known
        return known

    def _room(self, number: int) -> ServerRoom | None:
        """Return the door into the server's namespace, opened at the first call."""
        if number not in self._rooms:
            name = self._names.dhcp(number)
            if not namespace_exists(name):
                return None
            self._rooms[number] = ServerRoom(name)
        return self._rooms[number]

    def _put(self, number: int, wanted: DhcpServer) -> None:
        name, folder = self._names.dhcp(number), self._names.dhcp_folder(number)
        daemon = self._daemon(number)
        process = daemon.process()
        before = self._read_one(number)
        room = self._usable_room(number, process)
        folder.mkdir(parents=True, exist_ok=True)
        readdressed = room.addresses() != wanted.addresses
        if readdressed:
            room.configure(wanted.addresses)
        displaced = not daemon.runs_in(room.inode)
        if displaced or readdressed or _needs_restart(before, wanted):
            _write_all(folder, wanted)
            daemon.end()
            _start(daemon, name)
        else:
            for watched, lines in _lines_by_folder(wanted).items():
                _add_lines(folder / watched, lines - _lines_by_folder(before)[watched])

    def _usable_room(self, number: int, process: ProcessMark | None) -> ServerRoom:
        """Return the door into the namespace, whose name leads to it again."""
        name = self._names.dhcp(number)
        known = self._rooms.get(number)
        if known is not None and not known.named and not namespace_exists(name):
            known.take_name()
        elif known is not None and not known.named:
            # The link driver has made a new namespace and put the link there: move.
            known.close()
            del self._rooms[number]
        elif known is None and process is not None and not namespace_exists(name):
            kill_and_wait(process)
        create_namespace(name)
        room = self._room(number)
        if room is None:
            raise LookupError(f"namespace {name} is gone again")
        return room

    def _remove(self, number: int) -> None:
        daemon = self._daemon(number)
        daemon.end()
        room = self._rooms.pop(number, None)
        if room is not None:
            room.close()
        delete_namespace(self._names.dhcp(number))
        self._written.pop(number, None)
        daemon.forget()

    def _daemon(self, number: int) -> Daemon:
        config = self._names.dhcp_folder(number) / "dnsmasq.conf"
        return Daemon(program="dnsmasq", option="--conf-file=", config=config)


def _start(daemon: Daemon, namespace: str) -> None:
    """Start a server; a dying one before it may hold its sockets for some milliseconds more."""
    for _ in range(_START_ATTEMPTS - 1):
        try:
            daemon.start(namespace)
        except ToolError as error:
            if "in use" not in str(error):
                raise
            time.sleep(_START_PAUSE_SECONDS)
        else:
            return
    daemon.start(namespace)


def _needs_restart(before: DhcpServer, wanted: DhcpServer) -> bool:
    """Whether it is more than new hosts.

    A host that left must be forgotten with its lease, or its address could not go to another. (The
    server's own way, SIGHUP, forgets no lease, and has crashed dnsmasq 2.90 in our tests.)
    """
    return (
        before.config != wanted.config
        or not before.hosts <= wanted.hosts
        or not before.options <= wanted.options
        or not before.names <= wanted.names
    )


def _lines_by_folder(server: DhcpServer) -> Mapping[str, frozenset[str]]:
    """Return the lines of each watched folder, in the order of writing."""
    return dict(zip(_WATCHED, (server.options, server.names, server.hosts), strict=True))


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _lines(folder: Path) -> frozenset[str]:
    """Return the lines of all files of a folder that the server watches."""
    return frozenset(line for path in folder.glob("[0-9]*") for line in _text(path).splitlines())


def _add_lines(folder: Path, lines: frozenset[str]) -> None:
    """Put a further file into a folder that the server watches; it reads it at once."""
    if lines:
        number = max((int(path.name) for path in folder.glob("[0-9]*")), default=-1) + 1
        write_whole(folder / str(number), "".join(f"{line}\n" for line in sorted(lines)))


def _write_all(folder: Path, wanted: DhcpServer) -> None:
    """Write everything anew, one file in each watched folder."""
    for name, lines in _lines_by_folder(wanted).items():
        watched = folder / name
        watched.mkdir(exist_ok=True)
        for path in watched.iterdir():
            path.unlink()
        write_whole(watched / "0", "".join(f"{line}\n" for line in sorted(lines)))
    write_whole(folder / "dnsmasq.conf", wanted.config)
