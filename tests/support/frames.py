"""Frames as guests send them, built with scapy: short names for what packet tests say often."""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from portlight.values.addresses import IpAddress, MacAddress

BROADCAST = "ff:ff:ff:ff:ff:ff"
EVERYBODY_IPV6 = "33:33:00:00:00:01"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One side of a conversation."""

    mac: MacAddress
    ip: IpAddress

    def at(self, ip: IpAddress) -> "End":
        """The same machine under another address."""
        return replace(self, ip=ip)


def between(source: End, destination: End, **fields: int) -> Packet:
    """Ethernet and IP headers; `fields` are of the IP header."""
    ethernet = Ether(src=str(source.mac), dst=str(destination.mac))
    kind = IP if isinstance(source.ip, IPv4Address) else IPv6
    return ethernet / kind(src=str(source.ip), dst=str(destination.ip), **fields)


def raw(packet: Packet) -> bytes:
    """Return the bytes of a frame."""
    return bytes(packet)


def tcp(source: End, destination: End, *, to: int = 80, by: int = 40000, flags: str = "S") -> bytes:
    """A TCP segment to port `to` by port `by`."""
    return raw(between(source, destination) / TCP(sport=by, dport=to, flags=flags))


def udp(source: End, destination: End, *, to: int, by: int = 40000, payload: int = 16) -> bytes:
    """A UDP datagram."""
    body = Raw(bytes(payload))
    return raw(between(source, destination) / UDP(sport=by, dport=to) / body)


def ping(source: End, destination: End, *, reply: bool = False, identifier: int = 77) -> bytes:
    """An ICMP echo request or reply (IPv4)."""
    echo = ICMP(type=0 if reply else 8, id=identifier, seq=1)
    return raw(between(source, destination) / echo)


def ping6(source: End, destination: End) -> bytes:
    """An ICMPv6 echo request."""
    return raw(between(source, destination) / ICMPv6EchoRequest(id=5))


def arp(
    source: End,
    target: IpAddress,
    *,
    reply: bool = False,
    sender_mac: MacAddress | None = None,
    ethernet_destination: str = BROADCAST,
) -> bytes:
    """An ARP request or reply."""
    body = ARP(
        op=2 if reply else 1,
        hwsrc=str(sender_mac or source.mac),
        psrc=str(source.ip),
        pdst=str(target),
    )
    return raw(Ether(src=str(source.mac), dst=ethernet_destination) / body)


def solicitation(
    source: End, target: IpAddress, *, option: MacAddress | None = None, hop_limit: int = 255
) -> bytes:
    """A neighbour solicitation."""
    head = Ether(src=str(source.mac), dst=EVERYBODY_IPV6)
    body = IPv6(src=str(source.ip), dst="ff02::1", hlim=hop_limit) / ICMPv6ND_NS(tgt=str(target))
    if option is not None:
        body = body / ICMPv6NDOptSrcLLAddr(lladdr=str(option))
    return raw(head / body)


def advertisement(
    source: End, target: IpAddress, *, option: MacAddress | None = None, solicited: bool = False
) -> bytes:
    """A neighbour advertisement."""
    head = Ether(src=str(source.mac), dst=EVERYBODY_IPV6)
    body = ICMPv6ND_NA(tgt=str(target), S=int(solicited), R=0)
    packet = head / IPv6(src=str(source.ip), dst="ff02::1", hlim=255) / body
    if option is not None:
        packet = packet / ICMPv6NDOptDstLLAddr(lladdr=str(option))
    return raw(packet)


def unreachable(source: End, destination: End, quoted: bytes) -> bytes:
    """An ICMP port unreachable (IPv4) about a frame that `destination` had sent."""
    about = Raw(quoted[14 : 14 + 28])
    return raw(between(source, destination) / ICMP(type=3, code=3) / about)


def vrrp(
    source: End, addresses: list[IpAddress], *, priority: int, version: int = 3, router: int = 9
) -> bytes:
    """A VRRP advertisement."""
    head = bytes([version << 4 | 1, router, priority, len(addresses), 0, 100, 0, 0])
    body = Raw(head + b"".join(address.packed for address in addresses))
    is_ipv4 = isinstance(source.ip, IPv4Address)
    group = "224.0.0.18" if is_ipv4 else "ff02::12"
    group_mac = "01:00:5e:00:00:12" if is_ipv4 else "33:33:00:00:00:12"
    ethernet = Ether(src=str(source.mac), dst=group_mac)
    if is_ipv4:
        return raw(ethernet / IP(src=str(source.ip), dst=group, proto=112, ttl=255) / body)
    return raw(ethernet / IPv6(src=str(source.ip), dst=group, nh=112, hlim=255) / body)
