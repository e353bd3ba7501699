"""The routing tables in the layout of `route -n` (net-tools 2.10). Pure.

Read from the kernel's own listings in /proc/net, which is where that tool reads them too: the
columns Ref and Use are nowhere else.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

HEADER: Final = """\
Kernel IP routing table
Destination     Gateway         Genmask         Flags Metric Ref    Use Iface
"""
HEADER6: Final = """\
Kernel IPv6 routing table
Destination                    Next Hop                   Flag Met Ref  Use If
"""

_UP: Final = 0x1
_REJECT: Final = 0x200
_CACHE: Final = 0x1000000
_LETTERS: Final = ((_UP, "U"), (0x2, "G"), (0x4, "H"), (0x8, "R"), (0x10, "D"), (0x20, "M"))
_LETTERS6: Final = (
    *((_UP, "U"), (_REJECT, "!"), (0x2, "G"), (0x4, "H"), (0x10000, "D"), (0x40000, "A")),
    *((0x20000, "a"), (0x400000, "e"), (0x20, "m"), (0x200000, "n"), (0x2000000, "f")),
)
"""In the order of the tool. Numbers: route.h and ipv6_route.h of Linux."""
_WORD: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a listing. IPv6 has the prefix length in its destination, and no mask."""

    destination: str
    gateway: str
    genmask: str = ""
    flags: str
    metric: int
    ref: int
    use: int
    iface: str


def read_rows(proc: str) -> Iterator[Row]:
    """Yield the rows of /proc/net/route that the tool shows."""
    for line in proc.splitlines()[1:]:
        iface, destination, gateway, flag, ref, use, metric, mask, *_ = line.split()
        flags = int(flag, 16)
        if not flags & _UP:
            continue
        rejected = bool(flags & _REJECT)
        yield Row(
            destination=_dotted(destination),
            gateway="-" if rejected else _dotted(gateway),
            genmask=_dotted(mask),
            # A rejecting route says so instead of the first two letters.
            flags="!" * rejected + _spelled(flags, _LETTERS[2 * rejected :]),
            metric=_signed(int(metric)),
            ref=int(ref),
            use=int(use),
            iface="-" if rejected else iface,
        )


def read_rows6(proc: str) -> Iterator[Row]:
    """Yield the rows of /proc/net/ipv6_route that the tool shows."""
    for line in proc.splitlines():
        destination, length, _, _, gateway, metric, ref, use, flag, iface = line.split()
        flags = int(flag, 16)
        if flags & _CACHE:
            continue
        yield Row(
            destination=f"{_colons(destination)}/{int(length, 16)}",
            gateway=_colons(gateway),
            flags=_spelled(flags, _LETTERS6),
            metric=_signed(int(metric, 16)),
            ref=_signed(int(ref, 16)),
            use=_signed(int(use, 16)),
            iface=iface,
        )


def render_rows(rows: Iterable[Row]) -> str:
    """Return the listing of `route -n`."""
    return HEADER + "".join(
        f"{row.destination:<15} {row.gateway:<15} {row.genmask:<15} {row.flags:<5}"
        f" {row.metric:<6} {'-' if row.gateway == '-' else row.ref:<2} {row.use:>7} {row.iface}\n"
        for row in rows
    )


def render_rows6(rows: Iterable[Row]) -> str:
    """Return the listing of `route -6 -n`."""
    return HEADER6 + "".join(
        f"{row.destination:<30} {row.gateway:<26} {row.flags:<4} {row.metric:<3} {row.ref}"
        f" {row.use:>6} {row.iface}\n"
        for row in rows
    )


def _spelled(flags: int, letters: Iterable[tuple[int, str]]) -> str:
    return "".join(letter for bit, letter in letters if flags & bit)


def _dotted(word: str) -> str:
    """Return an address that the kernel printed as a number of this machine's byte order."""
    return str(IPv4Address(int.from_bytes(bytes.fromhex(word), sys.byteorder)))


def _colons(word: str) -> str:
    """Return an address as the C library spells it, so also `::ffff:1.2.3.4`."""
    address = IPv6Address(bytes.fromhex(word))
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped else str(address)


def _signed(number: int) -> int:
    """Return what C prints of an unsigned word with `%d`."""
    return number - _WORD if number >= _WORD // 2 else number
