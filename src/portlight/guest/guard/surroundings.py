"""Which flows there are on this server now: the session at work, what is declared, what is live."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from itertools import chain, islice
from typing import Any, Final

from portlight.guest.guard.connections import tracked_connections
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
from portlight.guest.guard.sockets import Address, Socket, plain, read_sockets

MOST_LIVE_FLOWS: Final = 5_000

Own = tuple[tuple[Address, str], ...]
"""Own addresses, each with its interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All flows that a change of the firewall may touch."""

    door: Door
    flows: tuple[Flow, ...]
    unreachable: tuple[str, ...] = ()
    """What was declared and has no route: nothing can be asked about it."""
    is_complete: bool = True
    """False: more flows are live than were looked at."""


def look_around(
    door: Door, declared: Sequence[Protected], edges: Sequence[Network]
) -> Surroundings:
    """Return the flows of this server; `edges` are the prefixes that rules name."""
    own = own_addresses()
    sockets = read_sockets()
    sessions: tuple[Session, ...] = (door.session,) if door.session else ()
    if not sessions and not door.via:
        # Nobody can say which of them is at work here (tmux, a script): none may be cut.
        sessions = ssh_sessions()
    named = [*_session_flows(sessions, own), *_declared_flows(declared, edges)]
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


def own_addresses() -> Own:
    """Return this server's addresses, each with its interface."""
    return tuple(
        (plain(ip_address(address["local"])), link["ifname"])
        for link in _ip("address", "show")
        for address in link["addr_info"]
        if "local" in address
    )


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
        interface=interface_of(socket.local, socket.remote, own),
    )


def _declared_flows(declared: Iterable[Protected], edges: Sequence[Network]) -> Iterator[Flow]:
    for one in declared:
        for remote in representatives(one.network, edges):
            route = _route_to(remote)
            if route is None:
                continue
            inbound = one.way == "in"
            yield Flow(
                weight=Weight.DECLARED,
                name=name_of(one),
                protocol=one.protocol,
                way=one.way,
                local=ip_address(route["prefsrc"]),
                local_port=one.port if inbound else ANY_HIGH_PORT,
                remote=remote,
                remote_port=ANY_HIGH_PORT if inbound else one.port,
                interface=route["dev"],
                is_live=False,
            )


def _forwarded_flows(own: Own) -> Iterator[Flow]:
    """Yield what goes through this server, as far as the kernel tracks it."""
    addresses = {address for address, _ in own}
    route_to = cache(_route_to)
    for one in tracked_connections():
        source, destination = ip_address(one.source), ip_address(one.destination)
        if {source, destination} & addresses or source.is_loopback:
            continue
        back, forth = route_to(source), route_to(destination)
        if back is None or forth is None:
            continue
        yield Flow(
            weight=Weight.LIVE,
            name="forwarded flow",
            protocol=one.protocol,
            way="through",
            local=destination,
            local_port=one.destination_port,
            remote=source,
            remote_port=one.source_port,
            interface=back["dev"],
            out_interface=forth["dev"],
        )


def _route_to(address: Address) -> dict[str, Any] | None:
    """Return device and source address of packets to an address; None without a way."""
    found = _ip("route", "get", str(address))
    return found[0] if found and "prefsrc" in found[0] else None


def _ip(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ("ip", "-json", *arguments), capture_output=True, text=True, check=False, timeout=10
    )
    parsed: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return parsed
