"""Which flows there are on this server now: the session at work, what is declared, what is live."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from portlight.guest.guard.connections import Connection, tracked_connections
from portlight.guest.guard.flows import (
    ANY_HIGH_PORT,
    Flow,
    Network,
    Weight,
    interface_of,
    representatives,
)
from portlight.guest.guard.protected import Protected
from portlight.guest.guard.sessions import Door, Session, ssh_sessions
from portlight.guest.guard.sockets import Address, Socket, read_sockets
from portlight.guest.guard.ways import Own, own_addresses, ways_to

MOST_LIVE_FLOWS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All flows that a change may touch."""

    door: Door
    flows: tuple[Flow, ...]
    unreachable: tuple[str, ...] = ()
    """What was declared and has no route: nothing can be asked about it."""
    is_complete: bool = True
    """False: more flows are live than were looked at."""


def look_around(
    door: Door, declared: Sequence[Protected], edges: Callable[[], Sequence[Network]]
) -> Surroundings:
    """Return the flows of this server; `edges` are prefixes that are treated differently.

    They are asked for only where a whole network was declared.
    """
    own = own_addresses()
    sockets = read_sockets()
    sessions: tuple[Session, ...] = (door.session,) if door.session else ()
    if not sessions and not door.via:
        # Nobody can say which of them is at work here (tmux, a script): none may be cut.
        sessions = ssh_sessions()
    named = [*_session_flows(sessions, own), *_declared_flows(declared, own, edges)]
    kept = {(one.local, one.local_port, one.remote, one.remote_port) for one in named}
    live = [
        one
        for one in islice(
            chain(_live_flows(sockets, own), _forwarded_flows(own)), MOST_LIVE_FLOWS + 1
        )
        if (one.local, one.local_port, one.remote, one.remote_port) not in kept
    ]
    return Surroundings(
        door=door,
        flows=(*named, *live[:MOST_LIVE_FLOWS]),
        unreachable=tuple(
            str(one) for one in declared if name_of(one) not in {flow.name for flow in named}
        ),
        is_complete=len(live) <= MOST_LIVE_FLOWS,
    )


def name_of(declared: Protected) -> str:
    """Return what a declaration is called in reports."""
    return f"protected: {declared}"


def _session_flows(sessions: Iterable[Session], own: Own) -> Iterator[Flow]:
    for session in sessions:
        who = f"SSH session of {session.user}" if session.user else "SSH session"
        yield _flow_of(session.socket, own, Weight.SESSION, who, is_inbound=True)


def _live_flows(sockets: Sequence[Socket], own: Own) -> Iterator[Flow]:
    served = {(one.protocol, one.local_port) for one in sockets if one.is_listening}
    for one in sockets:
        if not one.is_listening:
            inbound = (one.protocol, one.local_port) in served
            yield _flow_of(one, own, Weight.LIVE, "live flow", is_inbound=inbound)


def _entrance(socket: Socket, own: Own) -> str:
    """Return by which interface the other end's packets come."""
    interface = interface_of(socket.local, socket.remote, own)
    if interface:
        return interface
    # An address that no card has, such as one on the loopback: where its answers leave.
    asked = (socket.remote, socket.local)
    way = ways_to([asked]).get(asked)
    return way.interface if way else ""


def _flow_of(socket: Socket, own: Own, weight: Weight, name: str, *, is_inbound: bool) -> Flow:
    return Flow(
        weight=weight,
        name=name,
        protocol=socket.protocol,
        way="in" if is_inbound else "out",
        local=socket.local,
        local_port=socket.local_port,
        remote=socket.remote,
        remote_port=socket.remote_port,
        interface=_entrance(socket, own),
    )


def _declared_flows(
    declared: Sequence[Protected], own: Own, edges: Callable[[], Sequence[Network]]
) -> Iterator[Flow]:
    """Yield what must be possible, for every own address that can answer where it is asked."""
    known = edges() if declared else ()
    peers = {one: representatives(one.network, known) for one in declared}
    chosen = ways_to((peer, None) for remotes in peers.values() for peer in remotes)
    answers = ways_to(
        (peer, address)
        for one, remotes in peers.items()
        for peer in remotes
        for address in own
        if one.way == "in" and address.version == peer.version and not address.is_link_local
    )
    for one, remotes in peers.items():
        for peer in remotes:
            way = chosen.get((peer, None))
            ends = {way.source: way.interface} if way and way.source else {}
            for address, interface in own.items() if one.way == "in" else ():
                answer = answers.get((peer, address))
                if answer is not None and answer.interface == interface:
                    ends[address] = interface
            for address, interface in ends.items():
                yield _declared_flow(one, peer, address, interface)


def _declared_flow(one: Protected, peer: Address, address: Address, interface: str) -> Flow:
    inbound = one.way == "in"
    return Flow(
        weight=Weight.DECLARED,
        name=name_of(one),
        protocol=one.protocol,
        way=one.way,
        local=address,
        local_port=one.port if inbound else ANY_HIGH_PORT,
        remote=peer,
        remote_port=ANY_HIGH_PORT if inbound else one.port,
        interface=interface,
        is_live=False,
    )


def _forwarded_flows(own: Own) -> Iterator[Flow]:
    """Yield what goes through this server, as far as the kernel tracks it."""
    passing = list(islice(_passing(own), MOST_LIVE_FLOWS + 1))
    ways = ways_to((end, None) for one in passing for end in (one.source, one.destination))
    for one in passing:
        back, forth = ways.get((one.source, None)), ways.get((one.destination, None))
        if back is None or forth is None:
            continue
        yield Flow(
            weight=Weight.LIVE,
            name="forwarded flow",
            protocol=one.protocol,
            way="through",
            local=one.destination,
            local_port=one.destination_port,
            remote=one.source,
            remote_port=one.source_port,
            interface=back.interface,
            out_interface=forth.interface,
        )


def _passing(own: Own) -> Iterator[Connection]:
    for one in tracked_connections():
        if not {one.source, one.destination} & own.keys() and not one.source.is_loopback:
            yield one
