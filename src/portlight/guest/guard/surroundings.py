"""Which flows there are on this server now: the session at work, what is declared, what is live."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from portlight.guest.guard.connections import tracked_connections
from portlight.guest.guard.declared import declared_flows
from portlight.guest.guard.flows import Flow, Network
from portlight.guest.guard.ground import Ground, survey
from portlight.guest.guard.live import (
    MOST_LIVE_FLOWS,
    Known,
    carrier_flows,
    live_flows,
    session_flows,
)
from portlight.guest.guard.protected import Protected
from portlight.guest.guard.sessions import Door, Session, ssh_sessions
from portlight.guest.guard.sockets import read_sockets


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All flows that a change may touch."""

    door: Door
    flows: tuple[Flow, ...]
    unreachable: tuple[str, ...] = ()
    """What was declared and has no route now; it is asked about as if it had one."""
    untold: tuple[Protected, ...] = ()
    """What must stay open and could be asked about in part only."""
    is_complete: bool = True
    """False: more flows are live than were looked at."""


def look_around(
    door: Door, declared: Sequence[Protected], edges: Callable[[], Sequence[Network]]
) -> Surroundings:
    """Return the flows of this server; `edges` are prefixes that are treated differently.

    They are asked for only where a whole network was declared.
    """
    sockets = read_sockets()
    known = Known(tracked_connections())
    sessions = door.sessions
    if not sessions and not door.via:
        # Nobody can say which of them is at work here (tmux, a script): none may be cut.
        sessions = ssh_sessions()
    ground = survey(known.ends(sockets))
    promised = declared_flows(declared, ground, edges() if declared else ())
    named = [*_of_sessions(sessions, known, ground), *promised.flows]
    kept = {_ends(one) for one in named}
    found = [
        one
        for one in islice(live_flows(sockets, known, ground), MOST_LIVE_FLOWS + len(kept) + 1)
        if _ends(one) not in kept
    ]
    return Surroundings(
        door=door,
        flows=(*named, *found[:MOST_LIVE_FLOWS]),
        unreachable=promised.unreachable,
        untold=promised.untold,
        is_complete=len(found) <= MOST_LIVE_FLOWS,
    )


def _of_sessions(sessions: Sequence[Session], known: Known, ground: Ground) -> Iterator[Flow]:
    flows = tuple(session_flows(sessions, known, ground))
    yield from flows
    yield from carrier_flows(flows, known, ground)


def _ends(flow: Flow) -> tuple[object, ...]:
    return flow.protocol, flow.local, flow.local_port, flow.remote, flow.remote_port
