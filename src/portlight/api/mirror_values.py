"""Parsers of the values of mirroring that every face spells alike. Pure."""

import re
from ipaddress import IPv4Address
from typing import Final

from portlight.api.parser import any_case, decimal_pattern, parser, refuse
from portlight.api.schema import one_word
from portlight.api.wire import address, integer, prefix
from portlight.core.mirrors import (
    MAX_NAME,
    MAX_RULE_PRIORITY,
    MAX_SESSION_PRIORITY,
    MAX_VNI,
    PROTOCOLS,
)
from portlight.values.addresses import IpPrefix
from portlight.values.ranges import MAX_PORT, PortRange

MAX_DESCRIPTION: Final = 255
ALL_PORTS: Final = PortRange(first=0, last=MAX_PORT)
"""What `1-65535` means: later fragments, whose ports nobody knows, match it as well."""

_NAME = re.compile(r"[0-9A-Za-z_.\u4e00-\u9fff-]+")
_DESCRIPTION = re.compile(r"[^\x00<>]*")
_PORT = decimal_pattern(1, MAX_PORT).removeprefix("^").removesuffix("$")
_PORTS = re.compile(rf"{_PORT}(-{_PORT})?")
_PROTOCOL_OF = {number: word for word, number in PROTOCOLS.items()}

RULE_PRIORITY = integer(1, MAX_RULE_PRIORITY)
SESSION_PRIORITY = integer(1, MAX_SESSION_PRIORITY)
VNI = integer(0, MAX_VNI)


@parser(
    {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": f"^{_NAME.pattern}$"},
    shown={"type": "string"},
)
def mirror_name(field: str, raw: object) -> str:
    """Accept letters, digits, Chinese characters, `_`, `-` and `.`."""
    if not isinstance(raw, str) or not _NAME.fullmatch(raw) or len(raw) > MAX_NAME:
        refuse(
            field,
            f"it must be 1 to {MAX_NAME} letters, digits, Chinese characters, '_', '-' or '.'",
        )
    return raw


@parser(
    {"type": "string", "maxLength": MAX_DESCRIPTION, "pattern": f"^{_DESCRIPTION.pattern}$"},
    shown={"type": "string"},
)
def mirror_description(field: str, raw: object) -> str:
    """Accept text without angle brackets."""
    fits = isinstance(raw, str) and len(raw) <= MAX_DESCRIPTION and _DESCRIPTION.fullmatch(raw)
    if not isinstance(raw, str) or not fits:
        refuse(field, f"it must be text of up to {MAX_DESCRIPTION} characters without '<' or '>'")
    return raw


@parser({"type": "string", "pattern": any_case(list(PROTOCOLS))}, shown=one_word(*PROTOCOLS))
def mirror_protocol(field: str, raw: object) -> int | None:
    """Accept the name of a protocol in any case; give its number, None for all."""
    word = raw.upper() if isinstance(raw, str) and raw.isascii() else ""
    if word not in PROTOCOLS:
        refuse(field, f"'{raw}' is not in {list(PROTOCOLS)}")
    return PROTOCOLS[word]


@parser({"type": "string", "pattern": f"^{_PORTS.pattern}$"}, shown={"type": "string"})
def port_range(field: str, raw: object) -> PortRange:
    """Accept `80`, or `80-90`."""
    if not isinstance(raw, str) or not _PORTS.fullmatch(raw):
        refuse(field, f"'{raw}' is no range of ports like '80-90', from 1 to {MAX_PORT}")
    first, _, last = raw.partition("-")
    low, high = int(first), int(last or first)
    if low > high:
        refuse(field, f"'{raw}' ends before it begins")
    return ALL_PORTS if (low, high) == (1, MAX_PORT) else PortRange(first=low, last=high)


@parser(prefix.schema)
def cidr_block(field: str, raw: object) -> IpPrefix:
    """Accept a network in CIDR form, with blanks around it."""
    return prefix(field, raw.strip() if isinstance(raw, str) else raw)


@parser({"type": "string", "format": "ipv4"}, shown={"type": "string"})
def target_address(field: str, raw: object) -> IPv4Address:
    """Accept an IPv4 address: copies travel in IPv4."""
    parsed = address(field, raw)
    if not isinstance(parsed, IPv4Address):
        refuse(field, f"'{raw}' is not an IPv4 address")
    return parsed


def spell_protocol(number: int | None) -> str:
    """Return the name of a protocol."""
    return _PROTOCOL_OF.get(number, str(number))


def spell_ports(ports: PortRange | None) -> str | None:
    """Return a range as `80-90`."""
    return None if ports is None else f"{max(ports.first, 1)}-{ports.last}"


def spell_prefix(block: IpPrefix | None) -> str | None:
    """Return a network in CIDR form."""
    return None if block is None else str(block)
