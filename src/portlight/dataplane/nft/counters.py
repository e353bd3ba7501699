"""What routers dropped, by the port numbers of their legs."""

from collections.abc import Sequence
from dataclasses import dataclass

from portlight.dataplane.nft.ruleset import read_counters
from portlight.dataplane.routes.rooms import RouterRooms
from portlight.plan.routers import leg_number
from portlight.values.verdict import DropReason

_ROUTERS_AT_ONCE = 4
"""How many are asked each time, in turn: asking starts a program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegDrops:
    """Totals of what a router dropped that came in by one leg."""

    port: int
    reason: DropReason
    packets: int
    bytes: int


class LegCounters:
    """Reads the counters of a few routers at each call, and remembers those of the others."""

    def __init__(self, rooms: RouterRooms) -> None:
        self._rooms = rooms
        self._known: dict[int, list[LegDrops]] = {}

    def read(self) -> Sequence[LegDrops]:
        """Return every counter that is not zero."""
        numbers = self._rooms.numbers()
        places = {number: place for place, number in enumerate(self._known, start=1)}
        for number in sorted(numbers, key=lambda one: places.get(one, 0))[:_ROUTERS_AT_ONCE]:
            self._known.pop(number, None)
            self._known[number] = self._ask(number)
        for number in self._known.keys() - set(numbers):
            del self._known[number]
        return [drops for known in self._known.values() for drops in known]

    def _ask(self, number: int) -> list[LegDrops]:
        room = self._rooms.find(number)
        return [
            LegDrops(port=port, reason=one.reason, packets=one.packets, bytes=one.bytes)
            for one in (read_counters(room.name) if room is not None else ())
            if (port := leg_number(one.ifname)) is not None
        ]
