"""Where this server stands: its addresses, links and ways, and what they say about a packet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portlight.guest.guard.flows import LOOPBACK
from portlight.guest.guard.neighbours import Neighbour
from portlight.guest.guard.sockets import Address
from portlight.guest.guard.ways import Link, Own, Question, Way, links_up, own_addresses, ways_to

IPV6 = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the kernel tells about this server's own side of flows."""

    own: Own
    links: Mapping[str, Link]
    ways: Mapping[Question, Way]

    def entrance(self, local: Address, remote: Address) -> str | None:
        """Return by which interface packets of another end come; None if nobody can say.

        The interface that has the address says so only together with the way back: an address on
        the loopback, or one that answers through another interface, is reached by any.
        """
        if remote in self.own or remote.is_loopback:
            return LOOPBACK
        holder = self.own.get(local)
        if holder is not None and (remote.is_link_local or holder == self.exit(local, remote)):
            return holder
        return next(iter(self.links)) if len(self.links) == 1 else None

    def likely_entrance(self, local: Address, remote: Address) -> str | None:
        """Return where they come in most networks: where the address is, or where answers leave."""
        holder = self.own.get(local)
        return self.exit(local, remote) if holder in {None, LOOPBACK} else holder

    def exit(self, local: Address, remote: Address) -> str | None:
        """Return by which interface packets to another end leave; None without a way."""
        if remote in self.own or remote.is_loopback:
            return LOOPBACK
        if remote.is_link_local:
            return self.own.get(local)
        way = self.ways.get((remote, local))
        return way.interface if way else None

    def neighbour(self, local: Address, remote: Address) -> Neighbour | None:
        """Return whom IPv6 packets to another end are handed to, if that one has to be found."""
        interface, way = self.exit(local, remote), self.ways.get((remote, local))
        link = self.links.get(interface or "")
        if remote.version != IPV6 or link is None or not link.asks_neighbours:
            return None
        gateway = way.gateway if way else None
        near = (one for one, place in self.own.items() if place == interface and one.is_link_local)
        return Neighbour(
            address=gateway or remote,
            own=next(near, None),
            is_advertised=way is not None and way.is_advertised,
        )


def survey(flows: Iterable[tuple[Address, Address]]) -> Ground:
    """Return where this server stands towards these other ends, each with the own one."""
    own = own_addresses()
    outside = (
        (remote, local if local in own else None) for local, remote in flows if remote not in own
    )
    return Ground(own=own, links=links_up(), ways=ways_to(outside))
