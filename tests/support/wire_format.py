"""Frames as bytes, built from their parts. Checksums are left zero: no rule reads them."""

import struct
from ipaddress import IPv4Address, IPv6Address

from portlight.values.addresses import IpAddress, MacAddress

BROADCAST = MacAddress(0xFFFFFFFFFFFF)


def ethernet(
    source: MacAddress, payload: bytes, ethertype: int, destination: MacAddress = BROADCAST
) -> bytes:
    return destination.packed + source.packed + struct.pack("!H", ethertype) + payload


def arp(
    sender_mac: MacAddress, sender_ip: IPv4Address, target_ip: IPv4Address, operation: int = 1
) -> bytes:
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return head + sender_mac.packed + sender_ip.packed + bytes(6) + target_ip.packed


def ip(  # noqa: PLR0913 -- a header has these fields
    source: IpAddress,
    destination: IpAddress,
    protocol: int,
    payload: bytes,
    *,
    hop_limit: int = 64,
    identification: int = 0,
    fragment: int = 0,
    options: bytes = b"",
) -> bytes:
    """Return an IP packet. `fragment` is IPv4's flags and offset; `options` IPv4's options."""
    if isinstance(source, IPv6Address):
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hop_limit)
        return head + source.packed + destination.packed + payload
    words = 5 + len(options) // 4
    head = struct.pack(
        "!BBHHHBBH",
        4 << 4 | words,
        0,
        words * 4 + len(payload),
        identification,
        fragment,
        hop_limit,
        protocol,
        0,
    )
    return head + source.packed + destination.packed + options + payload


def tcp(source: int, destination: int, flags: int, data: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, 1, 1, 5 << 4, flags, 1024, 0, 0) + data


def udp(source: int, destination: int, data: bytes = b"") -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(data), 0) + data


def ported(protocol: int, source: int, destination: int, data: bytes = b"") -> bytes:
    """Return a segment of SCTP, DCCP or UDP-Lite: ports first, then what the header needs."""
    size = 8 if protocol == 136 else 12
    return struct.pack("!HH", source, destination) + bytes(size - 4) + data


def icmp(kind: int, code: int, identifier: int = 0, data: bytes = b"") -> bytes:
    return struct.pack("!BBHHH", kind, code, 0, identifier, 1) + data


def neighbour(kind: int, target: IPv6Address, flags: int = 0, options: bytes = b"") -> bytes:
    return struct.pack("!BBHB3x", kind, 0, 0, flags) + target.packed + options


def link_layer_option(kind: int, mac: MacAddress) -> bytes:
    return bytes([kind, 1]) + mac.packed


def vrrp(version: int, router: int, priority: int, addresses: list[IpAddress]) -> bytes:
    head = struct.pack("!BBBBHH", version << 4 | 1, router, priority, len(addresses), 100, 0)
    return head + b"".join(address.packed for address in addresses)


def extension(next_header: int, units: int = 0) -> bytes:
    """Return a hop-by-hop, routing or destination options header of (units + 1) * 8 bytes."""
    return bytes([next_header, units]) + bytes(units * 8 + 6)


def ipv6_fragment(next_header: int, offset: int, identification: int, *, more: bool) -> bytes:
    """Return a fragment header; `offset` in bytes, a multiple of 8."""
    return struct.pack("!BBHI", next_header, 0, offset | int(more), identification)
