"""Reading frames: what is refused unread, and what the rules get to see."""

from ipaddress import IPv4Address

import pytest
from tests.support import wire_format as wire
from tests.support.builders import ip, mac

from portlight.core.packet import Arp, Ip, Packet, parse_packet
from portlight.values.addresses import IpAddress
from portlight.values.verdict import DropReason

A, B = ip("10.0.0.5"), ip("10.0.0.6")
A6, B6 = ip("fd00::5"), ip("fd00::6")
SEGMENT = wire.tcp(1, 2, 2)


def framed(payload: bytes, kind: int) -> bytes:
    return wire.ethernet(mac(1), payload, kind, mac(2))


def ipv4(payload: bytes) -> bytes:
    return framed(payload, 0x0800)


def ipv6(payload: bytes) -> bytes:
    return framed(payload, 0x86DD)


def read(frame: bytes) -> Ip:
    packet = parse_packet(frame)
    assert isinstance(packet, Packet), packet
    assert isinstance(packet.content, Ip)
    return packet.content


def extended(units: int, count: int) -> bytes:
    """TCP behind `count` extension headers."""
    upper, protocol = SEGMENT, 6
    for _ in range(count):
        upper, protocol = wire.extension(protocol, units) + upper, 60
    return ipv6(wire.ip(A6, B6, protocol, upper))


def changed(frame: bytes, offset: int, value: bytes) -> bytes:
    return frame[:offset] + value + frame[offset + len(value) :]


def udp_of_length(length: int) -> bytes:
    return ipv4(wire.ip(A, B, 17, changed(wire.udp(1, 2), 4, length.to_bytes(2, "big"))))


def part(protocol: int, place: int, size: int, source: IpAddress = A) -> bytes:
    """An IP fragment: IPv4's flags and offset, or the bytes and more-bit of IPv6."""
    if source.version == 4:
        return ipv4(wire.ip(source, B, protocol, bytes(size), fragment=place, identification=3))
    head = wire.ipv6_fragment(protocol, place & 0xFFF8, 3, more=bool(place & 1))
    return ipv6(wire.ip(source, B6, 44, head + bytes(size)))


WHOLE = ipv4(wire.ip(A, B, 6, SEGMENT))
WHOLE6 = ipv6(wire.ip(A6, B6, 6, SEGMENT))
REQUEST = framed(wire.arp(mac(1), IPv4Address(str(A)), IPv4Address(str(B))), 0x0806)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "malformed"),
        (WHOLE[:13], "malformed"),
        (framed(b"", 0x8100), "vlan_tagged"),
        (framed(b"", 0x88A8), "vlan_tagged"),
        (framed(b"", 0x8847), "ethertype_refused"),
        (REQUEST[:-1], "malformed"),
        (changed(REQUEST, 15, b"\x06"), "malformed"),
        (WHOLE[:33], "malformed"),
        (WHOLE[:-1], "malformed"),
        (changed(WHOLE, 14, b"\x65"), "malformed"),
        (changed(WHOLE, 14, b"\x44"), "malformed"),
        (changed(WHOLE, 14, b"\x4f"), "malformed"),
        (changed(WHOLE, 16, b"\x00\x13"), "malformed"),
        (WHOLE6[:53], "malformed"),
        (WHOLE6[:-1], "malformed"),
        (changed(WHOLE6, 14, b"\x45"), "malformed"),
        (extended(0, 9), "malformed"),
        (changed(extended(0, 1), 55, b"\x09"), "malformed"),
        (ipv6(wire.ip(A6, B6, 60, bytes(7))), "malformed"),
        (ipv6(wire.ip(A6, B6, 44, wire.ipv6_fragment(44, 0, 1, more=False) * 2)), "malformed"),
        (part(17, 0x2000, 20), "malformed"),
        (part(17, 8 | 1, 20, A6), "malformed"),
        (part(6, 2, 8), "malformed"),
        (part(6, 16, 8, A6), "malformed"),
        (part(17, 0x1FFF, 8), "malformed"),
        (ipv4(wire.ip(A, B, 6, SEGMENT[:19])), "malformed"),
        (ipv4(wire.ip(A, B, 6, changed(SEGMENT, 12, b"\x40"))), "malformed"),
        (ipv4(wire.ip(A, B, 6, changed(SEGMENT, 12, b"\x60"))), "malformed"),
        (udp_of_length(0), "malformed"),
        (udp_of_length(7), "malformed"),
        (udp_of_length(9), "malformed"),
        (ipv4(wire.ip(A, B, 132, bytes(11))), "malformed"),
        (ipv4(wire.ip(A, B, 33, bytes(11))), "malformed"),
        (ipv4(wire.ip(A, B, 136, bytes(7))), "malformed"),
        (ipv4(wire.ip(A, B, 1, bytes(7))), "malformed"),
        (ipv6(wire.ip(A6, B6, 58, bytes(3))), "malformed"),
        (ipv6(wire.ip(A6, B6, 58, b"\x80" + bytes(6))), "malformed"),
    ],
)
def test_a_frame_that_contradicts_itself_is_refused_by_name(frame: bytes, reason: str) -> None:
    refused = parse_packet(frame)

    assert isinstance(refused, DropReason)
    assert refused.label == reason


def test_a_tag_that_the_network_card_took_out_counts() -> None:
    assert parse_packet(WHOLE, vlan_tagged=True) is DropReason.VLAN_TAGGED


def test_arp_is_read() -> None:
    packet = parse_packet(REQUEST)

    assert isinstance(packet, Packet)
    assert packet.source_mac == mac(1)
    assert isinstance(packet.content, Arp)
    assert (packet.content.sender_ip, packet.content.target_ip) == (A, B)


def test_options_and_padding_do_not_count() -> None:
    options = wire.ip(A, B, 17, wire.udp(1, 2, b"data"), options=bytes(8))

    packet = read(ipv4(options + bytes(6)))

    assert (packet.source_port, packet.destination_port) == (1, 2)
    assert packet.payload.endswith(b"data")


def test_extension_headers_are_walked_up_to_eight() -> None:
    assert read(extended(1, 8)).tcp_flags == 2


def test_an_atomic_fragment_is_a_whole_packet() -> None:
    head = wire.ipv6_fragment(6, 0, 1, more=False)

    packet = read(ipv6(wire.ip(A6, B6, 44, head + SEGMENT)))

    assert packet.fragment is None
    assert packet.protocol == 6


def test_a_later_fragment_has_no_upper_header() -> None:
    for source in (A, A6):
        packet = read(part(17, 3 if source == A else 24, 8, source))

        assert packet.is_later_fragment
        assert packet.source_port == packet.destination_port == packet.tcp_flags == 0
        assert packet.icmp_type is None


def test_icmp_of_the_other_family_is_a_protocol_like_any_other() -> None:
    packet = read(ipv4(wire.ip(A, B, 58, b"\x86")))

    assert packet.icmp_type is None
    assert packet.protocol == 58
