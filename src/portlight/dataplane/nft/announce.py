"""Gratuitous ARP: telling a network that an address is behind this MAC now."""

import contextlib
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address
from struct import pack

from portlight.values.addresses import MacAddress

_BROADCAST = b"\xff" * 6
_ARP = 0x0806
_REQUEST = 1


def announce(addresses: Iterable[tuple[str, MacAddress, IPv4Address]]) -> None:
    """Send an announcement (RFC 5227, section 3) of each address by its interface."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        for ifname, mac, address in addresses:
            # An interface that is down by now has nobody to tell.
            with contextlib.suppress(OSError):
                sender.sendto(_announcement(mac, address), (ifname, _ARP))


def _announcement(mac: MacAddress, address: IPv4Address) -> bytes:
    header = _BROADCAST + mac.packed + pack("!H", _ARP)
    fixed = pack("!HHBBH", 1, 0x0800, 6, 4, _REQUEST)
    return header + fixed + mac.packed + address.packed + bytes(6) + address.packed
