"""The namespace of one DHCP server: its interface and addresses, and what the kernel tells of them.

Looking is free while nothing changes, as in the fabric.
"""

import contextlib
import os
import socket
from pathlib import Path

from portlight.dataplane.links.values import DHCP_IFNAME
from portlight.dataplane.namespaces import (
    attach_name,
    delete_namespace,
    namespace_inode,
    namespace_path,
    socket_inside,
    write_sysctls,
)
from portlight.dataplane.netlink import BoundedNetNS

_GROUPS = 0x1 | 0x10 | 0x100
"""Links, IPv4 addresses, IPv6 addresses (RTMGRP_*)."""
_RECEIVE_BYTES = 1 << 16
_IFF_UP = 1
_NO_DAD = 0x02
_LINK_SCOPE = 253
_SYSCTLS = {
    f"net/ipv6/conf/{DHCP_IFNAME}/accept_ra": "0",
    f"net/ipv6/conf/{DHCP_IFNAME}/accept_dad": "0",
    f"net/ipv6/conf/{DHCP_IFNAME}/disable_ipv6": "0",
}


class ServerRoom:
    """An open door into a DHCP server's namespace; holds the namespace alive."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._file = os.open(namespace_path(name), os.O_RDONLY | os.O_CLOEXEC)
        self.inode = namespace_inode(namespace_path(name))
        self._netlink = BoundedNetNS(name, flags=0)
        self._events = socket_inside(name, _event_socket)
        self._addresses: frozenset[str] | None = None
        self._known = False

    def close(self) -> None:
        """Let go of the namespace."""
        self._events.close()
        with contextlib.suppress(OSError):
            self._netlink.close()
        os.close(self._file)

    @property
    def named(self) -> bool:
        """Whether the name still leads here."""
        return namespace_inode(namespace_path(self._name)) == self.inode

    def take_name(self) -> None:
        """Give the namespace its name back."""
        delete_namespace(self._name)
        attach_name(self._name, Path(f"/proc/{os.getpid()}/fd/{self._file}"))

    def addresses(self) -> frozenset[str] | None:
        """Return the addresses of the interface; None when it is missing or down."""
        if self._changed() or not self._known:
            self._addresses = self._read()
            self._known = True
        return self._addresses

    def configure(self, wanted: frozenset[str]) -> None:
        """Give the interface exactly these addresses and set it up; LookupError without it."""
        found = self._netlink.link_lookup(ifname=DHCP_IFNAME)
        if not found:
            raise LookupError(f"{self._name} has no {DHCP_IFNAME} yet")
        index = found[0]
        write_sysctls(self._name, _SYSCTLS)
        there = self._read_addresses(index)
        for text in there - wanted:
            address, length = text.split("/")
            self._netlink.addr("del", index=index, address=address, prefixlen=int(length))
        for text in sorted(wanted - there):
            address, length = text.split("/")
            flags = {"flags": _NO_DAD} if ":" in address else {}
            self._netlink.addr("add", index=index, address=address, prefixlen=int(length), **flags)
        self._netlink.link("set", index=index, state="up")
        self._known = False

    def _read(self) -> frozenset[str] | None:
        for link in self._netlink.get_links():
            if link.get("ifname") == DHCP_IFNAME:
                up = link.get("flags") & _IFF_UP
                return self._read_addresses(link.get("index")) if up else None
        return None

    def _read_addresses(self, index: int) -> frozenset[str]:
        return frozenset(
            f"{entry.get('address')}/{entry['prefixlen']}"
            for entry in self._netlink.get_addr(index=index)
            if entry["scope"] != _LINK_SCOPE
        )

    def _changed(self) -> bool:
        """Empty the queue of events; return whether there was any."""
        changed = False
        while True:
            try:
                self._events.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return changed
            except OSError:  # ENOBUFS: more happened than we could hold
                pass
            changed = True


def _event_socket() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    made.bind((0, _GROUPS))
    made.setblocking(False)  # noqa: FBT003 -- the socket module's own signature
    return made
