"""Driver of peerings: a veth pair between the namespaces of two routers."""

from collections.abc import Mapping

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.routes.rooms import RouterLink, RouterRooms
from portlight.plan.delta import Delta
from portlight.plan.routers import PeeringPlan, peer_ifname, peer_mac

_MTU = 65_535
"""The networks decide how large a packet may be, never the link between two routers."""
_PREFIX = peer_ifname(0).removesuffix("0")


class PeeringDriver:
    """Reads and writes peerings by number."""

    def __init__(self, rooms: RouterRooms) -> None:
        self._rooms = rooms

    def read(self) -> Mapping[int, PeeringPlan]:
        """Return the peerings that are there; one that is not whole equals no wanted one."""
        ends: dict[int, dict[int, int]] = {}
        for router in self._rooms.numbers():
            if self._rooms.find(router) is None:
                continue
            for ifname, link in self._rooms.links(router).items():
                if ifname.startswith(_PREFIX):
                    number = int(ifname.removeprefix(_PREFIX))
                    ends.setdefault(number, {})[_side(number, link)] = router
        return {
            number: PeeringPlan(routers=(sides.get(0, 0), sides.get(1, 0)))
            for number, sides in ends.items()
        }

    def apply(self, delta: Delta[int, PeeringPlan]) -> Mapping[int, Exception]:
        """Make and remove peerings; return the failures by number."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _put(self, number: int, wanted: PeeringPlan) -> None:
        self._remove(number)
        first, second = wanted.routers
        name, there = peer_ifname(number), self._rooms.enter(second).name
        ends = [f"{name} address {peer_mac(number, side)} mtu {_MTU}" for side in (0, 1)]
        self._rooms.change(
            first,
            [f"link add {ends[0]} type veth peer name {ends[1]} netns {there}"],
        )
        for router in wanted.routers:
            self._rooms.change(router, [f"link set {name} up"])

    def _remove(self, number: int) -> None:
        name = peer_ifname(number)
        for router in self._rooms.numbers():
            if self._rooms.find(router) is not None and name in self._rooms.links(router):
                self._rooms.change(router, [f"link del {name}"])


def _side(number: int, link: RouterLink) -> int:
    """Return which end it is; -1: none that we made, or one that is down."""
    for side in (0, 1):
        if link.up and link.mac == peer_mac(number, side):
            return side
    return -1
