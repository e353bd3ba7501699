"""Driver of public addresses: translation, the address on the leg, its announcement, and cuts.

For one router all changes of translation are one transaction. An address is answered for only
after it is translated, and is translated until nobody answers for it any more. That its flows were
cut is written down after it was done: who dies before cuts them again.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from ipaddress import IPv4Address

from portlight.dataplane.namespaces import do_inside
from portlight.dataplane.nft.announce import announce
from portlight.dataplane.nft.flows import cut_flows
from portlight.dataplane.nft.render import PublicAddress, render_change
from portlight.dataplane.nft.ruleset import read_elements
from portlight.dataplane.room import Topic
from portlight.dataplane.routes.rooms import PUBLIC_LABEL, RouterRooms
from portlight.plan.delta import Delta
from portlight.plan.routers import PublicAddressKey

_MARK = "public"
_ABSENT = PublicAddress(ifname="", elements=frozenset(), cuts=-1)
Addresses = dict[IPv4Address, PublicAddress]


class PublicAddressDriver:
    """Reads and writes public addresses by (router number, address)."""

    def __init__(self, rooms: RouterRooms) -> None:
        self._rooms = rooms
        self._seen: dict[int, tuple[object, Addresses]] = {}
        self._fresh: list[tuple[int, str, IPv4Address]] = []
        """Those announced once: a neighbour may refuse a change within a second of the last."""

    def read(self) -> Mapping[PublicAddressKey, PublicAddress]:
        """Return every public address, also those of which something is missing."""
        return {
            (number, address): found
            for number in self._rooms.numbers()
            for address, found in self._of_router(number).items()
        }

    def is_intact(self) -> bool:
        """Whether nobody else changed any; announces new ones for the second time."""
        fresh, self._fresh = self._fresh, []
        self._announce(fresh)
        numbers = self._rooms.numbers()
        return self._seen.keys() == set(numbers) and all(
            self._seen[number][0] == self._edition(number) for number in numbers
        )

    def apply(
        self, delta: Delta[PublicAddressKey, PublicAddress]
    ) -> Mapping[PublicAddressKey, Exception]:
        """Change the addresses of each router at once; return the failures by key."""
        failures: dict[PublicAddressKey, Exception] = {}
        wanted: dict[int, Addresses] = {}
        for number, address in delta.remove:
            wanted.setdefault(number, {})[address] = _ABSENT
        for (number, address), value in delta.put.items():
            wanted.setdefault(number, {})[address] = value
        for number, addresses in wanted.items():
            try:
                self._change(number, addresses)
            except Exception as error:  # noqa: BLE001 -- carried to the caller, who reports it
                failures |= {(number, address): error for address in addresses}
        return failures

    def _change(self, number: int, wanted: Addresses) -> None:
        if self._rooms.find(number) is None and _ABSENT in wanted.values():
            self._seen.pop(number, None)
            return
        there = self._of_router(number)
        before = {address: there.get(address, _ABSENT) for address in wanted}
        self._rooms.change(
            number,
            (
                f"address del {address}/32 dev {old.ifname}"
                for address, old in before.items()
                if old.ifname not in ("", wanted[address].ifname)
            ),
        )
        ends = [
            address
            for address, old in before.items()
            if old != _ABSENT and wanted[address].cuts != old.cuts
        ]
        cut_before = _marks(before[address] for address in ends)
        cut_after = _marks(wanted[address] for address in ends)
        held = {element for old in before.values() for element in old.elements} - cut_before
        needed = {element for new in wanted.values() for element in new.elements} - cut_after
        self._rooms.translate(number, render_change(held - needed, needed - held))
        fresh = [
            (number, new.ifname, address)
            for address, new in wanted.items()
            if new.ifname not in ("", before[address].ifname)
        ]
        self._rooms.change(
            number,
            (
                f"address add {address}/32 dev {ifname} label {ifname}{PUBLIC_LABEL}"
                for _, ifname, address in fresh
            ),
        )
        self._announce(fresh)
        self._fresh += fresh
        name = self._rooms.enter(number).name
        for address in ends:
            cut_flows(name, address)
        if ends:
            self._rooms.translate(number, render_change(cut_before, cut_after))
        after = {key: one for key, one in (there | wanted).items() if one != _ABSENT}
        self._seen[number] = (self._edition(number), after)

    def _of_router(self, number: int) -> Addresses:
        edition = self._edition(number)
        known = self._seen.get(number)
        if known is None or known[0] != edition:
            known = (edition, self._look(number))
            self._seen[number] = known
        return dict(known[1])

    def _look(self, number: int) -> Addresses:
        elements = read_elements(self._rooms.enter(number).name)
        answered = {
            IPv4Address(address): link.ifname
            for link in self._rooms.links(number).values()
            for address in link.public
        }
        return {
            address: PublicAddress(
                ifname=answered.get(address, ""),
                elements=elements.get(address, frozenset()),
                cuts=_cuts(elements.get(address, frozenset())),
            )
            for address in elements.keys() | answered.keys()
        }

    def _edition(self, number: int) -> object:
        room = self._rooms.find(number)
        topics = Topic.LINKS, Topic.ADDRESSES, Topic.TRANSLATION
        return room.edition(*topics) if room is not None else None

    def _announce(self, fresh: list[tuple[int, str, IPv4Address]]) -> None:
        for number in {number for number, _, _ in fresh}:
            room = self._rooms.find(number)
            links = self._rooms.links(number) if room is not None else {}
            frames = [
                (ifname, links[ifname].mac, address)
                for owner, ifname, address in fresh
                if owner == number and ifname in links
            ]
            if room is not None:
                do_inside(room.name, partial(announce, frames))


def _marks(addresses: Iterable[PublicAddress]) -> set[tuple[str, str]]:
    """Return the elements that say how often flows were cut."""
    return {element for one in addresses for element in one.elements if element[0] == _MARK}


def _cuts(elements: frozenset[tuple[str, str]]) -> int:
    for name, text in elements:
        number = text.partition(" comment ")[2].strip('"')
        if name == _MARK and number.isdecimal():
            return int(number)
    return -1
