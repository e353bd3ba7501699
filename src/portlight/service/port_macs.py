"""Which MAC addresses new ports get: those asked for, or random ones that are free."""

from collections.abc import Iterable, Sequence

from portlight.core.drafts import Unset
from portlight.core.errors import ConflictError
from portlight.core.errors_network import MacAddressInUseError
from portlight.core.port import Port
from portlight.service.work import Work
from portlight.store.protocol import Where
from portlight.values.addresses import MacAddress
from portlight.values.ids import NetworkId

ATTEMPTS = 16
_LOOKED_UP_AT_ONCE = 512

Place = tuple[NetworkId, MacAddress]


def choose(work: Work, asked: Sequence[tuple[NetworkId, MacAddress | Unset]]) -> list[MacAddress]:
    """Return a MAC for each port, used by no other port of its network.

    Raise MacAddressInUseError for one that was asked for and is in use.
    """
    chosen: dict[int, MacAddress] = {}
    given: set[Place] = set()
    for index, (network_id, mac) in enumerate(asked):
        if not isinstance(mac, Unset):
            if (network_id, mac) in given:
                raise MacAddressInUseError(network_id, mac)
            given.add((network_id, mac))
            chosen[index] = mac
    for network_id, mac in sorted(_used(work, given)):
        raise MacAddressInUseError(network_id, mac)
    open_ones = {index: place[0] for index, place in enumerate(asked) if index not in chosen}
    chosen.update(_draw(work, open_ones, given))
    return [chosen[index] for index in range(len(asked))]


def _draw(work: Work, networks: dict[int, NetworkId], given: set[Place]) -> dict[int, MacAddress]:
    """Return a random free MAC for each of these ports; those in `given` are not free."""
    chosen: dict[int, MacAddress] = {}
    taken = set(given)
    for _ in range(ATTEMPTS):
        left = [(index, place) for index, place in networks.items() if index not in chosen]
        if not left:
            return chosen
        drawn = [(index, (network_id, work.ids.mac())) for index, network_id in left]
        used = _used(work, [place for _, place in drawn])
        for index, place in drawn:
            if place not in used and place not in taken:
                taken.add(place)
                chosen[index] = place[1]
    raise ConflictError("No free MAC address was found for the port.")


def _used(work: Work, places: Iterable[Place]) -> set[Place]:
    """Return those of the places that a port has."""
    by_network: dict[NetworkId, list[str]] = {}
    for network_id, mac in places:
        by_network.setdefault(network_id, []).append(str(mac))
    used: set[Place] = set()
    for network_id, macs in by_network.items():
        for start in range(0, len(macs), _LOOKED_UP_AT_ONCE):
            where: Where = {
                "network_id": [network_id],
                "mac": macs[start : start + _LOOKED_UP_AT_ONCE],
            }
            used |= {(network_id, port.mac) for port in work.tx.find(Port, where)}
    return used
