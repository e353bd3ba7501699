"""The namespaces of all routers of this host: doors into them, and what `ip` says is inside."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from portlight.dataplane.names import HostNames
from portlight.dataplane.namespaces import (
    list_namespaces,
    namespace_exists,
    namespace_path,
    run_tool,
)
from portlight.dataplane.room import Room, Topic
from portlight.values.addresses import MacAddress, parse_mac

PROTOCOL = 80
"""Our own route protocol: by it our routes and rules are known."""
_LOOPBACK = "lo"
PUBLIC_LABEL = ":p"
"""Ends the label of an address that stands for another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterLink:
    """A link of a router, as the kernel shows it."""

    ifname: str
    mac: MacAddress
    mtu: int
    up: bool
    addresses: frozenset[str]
    """With prefix lengths, without the kernel's own link-local ones."""
    public: frozenset[str]
    """Those that stand for others."""


class RouterRooms:
    """Opens doors, keeps them open, and remembers the links behind them. For one thread."""

    def __init__(self, names: HostNames) -> None:
        self.names = names
        self._rooms: dict[int, Room] = {}
        self._links: dict[int, tuple[object, Mapping[str, RouterLink]]] = {}
        self._trusted: dict[int, object] = {}
        """The edition of a router's nftables that is our own doing, all of it."""

    def close(self) -> None:
        """Let go of all; they go on."""
        for room in self._rooms.values():
            room.close()
        self._rooms.clear()

    def numbers(self) -> list[int]:
        """Return the numbers of the routers that are there, by name or by an open door."""
        named = (self.names.router_of(name) for name in list_namespaces())
        return sorted({number for number in named if number is not None} | self._rooms.keys())

    def ensure(self) -> list[str]:
        """Give names back that somebody took; return them."""
        lost = [room for room in self._rooms.values() if not namespace_exists(room.name)]
        for room in lost:
            room.take_name()
        return [room.name for room in lost]

    def find(self, number: int) -> Room | None:
        """Return the door into a router, opened at the first call; None when it is not there."""
        name = self.names.router(number)
        known = self._rooms.get(number)
        if not namespace_exists(name):
            return None
        if known is not None and not known.named:
            # Somebody (or we) made it anew: that is the router now.
            self.forget(number)
            known = None
        if known is None:
            known = self._rooms[number] = Room(name)
        return known

    def enter(self, number: int) -> Room:
        """Return the door into a router; raise LookupError when it is not there (yet)."""
        room = self.find(number)
        if room is None:
            raise LookupError(f"router {number} has no namespace yet")
        return room

    def forget(self, number: int) -> None:
        """Close the door."""
        room = self._rooms.pop(number, None)
        if room is not None:
            room.close()
        self._links.pop(number, None)
        self._trusted.pop(number, None)

    def links(self, number: int) -> Mapping[str, RouterLink]:
        """Return the links of a router by name, as of now."""
        room = self.enter(number)
        edition = room.edition(Topic.LINKS, Topic.ADDRESSES)
        known = self._links.get(number)
        if known is None or known[0] != edition:
            known = (edition, {link.ifname: link for link in _read_links(room.name)})
            self._links[number] = known
        return known[1]

    def change(self, number: int, lines: Iterable[str], *options: str) -> None:
        """Let `ip` do these lines one after the other; raise ToolError at the first that fails."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            run_tool("ip", "-n", self.enter(number).name, *options, "-batch", "-", text=text)

    def translate(self, number: int, text: str, *, is_frame: bool = False) -> None:
        """Let `nft` do this in one transaction; a frame replaces whatever somebody else did."""
        room = self.enter(number)
        ours = is_frame or self.trusts_translation(number)
        run_tool("nsenter", f"--net={namespace_path(room.name)}", "nft", "-f", "-", text=text)
        if ours:
            self._trusted[number] = room.edition(Topic.TRANSLATION)

    def trusts_translation(self, number: int) -> bool:
        """Whether nobody else changed a router's nftables since we first saw it."""
        edition = self.enter(number).edition(Topic.TRANSLATION)
        return self._trusted.setdefault(number, edition) == edition


def ask_ip(namespace: str, *question: str) -> list[Any]:
    """Return what `ip -json` answers inside a namespace, all numbers as numbers."""
    answer = run_tool("ip", "-n", namespace, "-json", "-N", *question)
    return [entry for entry in json.loads(answer or "[]") if entry]


def _read_links(namespace: str) -> list[RouterLink]:
    return [
        _link(entry)
        for entry in ask_ip(namespace, "address", "show")
        if entry["ifname"] != _LOOPBACK
    ]


def _link(entry: Any) -> RouterLink:  # noqa: ANN401 -- the JSON of ip(8)
    plain, public = set(), set()
    for address in entry.get("addr_info", ()):
        text = f"{address['local']}/{address['prefixlen']}"
        if address.get("label", "").endswith(PUBLIC_LABEL):
            public.add(address["local"])
        elif not address["local"].startswith("fe80:"):
            plain.add(text)
    return RouterLink(
        ifname=entry["ifname"],
        mac=parse_mac(entry["address"]),
        mtu=entry["mtu"],
        up="UP" in entry["flags"],
        addresses=frozenset(plain),
        public=frozenset(public),
    )
