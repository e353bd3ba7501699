"""A frame as a packet: what the rules may look at, or the reason why it is refused unread.

Pure. Written from section 1 of docs/design/packet-path.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from portlight.core import wire
from portlight.core.wire import MalformedError
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.verdict import DropReason

ICMP, TCP, UDP, DCCP, ICMPV6, SCTP, VRRP, UDP_LITE = 1, 6, 17, 33, 58, 132, 112, 136
PORT_PROTOCOLS = frozenset({TCP, UDP, DCCP, SCTP, UDP_LITE})

_ETHERNET_BYTES = 14
_ETHERTYPE_ARP, _ETHERTYPE_IPV4, _ETHERTYPE_IPV6 = 0x0806, 0x0800, 0x86DD
_ETHERTYPES_VLAN = (0x8100, 0x88A8)
_FRAGMENT_HEADER = 44
_EXTENSION_HEADERS = frozenset({0, 43, _FRAGMENT_HEADER, 60})
"""Hop-by-hop, routing, fragment and destination options."""
_MAX_EXTENSION_HEADERS = 8
_MAX_DATAGRAM_BYTES = 65_535
_TCP_HEADER_BYTES = 20
_ICMPV6_LONG_TYPES = frozenset({1, 2, 3, 4, 128, 129})
_UPPER_BYTES = {UDP: 8, UDP_LITE: 8, SCTP: 12, DCCP: 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arp:
    """An ARP request or reply for IPv4 over Ethernet."""

    sender_mac: MacAddress
    sender_ip: IPv4Address
    target_ip: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """The place of a part of a datagram."""

    identification: int
    offset_bytes: int
    protocol: int
    """By which the parts know each other: for IPv6 the next header of the fragment header."""

    @property
    def is_first(self) -> bool:
        """Whether the upper header is in this part."""
        return self.offset_bytes == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ip:
    """An IPv4 or IPv6 packet."""

    source: IpAddress
    destination: IpAddress
    protocol: int
    """The upper protocol, after the extension headers."""
    hop_limit: int
    payload: bytes
    """From the upper header on, without padding; in a later fragment the middle of a datagram."""
    fragment: Fragment | None = None
    """None for a whole packet, also for an atomic fragment."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.source.version

    @property
    def is_later_fragment(self) -> bool:
        """Whether the upper header is in another packet."""
        return self.fragment is not None and not self.fragment.is_first

    @property
    def has_ports(self) -> bool:
        """Whether the upper header begins with a source and a destination port."""
        return self.protocol in PORT_PROTOCOLS and not self.is_later_fragment

    @property
    def source_port(self) -> int:
        """The source port, 0 for protocols without."""
        return wire.uint16(self.payload, 0) if self.has_ports else 0

    @property
    def destination_port(self) -> int:
        """The destination port, 0 for protocols without."""
        return wire.uint16(self.payload, 2) if self.has_ports else 0

    @property
    def icmp_type(self) -> int | None:
        """The type of ICMP within IPv4 or ICMPv6 within IPv6; None for everything else."""
        is_icmp = self.protocol == (ICMP if self.family == wire.IPV4 else ICMPV6)
        return self.payload[0] if is_icmp and not self.is_later_fragment else None

    @property
    def icmp_code(self) -> int:
        """The code that goes with `icmp_type`."""
        return self.payload[1]

    @property
    def tcp_flags(self) -> int:
        """The low byte of the TCP flags, 0 for other protocols."""
        return self.payload[13] if self.protocol == TCP and not self.is_later_fragment else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A frame that could be read."""

    source_mac: MacAddress
    destination_mac: MacAddress
    content: Arp | Ip


def parse_packet(frame: bytes, *, vlan_tagged: bool = False) -> Packet | DropReason:
    """Read a frame; `vlan_tagged` tells of a tag that the network card has taken out."""
    if len(frame) < _ETHERNET_BYTES:
        return DropReason.MALFORMED
    ethertype = wire.uint16(frame, 12)
    if vlan_tagged or ethertype in _ETHERTYPES_VLAN:
        return DropReason.VLAN_TAGGED
    reader = _READERS.get(ethertype)
    if reader is None:
        return DropReason.ETHERTYPE_REFUSED
    try:
        content = reader(frame[_ETHERNET_BYTES:])
    except MalformedError:
        return DropReason.MALFORMED
    return Packet(
        source_mac=MacAddress(int.from_bytes(frame[6:12], "big")),
        destination_mac=MacAddress(int.from_bytes(frame[0:6], "big")),
        content=content,
    )


def _parse_arp(raw: bytes) -> Arp:
    wire.need(raw, 28)
    if raw[:6] != b"\x00\x01\x08\x00\x06\x04":
        raise MalformedError("not ARP for IPv4 over Ethernet")
    return Arp(
        sender_mac=MacAddress(int.from_bytes(raw[8:14], "big")),
        sender_ip=IPv4Address(raw[14:18]),
        target_ip=IPv4Address(raw[24:28]),
    )


def _parse_ipv4(raw: bytes) -> Ip:
    wire.need(raw, 20)
    header, total = (raw[0] & 0x0F) * 4, wire.uint16(raw, 2)
    if raw[0] >> 4 != wire.IPV4 or not 20 <= header <= total <= len(raw):  # noqa: PLR2004 -- RFC 791
        raise MalformedError("IPv4 header")
    payload, protocol = raw[header:total], raw[9]
    flags = wire.uint16(raw, 6)
    fragment = _check_fragment(
        identification=wire.uint16(raw, 4),
        offset_bytes=(flags & 0x1FFF) * 8,
        has_more=bool(flags & 0x2000),
        protocol=protocol,
        payload=payload,
    )
    packet = Ip(
        source=IPv4Address(raw[12:16]),
        destination=IPv4Address(raw[16:20]),
        protocol=protocol,
        hop_limit=raw[8],
        payload=payload,
        fragment=fragment,
    )
    _check_upper_header(packet)
    return packet


def _parse_ipv6(raw: bytes) -> Ip:
    wire.need(raw, 40)
    length = wire.uint16(raw, 4)
    if raw[0] >> 4 != wire.IPV6 or length > len(raw) - 40:
        raise MalformedError("IPv6 header")
    protocol, payload, fragment = _walk_extensions(raw[6], raw[40 : 40 + length])
    packet = Ip(
        source=IPv6Address(raw[8:24]),
        destination=IPv6Address(raw[24:40]),
        protocol=protocol,
        hop_limit=raw[7],
        payload=payload,
        fragment=fragment,
    )
    _check_upper_header(packet)
    return packet


_READERS: Mapping[int, Callable[[bytes], Arp | Ip]] = {
    _ETHERTYPE_ARP: _parse_arp,
    _ETHERTYPE_IPV4: _parse_ipv4,
    _ETHERTYPE_IPV6: _parse_ipv6,
}


def _walk_extensions(header: int, rest: bytes) -> tuple[int, bytes, Fragment | None]:
    """Return the upper protocol, what follows the extension headers, and the fragment if it is one.

    A later fragment ends the walk: what follows its header is the middle of something.
    """
    fragment, fragment_headers = None, 0
    for _ in range(_MAX_EXTENSION_HEADERS):
        if header not in _EXTENSION_HEADERS:
            return header, rest, fragment
        wire.need(rest, 8)
        if header == _FRAGMENT_HEADER:
            fragment_headers += 1
            if fragment_headers > 1:
                raise MalformedError("second fragment header")
            fragment, header, rest = _parse_fragment_header(rest)
            if fragment is not None and not fragment.is_first:
                return header, rest, fragment
        else:
            length = (rest[1] + 1) * 8
            wire.need(rest, length)
            header, rest = rest[0], rest[length:]
    if header in _EXTENSION_HEADERS:
        raise MalformedError("too many extension headers")
    return header, rest, fragment


def _parse_fragment_header(rest: bytes) -> tuple[Fragment | None, int, bytes]:
    place = wire.uint16(rest, 2)
    fragment = _check_fragment(
        identification=wire.uint32(rest, 4),
        offset_bytes=place & 0xFFF8,
        has_more=bool(place & 1),
        protocol=rest[0],
        payload=rest[8:],
    )
    return fragment, rest[0], rest[8:]


def _check_fragment(
    *, identification: int, offset_bytes: int, has_more: bool, protocol: int, payload: bytes
) -> Fragment | None:
    """Return the place of a part, None for a whole packet; refuse what only an attack sends."""
    if not offset_bytes and not has_more:
        return None
    if has_more and len(payload) % 8:
        raise MalformedError("a part before the last is no multiple of 8 bytes")
    if offset_bytes + len(payload) > _MAX_DATAGRAM_BYTES:
        raise MalformedError("the datagram would be too long")
    if protocol == TCP and 0 < offset_bytes < _TCP_HEADER_BYTES:
        raise MalformedError("a part would lie over the TCP header (RFC 1858)")
    return Fragment(identification=identification, offset_bytes=offset_bytes, protocol=protocol)


def _check_upper_header(packet: Ip) -> None:
    if packet.is_later_fragment:
        return
    payload = packet.payload
    if packet.protocol == TCP:
        wire.need(payload, _TCP_HEADER_BYTES)
        wire.need(payload, max(_TCP_HEADER_BYTES, (payload[12] >> 4) * 4))
        if payload[12] >> 4 < _TCP_HEADER_BYTES // 4:
            raise MalformedError("TCP data offset")
    elif packet.protocol in _UPPER_BYTES:
        wire.need(payload, _UPPER_BYTES[packet.protocol])
        if packet.protocol == UDP and packet.fragment is None:
            _check_udp_length(payload)
    elif packet.protocol == ICMP and packet.family == wire.IPV4:
        wire.need(payload, 8)
    elif packet.protocol == ICMPV6 and packet.family == wire.IPV6:
        wire.need(payload, 4)
        wire.need(payload, 8 if payload[0] in _ICMPV6_LONG_TYPES else 4)


def _check_udp_length(payload: bytes) -> None:
    if not _UPPER_BYTES[UDP] <= wire.uint16(payload, 4) <= len(payload):
        raise MalformedError("UDP length")
