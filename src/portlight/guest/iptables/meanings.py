"""What each match asks of a packet, as conditions.

Pure. An option without a meaning here becomes `Opaque`.
"""

from collections.abc import Callable
from itertools import groupby

from portlight.guest.iptables.extension import Context, extension_text, option_text
from portlight.guest.iptables.icmp import ANY_CODE, parse_type
from portlight.guest.iptables.list_words import flag_bits
from portlight.guest.iptables.meaning import (
    ADDRESS_TYPES,
    NO_LATER_FRAGMENT,
    PACKET_TYPES,
    STATES,
    Condition,
    EitherPort,
    Field,
    Masked,
    Opaque,
    Within,
    within,
)
from portlight.guest.iptables.ranges import Ranges, ranges
from portlight.guest.iptables.readers import address_number, mark_and_mask
from portlight.guest.iptables.rules import Extension, Option

Ask = Callable[[Extension, Context], tuple[Condition, ...]]

_PORT_FIELDS = {
    "--sport": Field.SOURCE_PORT,
    "--dport": Field.DESTINATION_PORT,
    "--sports": Field.SOURCE_PORT,
    "--dports": Field.DESTINATION_PORT,
}
_FULL_MASK = 2**32 - 1


def _opaque(extension: Extension, option: Option) -> Opaque:
    return Opaque(f"-m {extension.name} {option_text(option)}")


def _numbers(text: str, separator: str = ":") -> Ranges:
    pairs = (part.partition(separator) for part in text.split(","))
    return ranges((int(low), int(high or low)) for low, _, high in pairs)


def _port(option: Option) -> Within:
    return within(_PORT_FIELDS[option.name], _numbers(option.values[0]), negated=option.negated)


def ports(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for ports; a later fragment has none and never matches."""
    return (NO_LATER_FRAGMENT, *map(_port, extension.options))


def tcp(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for ports and flags; TCP options are not modelled."""
    found: list[Condition] = [NO_LATER_FRAGMENT]
    for option in extension.options:
        if option.name == "--tcp-flags":
            found.append(_flags(option))
        elif option.name in _PORT_FIELDS:
            found.append(_port(option))
        else:
            found.append(_opaque(extension, option))
    return tuple(found)


def _flags(option: Option) -> Within:
    mask, wanted = map(flag_bits, option.values)
    fitting = [number for number in range(256) if (number & mask) == wanted]
    runs = groupby(enumerate(fitting), key=lambda pair: pair[1] - pair[0])
    found = [[number for _, number in run] for _, run in runs]
    allowed = ranges((run[0], run[-1]) for run in found)
    return within(Field.TCP_FLAGS, allowed, negated=option.negated)


def icmp(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for a type and a code."""
    found: list[Condition] = [NO_LATER_FRAGMENT]
    for option in extension.options:
        if option.values == ("any",):
            whole: Ranges = ((0, 65535),)
        else:
            kind, code = parse_type(option.values[0])
            first = kind << 8 | (0 if code is ANY_CODE else code)
            whole = ((first, kind << 8 | (255 if code is ANY_CODE else code)),)
        found.append(within(Field.ICMP, whole, negated=option.negated))
    return tuple(found)


def multiport(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for a list of ports, on one side or on either."""
    (option,) = extension.options
    if option.name == "--ports":
        either = EitherPort(_numbers(option.values[0]), option.negated)
        return (NO_LATER_FRAGMENT, either)
    return (NO_LATER_FRAGMENT, _port(option))


def state(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for connection states; those of translated connections are not modelled."""
    return tuple(_state(extension, option) for option in extension.options)


def _state(extension: Extension, option: Option) -> Condition:
    words = option.values[0].split(",")
    if option.name not in {"--state", "--ctstate"} or not set(words) <= set(STATES):
        return _opaque(extension, option)
    return within(Field.STATE, _places(words, STATES), negated=option.negated)


def _places(words: list[str], known: tuple[str, ...]) -> Ranges:
    return ranges((known.index(word), known.index(word)) for word in words)


def mark(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for a mark."""
    (option,) = extension.options
    value, mask = mark_and_mask(option.values[0])
    if mask == _FULL_MASK:
        return (within(Field.MARK, ((value, value),), negated=option.negated),)
    return (Masked(Field.MARK, value, mask, option.negated),)


def address_type(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for types of addresses; a limit to one interface is not modelled."""
    if any(not option.values for option in extension.options):
        return (Opaque(extension_text("-m", extension)),)
    sides = {"--src-type": Field.SOURCE_TYPE, "--dst-type": Field.DESTINATION_TYPE}
    return tuple(
        within(
            sides[option.name],
            _places(option.values[0].split(","), ADDRESS_TYPES),
            negated=option.negated,
        )
        for option in extension.options
    )


def address_range(extension: Extension, context: Context) -> tuple[Condition, ...]:
    """Ask for ranges of addresses."""
    sides = {"--src-range": Field.SOURCE, "--dst-range": Field.DESTINATION}
    found = []
    for option in extension.options:
        low, _, high = option.values[0].partition("-")
        allowed = ranges([(address_number(low), address_number(high))])
        found.append(
            within(sides[option.name], allowed, negated=option.negated, family=context.family)
        )
    return tuple(found)


def source_mac(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for the sender's MAC."""
    (option,) = extension.options
    number = int(option.values[0].replace(":", ""), 16)
    return (within(Field.SOURCE_MAC, ((number, number),), negated=option.negated),)


def one_range(name: str, field: Field) -> Ask:
    """Return a question for a number that lies in a range."""

    def ask(extension: Extension, _context: Context) -> tuple[Condition, ...]:
        return tuple(
            within(field, _numbers(option.values[0]), negated=option.negated)
            for option in extension.options
            if option.name == name
        )

    return ask


def packet_type(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask how the packet was addressed on its link."""
    (option,) = extension.options
    allowed = _places([option.values[0]], PACKET_TYPES)
    return (within(Field.PACKET_TYPE, allowed, negated=option.negated),)


def time_to_live(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for a time to live."""
    (option,) = extension.options
    number = int(option.values[0])
    allowed: Ranges = {
        "eq": ((number, number),),
        "lt": ((0, number - 1),) if number else (),
        "gt": ((number + 1, 255),),
    }[option.name[-2:]]
    return (within(Field.TTL, allowed, negated=option.negated),)


def owner(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    """Ask for the user; groups and sockets are not modelled."""
    return tuple(
        within(Field.USER, _numbers(option.values[0], "-"), negated=option.negated)
        if option.name == "--uid-owner"
        else _opaque(extension, option)
        for option in extension.options
    )
