"""An open door into a namespace of ours, which holds it alive and tells of changes in it.

The kernel tells of every change (netlink groups), so that looking costs next to nothing while
nothing happens.
"""

import os
import socket
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from struct import Struct

from portlight.dataplane.namespaces import (
    attach_name,
    delete_namespace,
    do_inside,
    namespace_inode,
    namespace_path,
)


class Topic(Enum):
    """What a change is about."""

    LINKS = auto()
    ADDRESSES = auto()
    NEIGHBOURS = auto()
    """Permanent neighbour entries."""
    RULES = auto()
    ROUTES = auto()
    SETTINGS = auto()
    """Sysctls of interfaces, forwarding among them."""
    TRANSLATION = auto()
    """nftables."""


_ROUTE_GROUPS = (1, 3, 5, 7, 8, 9, 11, 19, 24, 25)
"""Of NETLINK_ROUTE (RTNLGRP_*): links, neighbours, addresses, routes, rules and settings."""
_LINK_GROUPS = (1, 5, 9)
"""Links and addresses among them."""
_NFTABLES_GROUP = 7
"""Of NETLINK_NETFILTER (NFNLGRP_NFTABLES)."""
_TOPICS = {
    **dict.fromkeys(range(16, 20), Topic.LINKS),
    **dict.fromkeys(range(20, 23), Topic.ADDRESSES),
    **dict.fromkeys(range(24, 27), Topic.ROUTES),
    **dict.fromkeys(range(28, 31), Topic.NEIGHBOURS),
    **dict.fromkeys(range(32, 35), Topic.RULES),
    **dict.fromkeys(range(80, 83), Topic.SETTINGS),
}
"""By RTM_* number."""
_NEW_NEIGHBOUR = 28
_PERMANENT = 0x80
_HEADER = Struct("=IHHII")
_NEIGHBOUR = Struct("=B3xiHBB")
_RECEIVE_BYTES = 1 << 16
_EVENT_BUFFER_BYTES = 1 << 20
_NETLINK_NETFILTER = 12
_NETLINK_ADD_MEMBERSHIP = 1
_SOL_NETLINK = 270


class Room:
    """A namespace by its name; belongs to one thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._file = os.open(namespace_path(name), os.O_RDONLY | os.O_CLOEXEC)
        self.inode = namespace_inode(namespace_path(name))
        self._events = [
            do_inside(name, _listener(socket.NETLINK_ROUTE, _ROUTE_GROUPS)),
            do_inside(name, _listener(_NETLINK_NETFILTER, (_NFTABLES_GROUP,))),
        ]
        self._editions: Counter[Topic] = Counter()

    def close(self) -> None:
        """Let go of the namespace; everything in it goes on."""
        for events in self._events:
            events.close()
        os.close(self._file)

    @property
    def named(self) -> bool:
        """Whether the name still leads here."""
        return namespace_inode(namespace_path(self.name)) == self.inode

    def take_name(self) -> None:
        """Give the namespace its name back."""
        delete_namespace(self.name)
        attach_name(self.name, Path(f"/proc/{os.getpid()}/fd/{self._file}"))

    def edition(self, *topics: Topic) -> tuple[int | None, ...]:
        """Return what stays the same as long as nothing of these topics changes."""
        self._take_events()
        return self.inode, *(self._editions[topic] for topic in topics)

    def _take_events(self) -> None:
        """Empty the queues: a change is in there before its request returns."""
        routes, tables = self._events
        for raw in received(routes):
            if raw is None:
                self._editions.update(Topic)
            else:
                self._editions.update(_topics(raw))
        if list(received(tables)):
            self._editions[Topic.TRANSLATION] += 1


def link_listener() -> socket.socket:
    """Return what tells of links and addresses in the namespace of the calling thread."""
    return _listener(socket.NETLINK_ROUTE, _LINK_GROUPS)()


def received(events: socket.socket) -> list[bytes | None]:
    """Return what has arrived; None where there was more than the kernel could hold."""
    found: list[bytes | None] = []
    while True:
        try:
            found.append(events.recv(_RECEIVE_BYTES))
        except BlockingIOError:
            return found
        except OSError:  # ENOBUFS
            found.append(None)


def _topics(raw: bytes) -> set[Topic]:
    found = set()
    while len(raw) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(raw)
        if length < _HEADER.size:
            break
        topic = _TOPICS.get(kind)
        if topic is not None and not _is_passing(kind, raw):
            found.add(topic)
        raw = raw[(length + 3) & ~3 :]
    return found


def _is_passing(kind: int, raw: bytes) -> bool:
    """Whether it is a neighbour that the kernel has learnt and will forget by itself."""
    if kind != _NEW_NEIGHBOUR or len(raw) < _HEADER.size + _NEIGHBOUR.size:
        return False
    return not _NEIGHBOUR.unpack_from(raw, _HEADER.size)[2] & _PERMANENT


def _listener(protocol: int, groups: tuple[int, ...]) -> Callable[[], socket.socket]:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _EVENT_BUFFER_BYTES)
        made.bind((0, 0))
        for group in groups:
            made.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        made.setblocking(False)  # noqa: FBT003 -- the socket module's own signature
        return made

    return make
