"""The fabric: the namespace of all bridges and host ends, and what is in it now.

The kernel tells of every change (netlink groups LINK and TC), so that looking costs next to nothing
while nothing happens and a change by somebody else is seen at once.
"""

import contextlib
import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from portlight.dataplane.names import HostNames
from portlight.dataplane.namespaces import (
    attach_name,
    create_namespace,
    delete_namespace,
    do_inside,
    namespace_exists,
    namespace_inode,
    namespace_path,
    write_sysctls,
)
from portlight.dataplane.netlink import BoundedNetNS

_SYSCTLS = {
    # The fabric itself never speaks: no router solicitation, no link-local address, no ND.
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
    # Bridged frames never meet iptables, whatever the host has loaded.
    "net/bridge/bridge-nf-call-iptables": "0",
    "net/bridge/bridge-nf-call-ip6tables": "0",
    "net/bridge/bridge-nf-call-arptables": "0",
}
_GROUP_LINK = 1
_GROUP_TC = 1 << 3
_LINK_MESSAGES = range(16, 20)
"""RTM_NEWLINK .. RTM_SETLINK"""
_TC_MESSAGES = range(36, 48)
"""RTM_NEWQDISC .. RTM_GETTFILTER"""
_HEADER = struct.Struct("=IHHII")
_INDEXED = struct.Struct("=BBHi")
"""Where struct ifinfomsg and struct tcmsg alike have the index of the link."""
_RECEIVE_BYTES = 1 << 16
_EVENT_BUFFER_BYTES = 1 << 22
_IFF_UP = 1
_MANY = 16
"""Above so many stale links, one reading of all is cheaper than of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricLink:
    """A link of the fabric, as the kernel shows it."""

    index: int
    name: str
    kind: str
    up: bool
    mtu: int
    master: int
    label: str
    forward_delay: int | None = None
    stp: bool = False
    multicast_snooping: bool = False


class Fabric:
    """The namespace, a netlink door into it, and the changes the kernel tells of.

    Belongs to one thread.
    """

    def __init__(self, names: HostNames) -> None:
        self.names = names
        self._open()

    def _open(self) -> None:
        name = self.names.fabric
        create_namespace(name)
        write_sysctls(name, _SYSCTLS)
        # An open file keeps the namespace alive when somebody removes its name.
        self._file = os.open(namespace_path(name), os.O_RDONLY | os.O_CLOEXEC)
        self._inode = namespace_inode(namespace_path(name))
        self.netlink = BoundedNetNS(name, flags=0)
        self.events = do_inside(name, _event_socket)
        self._links: Mapping[str, FabricLink] = {}
        self._stale_links: set[int] | None = None
        """Indexes of links that must be read again; None for all."""
        self._rereads = 0
        self._filter_changes: Counter[int] = Counter()
        """How often the kernel told of a change of the filters of a link."""

    def close(self) -> None:
        """Let go of the namespace; everything in it goes on."""
        self.events.close()
        with contextlib.suppress(OSError):
            self.netlink.close()
        os.close(self._file)

    def ensure(self) -> bool:
        """Give the namespace its name back when somebody took it; return whether it was missing."""
        path = namespace_path(self.names.fabric)
        if namespace_inode(path) == self._inode:
            return False
        # A foreign namespace of our name holds nothing of ours: only the name is taken back.
        if namespace_exists(self.names.fabric):
            delete_namespace(self.names.fabric)
        attach_name(self.names.fabric, Path(f"/proc/{os.getpid()}/fd/{self._file}"))
        return True

    def reread(self) -> None:
        """Forget everything, programs too (the slow, sure look)."""
        self._stale_links = None
        self._rereads += 1

    def filter_edition(self, index: int) -> tuple[int, int]:
        """Return what stays the same as long as the filters of a link do."""
        self.take_events()
        return self._rereads, self._filter_changes[index]

    def links(self) -> Mapping[str, FabricLink]:
        """Return every link of the fabric by name, as of now.

        Only those are read again of which the kernel told a change, ours or somebody else's: a
        change is in the queue before its request returns.
        """
        self.take_events()
        stale = self._stale_links
        if stale is None or len(stale) > _MANY:
            found = [_fabric_link(message) for message in self.netlink.get_links()]
        elif stale:
            found = [link for link in self._links.values() if link.index not in stale]
            found += [link for index in sorted(stale) if (link := self._link(index)) is not None]
        else:
            return self._links
        self._links = {link.name: link for link in found}
        self._stale_links = set()
        return self._links

    def _link(self, index: int) -> FabricLink | None:
        try:
            (message,) = self.netlink.get_links(index)
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise
            return None
        return _fabric_link(message)

    def take_events(self) -> None:
        """Empty the queue of events and mark what they speak of."""
        while True:
            try:
                raw = self.events.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: the kernel had more to tell than we could hold
                self.reread()
                continue
            changed = _changed_indexes(raw)
            if self._stale_links is not None:
                self._stale_links |= changed[_LINK_MESSAGES]
            self._filter_changes.update(changed[_TC_MESSAGES])


def _event_socket() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _EVENT_BUFFER_BYTES)
    made.bind((0, _GROUP_LINK | _GROUP_TC))
    made.setblocking(False)  # noqa: FBT003 -- the socket module's own signature
    return made


def _changed_indexes(raw: bytes) -> Mapping[range, set[int]]:
    """Return the indexes of links by the kind of message in one datagram of events."""
    found: Mapping[range, set[int]] = {_LINK_MESSAGES: set(), _TC_MESSAGES: set()}
    while len(raw) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(raw)
        if length < _HEADER.size:
            break
        if length >= _HEADER.size + _INDEXED.size:
            for kinds, indexes in found.items():
                if kind in kinds:
                    indexes.add(_INDEXED.unpack_from(raw, _HEADER.size)[3])
        raw = raw[(length + 3) & ~3 :]
    return found


def _fabric_link(message: Any) -> FabricLink:  # noqa: ANN401 -- pyroute2 has no types
    """Take what we need out of pyroute2's message."""
    get = message.get
    info = get("linkinfo")
    kind = (info.get("kind") if info else None) or ""
    data = info.get("data") if info and kind == "bridge" else None
    return FabricLink(
        index=get("index"),
        name=get("ifname"),
        kind=kind,
        up=bool(get("flags") & _IFF_UP),
        mtu=get("mtu"),
        master=get("master") or 0,
        label=get("ifalias") or "",
        forward_delay=data.get("br_forward_delay") if data else None,
        stp=bool(data.get("br_stp_state")) if data else False,
        multicast_snooping=bool(data.get("br_mcast_snooping")) if data else False,
    )
