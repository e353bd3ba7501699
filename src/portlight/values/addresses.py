"""MAC and IP addresses, prefixes and address ranges.

Pure: parses and prints. Never resolves a name and never asks the kernel.
"""

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    IpAddress = IPv4Address | IPv6Address
    IpPrefix = IPv4Network | IPv6Network
else:
    # msgspec takes one custom type in a union, so at run time the alias is the common base class.
    IpAddress = ipaddress._BaseAddress  # noqa: SLF001
    IpPrefix = ipaddress._BaseNetwork  # noqa: SLF001

IpInterface = IPv4Interface | IPv6Interface
"""An address with a length: the spelling of a prefix whose host bits need not be zero."""

_MAC_TEXT = re.compile(r"[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True, order=True)
class MacAddress:
    """An EUI-48 address, held as a 48-bit number."""

    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value < 1 << 48:
            raise ValueError(f"{self.value:#x} is no 48-bit MAC address")

    def __str__(self) -> str:
        return self.packed.hex(":")

    @property
    def packed(self) -> bytes:
        """The six bytes in wire order."""
        return self.value.to_bytes(6, "big")

    @property
    def is_multicast(self) -> bool:
        """Whether the group bit is set; such an address can never be a sender."""
        return bool(self.value >> 40 & 1)

    @property
    def link_local(self) -> IPv6Address:
        """The EUI-64 link-local address (RFC 4291, appendix A)."""
        raw = bytearray(self.packed)
        raw[0] ^= 0x02
        return IPv6Address(b"\xfe\x80" + bytes(6) + bytes(raw[:3]) + b"\xff\xfe" + bytes(raw[3:]))


def parse_mac(text: str) -> MacAddress:
    """Read `aa:bb:cc:dd:ee:ff` or `aa-bb-…`; raise ValueError on anything else."""
    if not _MAC_TEXT.fullmatch(text):
        raise ValueError(f"{text!r} is not a valid MAC address")
    return MacAddress(int(text.replace(":", "").replace("-", ""), 16))


def virtual_router_mac(virtual_router_id: int, version: int) -> MacAddress:
    """Return the VRRP virtual MAC of a group (RFC 9568, section 7.3).

    `version` is the IP version, 4 or 6; `virtual_router_id` is 1..255.
    """
    base = 0x00005E000100 if version == 4 else 0x00005E000200  # noqa: PLR2004
    return MacAddress(base + virtual_router_id)


def host_prefix(address: IpAddress) -> IpPrefix:
    """Return the /32 or /128 that holds exactly this address."""
    return ip_network(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRange:
    """Addresses from `first` to `last`, both included, of one family."""

    first: IpAddress
    last: IpAddress

    def __post_init__(self) -> None:
        if self.first.version != self.last.version or int(self.first) > int(self.last):
            raise ValueError(f"{self.first}-{self.last} is no address range")

    def __contains__(self, address: IpAddress) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(
            self.last
        )

    def overlaps(self, other: "AddressRange") -> bool:
        """Whether the two ranges share an address."""
        return other.first in self or self.first in other


def parse_ip(text: str) -> IpAddress:
    """Read an IPv4 or IPv6 address; raise ValueError otherwise."""
    return ip_address(text)


def parse_prefix(text: str, *, strict: bool = True) -> IpPrefix:
    """Read `address/length`; with `strict`, host bits must be zero."""
    return ip_network(text, strict=strict)


def parse_interface(text: str) -> IpInterface:
    """Read `address` or `address/length`, whatever the host bits; raise ValueError otherwise."""
    return ip_interface(text)
