"""Who talks to whom, and the packets by which one sees whether they still can.

Pure: values in, values out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

from portlight.guest.guard.sockets import Address, Protocol

Network = IPv4Network | IPv6Network
End = tuple[Address, int]
"""An address and a port."""
Way = Literal["in", "out", "through"]
ConnectionState = Literal["NEW", "ESTABLISHED"]

LOOPBACK: Final = "lo"
ANY_HIGH_PORT: Final = 50022
"""Stands for the port that a client is given by its kernel (RFC 6335, section 6)."""
_MOST_REPRESENTATIVES: Final = 128


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
    interface: str
    """By which packets of the other end come; with `through`, those of the end that opened it."""
    out_interface: str = ""
    """With `through` only: by which they leave."""
    is_live: bool = True

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

    @property
    def comes_in(self) -> bool:
        """Whether this server receives it."""
        return (self.flow.way != "out") == self.from_opener

    @property
    def ends(self) -> tuple[End, End]:
        """Who sends the packet, and who gets it."""
        near = (self.flow.local, self.flow.local_port)
        far = (self.flow.remote, self.flow.remote_port)
        return (far, near) if self.comes_in else (near, far)

    @property
    def text(self) -> str:
        """Say what packet this is."""
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


def representatives(network: Network, edges: Iterable[Network]) -> tuple[Address, ...]:
    """Return addresses such that any of the network is treated as one of them.

    Rules tell addresses apart at the edges of the prefixes they name and nowhere else, so the
    addresses at both sides of each edge, and the network's own first and last, stand for all. Where
    they are too many, the first edges count.
    """
    first, last = int(network.network_address), int(network.broadcast_address)
    chosen = {first, last}
    for edge in edges:
        if len(chosen) >= _MOST_REPRESENTATIVES:
            break
        if edge.version == network.version:
            low, high = int(edge.network_address), int(edge.broadcast_address)
            chosen |= {at for at in (low - 1, low, high, high + 1) if first <= at <= last}
    make = type(network.network_address)
    return tuple(make(at) for at in sorted(chosen))


def interface_of(flow_end: Address, other: Address, own: Mapping[Address, str]) -> str:
    """Return the interface of the packets between an own address and another; "" if unknown."""
    if other in own or other.is_loopback:
        return LOOPBACK
    interface = own.get(flow_end, "")
    return "" if interface == LOOPBACK else interface
