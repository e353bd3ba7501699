"""The namespace of one DHCP server: its interface and addresses, and what the kernel tells of them.

Looking is free while nothing changes, as in the fabric.
"""

import contextlib

from portlight.dataplane.links.values import DHCP_IFNAME
from portlight.dataplane.namespaces import write_sysctls
from portlight.dataplane.netlink import BoundedNetNS
from portlight.dataplane.room import Room, Topic

_IFF_UP = 1
_NO_DAD = 0x02
_LINK_SCOPE = 253
_SYSCTLS = {
    f"net/ipv6/conf/{DHCP_IFNAME}/accept_ra": "0",
    f"net/ipv6/conf/{DHCP_IFNAME}/accept_dad": "0",
    f"net/ipv6/conf/{DHCP_IFNAME}/disable_ipv6": "0",
}


class ServerRoom(Room):
    """The namespace of a DHCP server, with its interface."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._netlink = BoundedNetNS(name, flags=0)
        self._addresses: frozenset[str] | None = None
        self._seen: object = None
        """The edition that was read."""

    def close(self) -> None:
        """Let go of the namespace."""
        with contextlib.suppress(OSError):
            self._netlink.close()
        super().close()

    def addresses(self) -> frozenset[str] | None:
        """Return the addresses of the interface; None when it is missing or down."""
        edition = self.edition(Topic.LINKS, Topic.ADDRESSES)
        if edition != self._seen:
            self._addresses = self._read()
            self._seen = edition
        return self._addresses

    def configure(self, wanted: frozenset[str]) -> None:
        """Give the interface exactly these addresses and set it up; LookupError without it."""
        found = self._netlink.link_lookup(ifname=DHCP_IFNAME)
        if not found:
            raise LookupError(f"{self.name} has no {DHCP_IFNAME} yet")
        index = found[0]
        write_sysctls(self.name, _SYSCTLS)
        there = self._read_addresses(index)
        for text in there - wanted:
            address, length = text.split("/")
            self._netlink.addr("del", index=index, address=address, prefixlen=int(length))
        for text in sorted(wanted - there):
            address, length = text.split("/")
            flags = {"flags": _NO_DAD} if ":" in address else {}
            self._netlink.addr("add", index=index, address=address, prefixlen=int(length), **flags)
        self._netlink.link("set", index=index, state="up")

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
