"""Parsers of single wire values: JSON in, domain values out, or a refusal that names the field.

Pure. Each carries the JSON schema of what it accepts (`parser.py`).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

import msgspec

from portlight.api.parser import (
    Parse,
    Parser,
    any_case,
    decimal_pattern,
    parser,
    refuse,
)
from portlight.api.schema import NULL, TEXT, TRUTH, WHOLE, Schema, or_null, titled
from portlight.core.errors import InvalidRequestError
from portlight.values.addresses import (
    AddressRange,
    IpAddress,
    IpInterface,
    IpPrefix,
    MacAddress,
    parse_interface,
    parse_ip,
    parse_mac,
    parse_prefix,
)

Json = dict[str, object]
T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

NAME_LENGTH = 255
LIST_LENGTH = 4096
_NUMBER = "0|[1-9][0-9]{0,19}|-[1-9][0-9]{0,18}"
_NUMBER_TEXT = re.compile(_NUMBER)
_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}"
_UUID_TEXT = re.compile(_UUID)
_LENGTH_TEXT = re.compile(r"[^%/]+/(0|[1-9][0-9]{0,2})")
_TRUTHS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "1", "t", "on", "y", "yes"), True),
    **dict.fromkeys(("false", "0", "f", "off", "n", "no"), False),
}
_IP: Schema = titled(
    "ip_address", {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
)
_CIDR: Schema = titled("cidr", {"type": "string", "format": "cidr"})
"""`address/length`, with nothing but zeros behind the length."""
_LOOSE_CIDR: Schema = titled("loose_cidr", {"type": "string", "format": "loose-cidr"})
"""`address/length`, whatever is behind the length."""
_MAC: Schema = titled(
    "mac_address",
    {
        "type": "string",
        "pattern": "^[0-9a-fA-F]{2}((:[0-9a-fA-F]{2}){5}|(-[0-9a-fA-F]{2}){5})$",
    },
)
_BOOLEAN: Schema = titled(
    "boolean",
    {
        "anyOf": [
            TRUTH,
            {"enum": [0, 1]},
            {"type": "string", "pattern": any_case(list(_TRUTHS))},
        ]
    },
)


def text(limit: int = NAME_LENGTH, *, least: int = 0) -> Parser[str]:
    """Accept a string of `least` to `limit` characters."""

    @parser({"type": "string", "minLength": least, "maxLength": limit, "pattern": "^[^\\x00]*$"})
    def parse(field: str, raw: object) -> str:
        if not isinstance(raw, str):
            refuse(field, f"'{raw}' is not a valid string")
        if len(raw) > limit:
            refuse(field, f"'{raw[:32]}…' exceeds maximum length of {limit}")
        if len(raw) < least:
            refuse(field, f"it must have at least {least} characters")
        if "\0" in raw:
            refuse(field, "a string must not hold the character NUL")
        return raw

    return parse


@parser(_BOOLEAN, shown=TRUTH)
def boolean(field: str, raw: object) -> bool:
    """Accept a JSON boolean, and the spellings that Neutron accepts for one."""
    # a list or an object is no spelling of anything, and cannot be looked up
    spelling = str(raw).lower() if isinstance(raw, str | int) else ""
    if spelling not in _TRUTHS:
        raise InvalidRequestError(field, f"'{raw}' cannot be converted to boolean")
    return _TRUTHS[spelling]


def integer(low: int, high: int) -> Parser[int]:
    """Accept a whole number (or its decimal spelling) from `low` to `high`."""
    number: Schema = {"type": "integer", "minimum": low, "maximum": high}
    spelled: Schema = {"type": "string", "pattern": decimal_pattern(low, high)}

    @parser({"anyOf": [number, spelled]}, shown=number)
    def parse(field: str, raw: object) -> int:
        number = _whole_number(field, raw)
        if not low <= number <= high:
            refuse(field, f"'{number}' is not between {low} and {high}")
        return number

    return parse


@parser({"anyOf": [WHOLE, {"type": "string", "pattern": f"^({_NUMBER})$"}]}, shown=WHOLE)
def whole(field: str, raw: object) -> int:
    """Accept any whole number, or its decimal spelling."""
    return _whole_number(field, raw)


def one_number(*numbers: int) -> Parser[int]:
    """Accept one of these whole numbers (or its decimal spelling)."""
    allowed: Schema = {"type": "integer", "enum": list(numbers)}
    spelled: Schema = {"type": "string", "enum": [str(number) for number in numbers]}

    @parser({"anyOf": [allowed, spelled]}, shown=allowed)
    def parse(field: str, raw: object) -> int:
        number = _whole_number(field, raw)
        if number not in numbers:
            refuse(field, f"'{number}' is not in {list(numbers)}")
        return number

    return parse


@parser(titled("uuid", {"type": "string", "pattern": f"^({_UUID})$"}), shown=TEXT)
def identifier(field: str, raw: object) -> str:
    """Accept the text of a UUID."""
    if not isinstance(raw, str) or not _UUID_TEXT.fullmatch(raw):
        refuse(field, f"'{raw}' is not a valid UUID")
    return raw.lower()


@parser(_IP)
def address(field: str, raw: object) -> IpAddress:
    """Accept an IPv4 or IPv6 address, without a zone."""
    try:
        return parse_ip(_unzoned(raw))
    except ValueError:
        refuse(field, f"'{raw}' is not a valid IP address")


@parser(_CIDR)
def prefix(field: str, raw: object) -> IpPrefix:
    """Accept a network in CIDR form, without host bits."""
    try:
        return parse_prefix(_with_length(raw))
    except ValueError:
        refuse(field, f"'{raw}' is not a valid IP subnet")


@parser(_LOOSE_CIDR, shown=_CIDR)
def network_prefix(field: str, raw: object) -> IpPrefix:
    """Accept a network in CIDR form; host bits are cleared, as Neutron does for subnets."""
    try:
        return parse_prefix(_with_length(raw), strict=False)
    except ValueError as error:
        raise InvalidRequestError(field, f"'{raw}' is not a valid IP subnet") from error


@parser({"anyOf": [_IP, _LOOSE_CIDR]}, shown=_CIDR)
def loose_prefix(field: str, raw: object) -> IpPrefix:
    """Accept an address or a network; host bits are cleared, as Neutron does for rules."""
    try:
        return parse_prefix(_unzoned(raw), strict=False)
    except ValueError:
        refuse(field, f"'{raw}' is not a valid IP subnet")


@parser({"anyOf": [_IP, _LOOSE_CIDR]}, shown=TEXT)
def spelled_prefix(field: str, raw: object) -> IpInterface:
    """Accept an address or a network; its spelling is kept, host bits included."""
    try:
        return parse_interface(_unzoned(raw))
    except ValueError:
        refuse(field, f"'{raw}' is not a valid IP subnet")


@parser(_MAC)
def mac(field: str, raw: object) -> MacAddress:
    """Accept an EUI-48 address."""
    try:
        return parse_mac(_string(raw))
    except ValueError:
        refuse(field, f"'{raw}' is not a valid MAC address")


def one_of(kind: type[E]) -> Parser[E]:
    """Accept the value of a member of `kind`, in any case."""
    members = {member.value.lower(): member for member in kind}
    values: Schema = {"type": "string", "enum": [member.value for member in kind]}
    spelled: Schema = {"type": "string", "pattern": any_case(list(members))}

    @parser({"anyOf": [values, spelled]}, shown=values)
    def parse(field: str, raw: object) -> E:
        # beyond ASCII there are letters whose small form is an ASCII letter
        member = members.get(raw.lower()) if isinstance(raw, str) and raw.isascii() else None
        if member is None:
            refuse(field, f"'{raw}' is not in {[one.value for one in kind]}")
        return member

    return parse


def only(value: T, why: str) -> Parser[T]:
    """Accept this very value: the field exists on the wire, but there is no choice."""

    @parser({"const": value})
    def parse(field: str, raw: object) -> T:
        # 0 equals False, but is another JSON value
        if raw != value or type(raw) is not type(value):
            refuse(field, f"'{raw}' is not supported; {why}")
        return value

    return parse


def nullable(parse: Parser[T]) -> Parser[T | None]:
    """Accept null beside what `parse` accepts."""

    def accept(field: str, raw: object) -> T | None:
        return None if raw is None else parse(field, raw)

    return Parser(accept, or_null(parse.schema), or_null(parse.shown))


def json_object(limit: int) -> Parser[str]:
    """Accept any object whose JSON has at most `limit` characters; null is the empty one."""

    @parser({"anyOf": [{"type": "object"}, NULL]}, shown={"type": "object"})
    def parse(field: str, raw: object) -> str:
        if raw is not None and not isinstance(raw, dict):
            refuse(field, f"'{raw}' is not a dictionary")
        spelled = msgspec.json.encode(raw or {}, order="sorted").decode()
        if len(spelled) > limit:
            refuse(field, f"its JSON is longer than {limit} characters")
        return spelled

    return parse


def either(first: Parser[T], second: Parser[T]) -> Parser[T]:
    """Accept what one of the two accepts; the second one says what is wrong."""

    def accept(field: str, raw: object) -> T:
        try:
            return first(field, raw)
        except InvalidRequestError:
            return second(field, raw)

    choice = {"anyOf": [first.schema, second.schema]}
    return Parser(accept, choice, {"anyOf": [first.shown, second.shown]})


def list_of(parse: Parser[T], limit: int = LIST_LENGTH) -> Parser[tuple[T, ...]]:
    """Accept a list; give a tuple."""

    @parser(
        {"type": "array", "items": parse.schema, "maxItems": limit},
        shown={"type": "array", "items": parse.shown},
    )
    def parse_list(field: str, raw: object) -> tuple[T, ...]:
        if not isinstance(raw, list):
            refuse(field, f"'{raw}' is not a list")
        if len(raw) > limit:
            refuse(field, f"a list of {len(raw)} is longer than {limit}")
        return tuple(parse(field, item) for item in raw)

    return parse_list


def list_or_null(parse: Parser[T], limit: int = LIST_LENGTH) -> Parser[tuple[T, ...]]:
    """Accept a list, or null for the empty one; give a tuple."""
    given = list_of(parse, limit)

    def accept(field: str, raw: object) -> tuple[T, ...]:
        return () if raw is None else given(field, raw)

    return Parser(accept, or_null(given.schema), given.shown)


def set_of(parse: Parser[T], limit: int) -> Parser[frozenset[T]]:
    """Accept a list in which the order and repetitions mean nothing."""
    parse_list = list_of(parse, limit)

    def accept(field: str, raw: object) -> frozenset[T]:
        return frozenset(parse_list(field, raw))

    return Parser(accept, parse_list.schema, parse_list.shown)


def record(build: Callable[..., T], required: Mapping[str, Parse], **optional: Parse) -> Parser[T]:
    """Accept an object with these members, and give `build(member=value, …)`."""
    known = {**required, **optional}

    @parser(
        {
            "type": "object",
            "properties": {name: one.schema for name, one in known.items()},
            "required": sorted(required),
            "additionalProperties": False,
        },
        shown={"type": "object", "properties": {name: one.shown for name, one in known.items()}},
    )
    def parse(field: str, raw: object) -> T:
        if not isinstance(raw, dict):
            refuse(field, f"'{raw}' is not an object")
        for name in raw:
            if name not in known:
                refuse(field, f"unknown key '{name}'; allowed are {sorted(known)}")
        for name in required:
            if name not in raw:
                refuse(field, f"key '{name}' is missing")
        return build(**{name: known[name](f"{field}.{name}", raw[name]) for name in raw})

    return parse


def address_range(start: IpAddress, end: IpAddress) -> AddressRange:
    """Build the range of Neutron's `{start, end}`; refuse one that is none."""
    try:
        return AddressRange(first=start, last=end)
    except ValueError as error:
        refuse("allocation_pools", str(error))


@lru_cache(maxsize=4096)
def timestamp(seconds: float) -> str:
    """Render seconds since the epoch as `2026-01-01T00:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def spaced_time(seconds: float) -> str:
    """Render seconds since the epoch as Neutron does for agents: `2026-01-01 00:00:00`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def moment(seconds: float) -> str:
    """Render seconds since the epoch with their microseconds: `2026-01-01T00:00:00.000000Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _whole_number(field: str, raw: object) -> int:
    number = _number_of(raw)
    if number is None:
        raise InvalidRequestError(field, f"'{raw}' is not an integer")
    return number


def _number_of(raw: object) -> int | None:
    """Return the number; None when it is none. JSON writes 7 as 7.0, too; true is no number."""
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() else None
    if isinstance(raw, str):
        # the one spelling of a number: no blanks, signs, zeros or underscores that int() allows
        return int(raw) if _NUMBER_TEXT.fullmatch(raw) else None
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def _string(raw: object) -> str:
    # int would be read as a packed address
    if not isinstance(raw, str):
        raise ValueError("not a string")  # noqa: TRY004 -- one kind of refusal for the callers
    return raw


def _unzoned(raw: object) -> str:
    spelling = _string(raw)
    # a zone (`fe80::1%eth0`) means something on one host only; a mask is no length
    if "%" in spelling or ("/" in spelling and not _LENGTH_TEXT.fullmatch(spelling)):
        raise ValueError("a zone or a mask")
    return spelling


def _with_length(raw: object) -> str:
    spelling = _unzoned(raw)
    if "/" not in spelling:
        raise ValueError("no prefix length")
    return spelling
