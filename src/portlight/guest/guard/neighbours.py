"""How IPv6 finds who is next on the link: messages that a firewall can lose like any packet.

Pure. Nothing asks for them until a neighbour was silent for some seconds (RFC 4861, section 7.3):
rules that drop them cut off nobody at once, and everybody after the next pause.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from portlight.guest.guard.sockets import Address

ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT = 134, 135, 136
"""ICMPv6 types (RFC 4861, section 4)."""
_NAMES: Final = {
    ROUTER_ADVERTISEMENT: "a router advertisement",
    SOLICITATION: "a neighbour solicitation",
    ADVERTISEMENT: "a neighbour advertisement",
}
_ALL_NODES: Final = IPv6Address("ff02::1")
_SOLICITED: Final = int(IPv6Address("ff02::1:ff00:0"))
_LINK_LOCAL: Final = int(IPv6Address("fe80::"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Whom packets are handed to on the link."""

    address: Address
    """The next router, or the other end itself."""
    own: Address | None
    """The link-local address of this server there."""
    is_advertised: bool
    """Whether the way to it is known from its own advertisements, and ends when they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of neighbour discovery."""

    type: int
    source: Address
    destination: Address
    comes_in: bool

    def __str__(self) -> str:
        """Say what it is, and whose."""
        way = "in" if self.comes_in else "out"
        return f"{_NAMES[self.type]} {way} ({self.source} -> {self.destination})"


def messages(local: Address, neighbour: Neighbour) -> Iterator[Message]:
    """Yield what must pass so that an own address and a neighbour keep finding each other.

    Who was never seen is asked for through a group, from the address that wants to send; who was
    seen is asked itself, from a link-local address.
    """
    peer, own = neighbour.address, neighbour.own or local
    close = IPv6Address(_LINK_LOCAL | int(peer) % (1 << 64))
    for kind, source, destination in (
        (ADVERTISEMENT, peer, local),
        (SOLICITATION, peer, _solicited(local)),
        (SOLICITATION, close, local),
    ):
        yield Message(type=kind, source=source, destination=destination, comes_in=True)
    for kind, source, destination in (
        (ADVERTISEMENT, local, peer),
        (SOLICITATION, local, _solicited(peer)),
        (SOLICITATION, own, peer),
    ):
        yield Message(type=kind, source=source, destination=destination, comes_in=False)
    if neighbour.is_advertised:
        yield Message(type=ROUTER_ADVERTISEMENT, source=peer, destination=_ALL_NODES, comes_in=True)


def _solicited(address: Address) -> IPv6Address:
    """Return the group of an address (RFC 4291, section 2.7.1)."""
    return IPv6Address(_SOLICITED | int(address) % (1 << 24))
