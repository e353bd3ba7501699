"""The connections that stand now, as flows: sessions, what carries them, and all others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from portlight.guest.guard.connections import Connection
from portlight.guest.guard.flows import Flow, Way, Weight
from portlight.guest.guard.ground import Ground
from portlight.guest.guard.sessions import Session
from portlight.guest.guard.sockets import Address, End, Protocol, Socket

MOST_LIVE_FLOWS: Final = 5_000
_CARRIED_BY: Final[dict[str, tuple[Protocol, ...]]] = {
    "wireguard": ("udp",),
    "vxlan": ("udp",),
    "geneve": ("udp",),
    "tun": ("udp", "tcp"),
}
"""Kinds of tunnels, by the protocols that their packets travel in."""


class Known:
    """What the kernel tracks, found by the ends that a socket has."""

    def __init__(self, tracked: Sequence[Connection] | None) -> None:
        self.is_told = tracked is not None
        """False: nobody can say what is tracked."""
        self.connections = tracked or ()
        self._found: dict[tuple[Protocol, End, End], tuple[Way, Connection]] = {}
        for one in self.connections:
            self._found[one.protocol, one.opener, one.called] = "out", one
            self._found[one.protocol, one.other, one.answered] = "in", one

    def of(self, socket: Socket) -> tuple[Way, Connection] | None:
        """Return the tracked connection of a socket, and who opened it."""
        return self._found.get((socket.protocol, socket.near, socket.far))

    def ends(self, sockets: Iterable[Socket]) -> Iterator[tuple[Address, Address]]:
        """Yield the addresses of all connections, the one that may be an own one first."""
        for socket in sockets:
            if not socket.is_listening:
                yield socket.local, socket.remote
        for one in islice(self.connections, MOST_LIVE_FLOWS):
            opener, other = one.opener[0], one.other[0]
            yield from ((opener, other), (other, opener))


def session_flows(sessions: Iterable[Session], known: Known, ground: Ground) -> Iterator[Flow]:
    """Yield the flows of those who are logged in."""
    for session in sessions:
        who = f"SSH session of {session.user}" if session.user else "SSH session"
        yield _of_socket(session.socket, "in", known, ground, (Weight.SESSION, who))


def carrier_flows(sessions: Iterable[Flow], known: Known, ground: Ground) -> Iterator[Flow]:
    """Yield the tracked flows of this server that may be the tunnel of a session."""
    tunnels = {one.interface or "" for one in sessions}
    for tunnel in tunnels & ground.links.keys():
        carriers = _CARRIED_BY.get(ground.links[tunnel].kind, ())
        what = Weight.SESSION, f"what may carry the session through {tunnel}"
        for one in known.connections:
            if one.protocol in carriers:
                flow = _of_connection(one, ground, what)
                if flow is not None and flow.way != "through" and flow.interface not in tunnels:
                    yield flow


def live_flows(sockets: Sequence[Socket], known: Known, ground: Ground) -> Iterator[Flow]:
    """Yield the connections of this server's sockets, and what else the kernel tracks."""
    what = Weight.LIVE, "live flow"
    served = {(one.protocol, one.local_port) for one in sockets if one.is_listening}
    for one in sockets:
        if not one.is_listening:
            way: Way = "in" if (one.protocol, one.local_port) in served else "out"
            yield _of_socket(one, way, known, ground, what)
    for connection in known.connections:
        flow = _of_connection(connection, ground, what)
        # TCP of this server without a socket is over; UDP may have one that is connected to nobody.
        if flow is not None and (flow.way == "through" or flow.protocol == "udp"):
            yield flow


def _of_socket(
    socket: Socket, way: Way, known: Known, ground: Ground, what: tuple[Weight, str]
) -> Flow:
    found = known.of(socket)
    flow = _of_connection(found[1], ground, what, found[0]) if found else None
    if flow is not None:
        return flow
    return _flow(
        what,
        (socket.protocol, way),
        (socket.near, socket.far),
        ground,
        is_tracked=socket.protocol == "udp" or not known.is_told,
    )


def _of_connection(
    one: Connection, ground: Ground, what: tuple[Weight, str], way: Way | None = None
) -> Flow | None:
    """Return a tracked connection as a flow; None for one through us that has no way."""
    is_own = one.other[0] in ground.own, one.opener[0] in ground.own
    way = way or ("in" if is_own[0] else "out" if is_own[1] else "through")
    ends = (one.opener, one.other) if way == "out" else (one.other, one.opener)
    ways = [ground.ways.get((end[0], None)) for end in (one.opener, one.other)]
    if way != "through":
        flow = _flow(what, (one.protocol, way), ends, ground)
    elif ways[0] is None or ways[1] is None:
        return None
    else:
        flow = replace(
            _flow((what[0], "forwarded flow"), (one.protocol, way), ends, ground),
            interface=ways[0].interface,
            out_interface=ways[1].interface,
        )
    return replace(
        flow,
        called=one.called if one.called != one.other else None,
        answered=one.answered if one.answered != one.opener else None,
    )


def _flow(
    what: tuple[Weight, str],
    how: tuple[Protocol, Way],
    ends: tuple[End, End],
    ground: Ground,
    *,
    is_tracked: bool = True,
) -> Flow:
    (local, local_port), (remote, remote_port) = ends
    return Flow(
        weight=what[0],
        name=what[1],
        protocol=how[0],
        way=how[1],
        local=local,
        local_port=local_port,
        remote=remote,
        remote_port=remote_port,
        interface=ground.entrance(local, remote),
        likely_interface=ground.likely_entrance(local, remote),
        out_interface=ground.exit(local, remote),
        is_tracked=is_tracked,
        neighbour=ground.neighbour(local, remote),
    )
