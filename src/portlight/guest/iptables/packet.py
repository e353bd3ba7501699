"""A packet that has not been sent: what a firewall can see of one.

Values only. None means that the question did not say; a verdict that needs it depends on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from portlight.guest.iptables.meaning import ADDRESS_TYPES, PACKET_TYPES, STATES, Field
from portlight.guest.iptables.names import ICMP, ICMPV6, TCP

SYN: Final = 0x02
ACK: Final = 0x10
_BROADCAST: Final = IPv4Address("255.255.255.255")


class Hook(StrEnum):
    """Where the packet goes: to this server, from it, or through it."""

    INPUT = "INPUT"
    FORWARD = "FORWARD"
    OUTPUT = "OUTPUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet and how it travels."""

    hook: Hook
    source: IPv4Address | IPv6Address | None
    destination: IPv4Address | IPv6Address | None
    protocol: int
    in_interface: str | None = None
    out_interface: str | None = None
    source_port: int | None = None
    destination_port: int | None = None
    tcp_flags: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = 0
    state: str | None = "NEW"
    """One of meaning.STATES: what conntrack makes of it."""
    carried_to: tuple[IPv4Address | IPv6Address, int] | None = None
    """Where a packet of a translated connection goes on from nat, if not where it is addressed."""
    is_later_fragment: bool = False
    mark: int | None = 0
    source_mac: str | None = None
    length: int | None = None
    ttl: int | None = None
    user: int | None = None
    packet_type: str | None = None

    @property
    def family(self) -> int:
        """Return 4 or 6; without any address 4."""
        known = self.source or self.destination
        return known.version if known else 4


def field_value(packet: Packet, field: Field) -> int | None:
    """Return what a packet has in a field, as a number; None if nobody said."""
    return _VALUES[field](packet)


def _icmp(packet: Packet) -> int | None:
    if packet.protocol not in {ICMP, ICMPV6} or packet.icmp_type is None:
        return None
    return None if packet.icmp_code is None else packet.icmp_type << 8 | packet.icmp_code


def _tcp_flags(packet: Packet) -> int | None:
    """Return the flags; the first packet of a connection has only SYN."""
    if packet.tcp_flags is None and packet.protocol == TCP and packet.state == "NEW":
        return SYN
    return packet.tcp_flags


def _mac(packet: Packet) -> int | None:
    return None if packet.source_mac is None else int(packet.source_mac.replace(":", ""), 16)


def _place(word: str | None, known: tuple[str, ...]) -> int | None:
    return None if word is None else known.index(word)


def _source_type(packet: Packet) -> int | None:
    is_own = packet.hook is Hook.OUTPUT or (packet.source is not None and packet.source.is_loopback)
    return _place("LOCAL" if is_own else None, ADDRESS_TYPES)


def _destination_type(packet: Packet) -> int | None:
    """Return the kind of address; what reaches INPUT and is no group is this server's own."""
    destination = packet.destination
    if destination is None:
        return None
    if destination.is_multicast:
        return ADDRESS_TYPES.index("MULTICAST")
    if destination == _BROADCAST:
        return ADDRESS_TYPES.index("BROADCAST")
    # The last address of a subnet may be its broadcast address, and it is odd.
    is_one_host = packet.family != 4 or int(destination) & 1 == 0  # noqa: PLR2004 -- the family's name
    if destination.is_loopback or (packet.hook is Hook.INPUT and is_one_host):
        return ADDRESS_TYPES.index("LOCAL")
    return None


_VALUES: Final[Mapping[Field, Callable[[Packet], int | None]]] = {
    Field.SOURCE: lambda packet: None if packet.source is None else int(packet.source),
    Field.DESTINATION: lambda packet: (
        None if packet.destination is None else int(packet.destination)
    ),
    Field.PROTOCOL: lambda packet: packet.protocol,
    Field.SOURCE_PORT: lambda packet: packet.source_port,
    Field.DESTINATION_PORT: lambda packet: packet.destination_port,
    Field.TCP_FLAGS: _tcp_flags,
    Field.ICMP: _icmp,
    Field.STATE: lambda packet: _place(packet.state, STATES),
    Field.FRAGMENT: lambda packet: int(packet.is_later_fragment),
    Field.MARK: lambda packet: packet.mark,
    Field.SOURCE_MAC: _mac,
    Field.LENGTH: lambda packet: packet.length,
    Field.TTL: lambda packet: packet.ttl,
    Field.USER: lambda packet: packet.user,
    Field.SOURCE_TYPE: _source_type,
    Field.DESTINATION_TYPE: _destination_type,
    Field.PACKET_TYPE: lambda packet: _place(packet.packet_type, PACKET_TYPES),
}
