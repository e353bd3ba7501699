"""From arguments as people type them to the spelling of iptables-save.

Pure. Each raises CommandError with the tool's own words.
"""

import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from portlight.guest.iptables.extension import Context, Read
from portlight.guest.iptables.names import PLAIN, Names
from portlight.guest.iptables.problems import parameter_problem

IFNAMSIZ = 16
_V4_BITS, _V6_BITS = 32, 128
_PORTS_AT_MOST = 15


def canonical_address(text: str, family: int) -> str:
    """Return an address as inet_ntop writes it; ValueError if it is none."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6  # noqa: PLR2004 -- the family's name
    try:
        return socket.inet_ntop(kind, socket.inet_pton(kind, text))
    except OSError:
        raise ValueError(text) from None


def address_number(text: str) -> int:
    """Return an address of either family as a number."""
    kind = socket.AF_INET6 if ":" in text else socket.AF_INET
    return int.from_bytes(socket.inet_pton(kind, text), "big")


def address_text(address: IPv4Address | IPv6Address) -> str:
    """Return an address as inet_ntop writes it."""
    kind = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    return socket.inet_ntop(kind, address.packed)


def mask_bits(mask: str, family: int) -> int:
    """Return the bits of a mask, given as a length or as an address."""
    width = _V4_BITS if family == 4 else _V6_BITS  # noqa: PLR2004 -- the family's name
    if mask.isdecimal() and int(mask) <= width:
        return ((1 << int(mask)) - 1) << (width - int(mask))
    try:
        return address_number(canonical_address(mask, family))
    except ValueError:
        raise parameter_problem(f"invalid mask `{mask}' specified") from None


def is_prefix_mask(mask: int, width: int) -> bool:
    """Return whether the mask's ones all stand before its zeros."""
    rest = ~mask & ((1 << width) - 1)
    return rest & (rest + 1) == 0


@lru_cache(maxsize=65536)
def read_networks(text: str, family: int, names: Names = PLAIN) -> tuple[str, ...]:
    """Return the networks of an argument of -s or -d, each as address/length or address/mask."""
    return tuple(
        network for part in text.split(",") for network in _read_network(part, family, names)
    )


def _read_network(text: str, family: int, names: Names) -> tuple[str, ...]:
    address, slash, mask = text.partition("/")
    width = _V4_BITS if family == 4 else _V6_BITS  # noqa: PLR2004 -- the family's name
    bits = mask_bits(mask, family) if slash else (1 << width) - 1
    found = dict.fromkeys(
        _masked(each, bits, width)
        for each in _addresses(address, family, names, bits=bits if slash else None)
    )
    return tuple(found)


def _masked(address: str, bits: int, width: int) -> str:
    number = address_number(address) & bits
    kind = IPv4Address if width == _V4_BITS else IPv6Address
    text = address_text(kind(number))
    if is_prefix_mask(bits, width):
        return f"{text}/{bits.bit_count()}"
    return f"{text}/{address_text(kind(bits))}"


def _addresses(text: str, family: int, names: Names, *, bits: int | None) -> tuple[str, ...]:
    """Return the addresses of a host; a short network such as 10.1/16 is filled up with zeros."""
    padded = text
    if family == 4 and bits is not None and text and set(text) <= set("0123456789."):  # noqa: PLR2004
        padded = ".".join((text.split(".") + ["0"] * 4)[:4])
    if text == "any" and bits == 0:
        padded = "0.0.0.0" if family == 4 else "::"  # noqa: PLR2004, S104 -- nothing is bound
    try:
        return (canonical_address(padded, family),)
    except ValueError:
        found = names.resolve(text, family)
    if not found:
        raise parameter_problem(f"host/network `{text}' not found")
    return found


def read_interface(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
    """Check the length of an interface's name."""
    if len(values[0].encode(errors="surrogateescape")) >= IFNAMSIZ:
        raise parameter_problem(
            f"interface name `{values[0]}' must be shorter than IFNAMSIZ ({IFNAMSIZ - 1})"
        )
    return values


def read_protocol(name: str, names: Names) -> str:
    """Return a protocol's number as text."""
    number = names.protocol_number(name)
    if number is None:
        raise parameter_problem(f'unknown protocol "{name}" specified')
    return str(number)


def number_of(text: str) -> int | None:
    """Return a number as C reads it (decimal, 0x, leading 0), None if it is none."""
    if not text.isascii() or "_" in text:
        return None  # Python would read them.
    try:
        if text.startswith("0") and text.isdecimal() and text != "0":
            return int(text, 8)
        return int(text, 0)
    except ValueError:
        return None


def read_port(text: str, context: Context) -> int:
    """Return a port, given as a number or as a service."""
    number = number_of(text)
    if number is not None and 0 <= number < 65536:  # noqa: PLR2004 -- two bytes
        return number
    spoken = None if context.protocol is None else context.names.protocol_name(context.protocol)
    port = None if number is not None else context.names.port(text, spoken)
    if port is None:
        raise parameter_problem(f"invalid port/service `{text}' specified")
    return port


def read_ports(values: tuple[str, ...], context: Context) -> tuple[str, ...]:
    """Return a port or a range of ports."""
    return (_port_range(values[0], context, "invalid portrange (min > max)"),)


def _port_range(text: str, context: Context, complaint: str) -> str:
    if ":" not in text:
        return str(read_port(text, context))
    low, high = text.split(":", 1)
    first, last = read_port(low or "0", context), read_port(high or "65535", context)
    if first > last:
        raise parameter_problem(complaint)
    return str(first) if first == last else f"{first}:{last}"


def read_port_list(values: tuple[str, ...], context: Context) -> tuple[str, ...]:
    """Return up to fifteen ports; a range counts twice."""
    parts = [
        _port_range(part, context, "invalid portrange specified") for part in values[0].split(",")
    ]
    if sum(2 if ":" in part else 1 for part in parts) > _PORTS_AT_MOST:
        raise parameter_problem("too many ports specified")
    return (",".join(parts),)


def number_range(title: str, option: str, separator: str = ":", last: int = 65535) -> Read:
    """Return a reader of a number or of a range of numbers, for an option of an extension."""

    def read(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
        low, _, high = values[0].partition(separator)
        first = number_of(low or "0")
        final = (number_of(high or str(last))) if separator in values[0] else first
        if first is None or final is None or not 0 <= first <= last or not 0 <= final <= last:
            raise parameter_problem(
                f'{title}: bad value for option "{option}" near "{values[0]}", '
                f"or out of range (0-{last}).\n"
            )
        return (str(first) if first == final else f"{first}{separator}{final}",)

    return read


def read_mark(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
    """Return a mark and its mask in hexadecimal; the mask of all ones is not printed."""
    mark, mask = mark_and_mask(values[0])
    return (f"0x{mark:x}" if mask == 2**32 - 1 else f"0x{mark:x}/0x{mask:x}",)


def mark_and_mask(text: str) -> tuple[int, int]:
    """Return the two numbers of value or value/mask."""
    value, slash, mask = text.partition("/")
    numbers = number_of(value), number_of(mask) if slash else 2**32 - 1
    if numbers[0] is None or numbers[1] is None:
        raise parameter_problem('mark: bad integer value for option "--mark", or out of range.\n')
    return numbers[0], numbers[1]


def read_address_range(values: tuple[str, ...], context: Context) -> tuple[str, ...]:
    """Return first-last; one address alone is both."""
    low, _, high = values[0].partition("-")
    try:
        first = canonical_address(low, context.family)
        last = canonical_address(high or low, context.family)
    except ValueError:
        raise parameter_problem(f'iprange: Bad value for option: "{values[0]}"') from None
    return (f"{first}-{last}",)


def one_of_list(words: Iterable[str], complaint: Callable[[str], str]) -> Read:
    """Return a reader of a list of known words; they are printed in the table's order."""
    known = tuple(words)

    def read(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
        given = [word.upper() for word in values[0].split(",")]
        for word in given:
            if word not in known:
                raise parameter_problem(complaint(word))
        return (",".join(word for word in known if word in given),)

    return read
