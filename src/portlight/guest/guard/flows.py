"""Who talks to whom, and the packets by which one sees whether they still can.

Pure: values in, values out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

from portlight.guest.guard.neighbours import Message, Neighbour, messages
from portlight.guest.guard.sockets import Address, End, Protocol

Network = IPv4Network | IPv6Network
Way = Literal["in", "out", "through"]
ConnectionState = Literal["NEW", "ESTABLISHED", "UNTRACKED"]

LOOPBACK: Final = "lo"
ANY_HIGH_PORT: Final = 50022
"""Stands for the port that a client is given by its kernel (RFC 6335, section 6)."""
_MOST_REPRESENTATIVES: Final = 512


class Weight(IntEnum):
    """What it would mean to lose a flow."""

    SESSION = 1
    """The person at work would be cut off."""
    DECLARED = 2
    """Somebody said that this must stay open."""
    LIVE = 3
    """It is in use now; cutting it may be what is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A connection that is there, or that must be possible at any time."""

    weight: Weight
    name: str
    protocol: Protocol
    way: Way
    """`in`: the other end opened it; `through`: neither end is this server."""
    local: Address
    local_port: int
    remote: Address
    remote_port: int
    interface: str | None
    """By which packets of the other end come, None if nobody can say; with `through`, those of the
    end that opened it."""
    likely_interface: str | None = None
    """By which they come in most networks, where that is all one can say."""
    out_interface: str | None = None
    """By which packets to the other end leave; with `through`, those of the end that opened it."""
    is_live: bool = True
    is_tracked: bool = True
    """False: the kernel takes the next packet of either end for the first of a connection."""
    called: End | None = None
    """Where the end that opened it sends to, if that is translated."""
    answered: End | None = None
    """Where the other end's packets are sent to, if that is translated."""
    neighbour: Neighbour | None = None
    """Whom its packets are handed to, if that one has to be found by packets too."""

    @property
    def ends(self) -> str:
        """The two ends, the one that opened it first."""
        near, far = end(self.local, self.local_port), end(self.remote, self.remote_port)
        first, second = (near, far) if self.way == "out" else (far, near)
        return f"{first} -> {second} {self.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One packet of a flow."""

    flow: Flow
    state: ConnectionState
    from_opener: bool
    """Sent by the end that opened the connection."""
    is_midway: bool = False
    """A connection goes on with it, and the kernel knows nothing of that."""
    message: Message | None = None
    """Not a packet of the connection, but one without which none of its packets finds its way."""

    @property
    def comes_in(self) -> bool:
        """Whether this server receives it."""
        if self.message is not None:
            return self.message.comes_in
        return (self.flow.way != "out") == self.from_opener

    @property
    def ends(self) -> tuple[End, End]:
        """Who sends the packet, and who gets it."""
        near = (self.flow.local, self.flow.local_port)
        far = (self.flow.remote, self.flow.remote_port)
        return (far, near) if self.comes_in else (near, far)

    @property
    def addressed_to(self) -> End:
        """Where it is sent to, before any translation."""
        translated = self.flow.called if self.from_opener else self.flow.answered
        return translated or self.ends[1]

    @property
    def text(self) -> str:
        """Say what packet this is."""
        if self.message is not None:
            return f"{self.message}, without which IPv6 stops after the next pause"
        if self.is_midway:
            way = "in" if self.comes_in else "out"
            return f"the next packet {way}, which is NEW: the kernel does not track the connection"
        if self.state == "NEW":
            return "the first packet of a new connection"
        if not self.flow.is_live and not self.from_opener:
            return "the answer to a new connection"
        return "the next packet in" if self.comes_in else "the next packet out"


def end(address: Address, port: int) -> str:
    """Return address and port as people write them."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"  # noqa: PLR2004 -- IPv6


def probes(flow: Flow) -> Iterator[Probe]:
    """Yield the packets that must pass: of the live connection both ways, and to open it again."""
    yield Probe(flow=flow, state="ESTABLISHED", from_opener=True)
    yield Probe(flow=flow, state="ESTABLISHED", from_opener=False)
    if flow.weight is not Weight.LIVE:
        yield Probe(flow=flow, state="NEW", from_opener=True)
        for message in messages(flow.local, flow.neighbour) if flow.neighbour else ():
            yield Probe(flow=flow, state="UNTRACKED", from_opener=True, message=message)
    if not flow.is_tracked:
        # Whichever end is first to send begins a connection in the kernel's eyes, without a SYN.
        yield Probe(flow=flow, state="NEW", from_opener=True, is_midway=True)
        yield Probe(flow=flow, state="NEW", from_opener=False, is_midway=True)


def representatives(network: Network, edges: Iterable[Network]) -> tuple[tuple[Address, ...], bool]:
    """Return addresses such that any of the network is treated as one of them; whether any is.

    Rules tell addresses apart at the edges of the prefixes they name and nowhere else, so the
    addresses at both sides of each edge, and the network's own first and last, stand for all. Where
    they are too many, the first edges count.
    """
    first, last = int(network.network_address), int(network.broadcast_address)
    chosen, is_complete = {first, last}, True
    for edge in edges:
        if edge.version != network.version:
            continue
        low, high = int(edge.network_address), int(edge.broadcast_address)
        more = {at for at in (low - 1, low, high, high + 1) if first <= at <= last} - chosen
        if more and len(chosen) >= _MOST_REPRESENTATIVES:
            is_complete = False
            break
        chosen |= more
    make = type(network.network_address)
    return tuple(make(at) for at in sorted(chosen)), is_complete
