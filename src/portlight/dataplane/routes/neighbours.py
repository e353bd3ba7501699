"""Driver of permanent neighbours: where a router finds the virtual IPs beside it.

The entry is the MAC of the virtual IP itself, which never changes; the program on the router's link
gives each frame to the live owner (docs/design/packet-path.md, section 7), with or without agent.
"""

from collections.abc import Mapping

from portlight.dataplane.attempts import attempt_each
from portlight.dataplane.room import Topic
from portlight.dataplane.routes.rooms import RouterRooms, ask_ip
from portlight.dataplane.routes.values import NeighbourKey
from portlight.plan.delta import Delta
from portlight.values.addresses import IpAddress, MacAddress, parse_ip, parse_mac

_Entries = Mapping[tuple[str, IpAddress], MacAddress]


class NeighbourDriver:
    """Reads and writes permanent neighbours by (router number, interface, address)."""

    def __init__(self, rooms: RouterRooms) -> None:
        self._rooms = rooms
        self._seen: dict[int, tuple[object, _Entries]] = {}

    def read(self) -> Mapping[NeighbourKey, MacAddress]:
        """Return the permanent neighbours of every router."""
        return {
            (number, *key): mac
            for number in self._rooms.numbers()
            for key, mac in self._of_router(number).items()
        }

    def apply(self, delta: Delta[NeighbourKey, MacAddress]) -> Mapping[NeighbourKey, Exception]:
        """Forget, then set; return the failures by key."""
        failures = attempt_each(self._remove, delta.remove)
        return failures | attempt_each(lambda key: self._put(key, delta.put[key]), delta.put)

    def _put(self, key: NeighbourKey, mac: MacAddress) -> None:
        number, ifname, address = key
        line = f"neighbour replace {address} lladdr {mac} dev {ifname} nud permanent"
        self._rooms.change(number, [line])

    def _remove(self, key: NeighbourKey) -> None:
        number, ifname, address = key
        if (ifname, address) in self._of_router(number):
            self._rooms.change(number, [f"neighbour del {address} dev {ifname}"])

    def _of_router(self, number: int) -> _Entries:
        room = self._rooms.find(number)
        if room is None:
            return {}
        edition = room.edition(Topic.NEIGHBOURS, Topic.LINKS)
        known = self._seen.get(number)
        if known is None or known[0] != edition:
            entries = ask_ip(room.name, "neighbour", "show", "nud", "permanent")
            held = {
                (entry["dev"], parse_ip(entry["dst"])): parse_mac(entry["lladdr"])
                for entry in entries
                if "lladdr" in entry
            }
            known = (edition, held)
            self._seen[number] = known
        return known[1]
