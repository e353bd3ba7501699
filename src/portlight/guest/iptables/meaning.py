"""What an option asks of a packet.

Pure. A condition is about one field; a rule matches when all of its conditions hold. What is not
modelled is an `Opaque` condition with its text, so that nobody guesses.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portlight.guest.iptables.ranges import Ranges, complement


class Field(StrEnum):
    """What of a packet a condition looks at."""

    SOURCE = "source"
    DESTINATION = "destination"
    PROTOCOL = "protocol"
    SOURCE_PORT = "source port"
    DESTINATION_PORT = "destination port"
    TCP_FLAGS = "TCP flags"
    ICMP = "ICMP type and code"
    STATE = "connection state"
    FRAGMENT = "later fragment"
    MARK = "mark"
    SOURCE_MAC = "source MAC"
    LENGTH = "length"
    TTL = "TTL"
    USER = "user"
    SOURCE_TYPE = "source address type"
    DESTINATION_TYPE = "destination address type"
    PACKET_TYPE = "packet type"
    IN_INTERFACE = "in-interface"
    OUT_INTERFACE = "out-interface"


STATES: Final = ("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED")
ADDRESS_TYPES: Final = (
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
)
PACKET_TYPES: Final = ("unicast", "broadcast", "multicast")

_LAST: Final = {
    Field.PROTOCOL: 255,
    Field.SOURCE_PORT: 65535,
    Field.DESTINATION_PORT: 65535,
    Field.TCP_FLAGS: 255,
    Field.ICMP: 65535,
    Field.STATE: len(STATES) - 1,
    Field.FRAGMENT: 1,
    Field.MARK: 2**32 - 1,
    Field.SOURCE_MAC: 2**48 - 1,
    Field.LENGTH: 65535,
    Field.TTL: 255,
    Field.USER: 2**32 - 1,
    Field.SOURCE_TYPE: len(ADDRESS_TYPES) - 1,
    Field.DESTINATION_TYPE: len(ADDRESS_TYPES) - 1,
    Field.PACKET_TYPE: len(PACKET_TYPES) - 1,
}


def last_value(field: Field, family: int) -> int:
    """Return the greatest number that a field can have."""
    if field in {Field.SOURCE, Field.DESTINATION}:
        return 2**32 - 1 if family == 4 else 2**128 - 1  # noqa: PLR2004 -- the family's name
    return _LAST[field]


@dataclass(frozen=True, slots=True)
class Within:
    """The field is one of these numbers."""

    field: Field
    allowed: Ranges


@dataclass(frozen=True, slots=True)
class Masked:
    """The field's bits under the mask are these: for masks that are no prefix."""

    field: Field
    value: int
    mask: int
    negated: bool


@dataclass(frozen=True, slots=True)
class Named:
    """The interface has this name, or begins with it."""

    field: Field
    name: str
    is_prefix: bool
    negated: bool


@dataclass(frozen=True, slots=True)
class EitherPort:
    """One of the two ports is one of these numbers."""

    allowed: Ranges
    negated: bool


@dataclass(frozen=True, slots=True)
class Opaque:
    """Nobody here knows; the text says what it depends on."""

    text: str


Condition = Within | Masked | Named | EitherPort | Opaque

NO_LATER_FRAGMENT: Final = Within(Field.FRAGMENT, ((0, 0),))
"""What looks at ports, flags or types never matches a fragment without them."""


def within(field: Field, allowed: Ranges, *, negated: bool, family: int = 4) -> Within:
    """Return a condition whose negation is already worked out."""
    return Within(field, complement(allowed, last_value(field, family)) if negated else allowed)
