"""Parsers of single wire values: JSON in, domain values out, or a refusal that names the field.

Pure. Each parser takes the field's name (for the refusal) and the raw JSON value.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NoReturn, TypeVar, cast

from portlight.core.errors import InvalidRequestError
from portlight.values.addresses import (
    AddressRange,
    IpAddress,
    IpPrefix,
    MacAddress,
    parse_ip,
    parse_mac,
    parse_prefix,
)

Json = dict[str, object]
Parse = Callable[[str, object], object]
T = TypeVar("T")

NAME_LENGTH = 255
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_TRUTHS: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}


def refuse(field: str, rule: str) -> NoReturn:
    """Raise the refusal of a field's value."""
    raise InvalidRequestError(field, rule)


def text(limit: int = NAME_LENGTH) -> Parse:
    """Accept a string of at most `limit` characters."""

    def parse(field: str, raw: object) -> str:
        if not isinstance(raw, str):
            refuse(field, f"'{raw}' is not a valid string")
        if len(raw) > limit:
            refuse(field, f"'{raw[:32]}…' exceeds maximum length of {limit}")
        if "\0" in raw:
            refuse(field, "a string must not hold the character NUL")
        return raw

    return parse


def boolean(field: str, raw: object) -> bool:
    """Accept a JSON boolean, and the spellings that Neutron accepts for one."""
    # a list or an object is no spelling of anything, and cannot be looked up
    spelling = str(raw).lower() if isinstance(raw, str | int) else ""
    if spelling not in _TRUTHS:
        refuse(field, f"'{raw}' cannot be converted to boolean")
    return _TRUTHS[spelling]


def integer(low: int, high: int) -> Parse:
    """Accept a whole number (or its decimal spelling) from `low` to `high`."""

    def parse(field: str, raw: object) -> int:
        try:
            number = int(raw) if isinstance(raw, int | str) and not isinstance(raw, bool) else None
        except ValueError:
            number = None
        if number is None:
            refuse(field, f"'{raw}' is not an integer")
        if not low <= number <= high:
            refuse(field, f"'{number}' is not between {low} and {high}")
        return number

    return parse


def identifier(field: str, raw: object) -> str:
    """Accept the text of a UUID."""
    if not isinstance(raw, str) or not _UUID.fullmatch(raw):
        refuse(field, f"'{raw}' is not a valid UUID")
    return raw.lower()


def address(field: str, raw: object) -> IpAddress:
    """Accept an IPv4 or IPv6 address."""
    try:
        return parse_ip(_string(raw))
    except ValueError:
        refuse(field, f"'{raw}' is not a valid IP address")


def prefix(field: str, raw: object) -> IpPrefix:
    """Accept a network in CIDR form, without host bits."""
    try:
        return parse_prefix(_with_length(_string(raw)))
    except ValueError:
        refuse(field, f"'{raw}' is not a valid IP subnet")


def loose_prefix(field: str, raw: object) -> IpPrefix:
    """Accept an address or a network; host bits are cleared, as Neutron does for rules."""
    try:
        return parse_prefix(_string(raw), strict=False)
    except ValueError:
        refuse(field, f"'{raw}' is not a valid IP subnet")


def mac(field: str, raw: object) -> MacAddress:
    """Accept an EUI-48 address."""
    try:
        return parse_mac(_string(raw))
    except ValueError:
        refuse(field, f"'{raw}' is not a valid MAC address")


def one_of(kind: type[StrEnum]) -> Parse:
    """Accept the value of a member of `kind`, in any case."""
    members = {member.value.lower(): member for member in kind}

    def parse(field: str, raw: object) -> StrEnum:
        member = members.get(raw.lower()) if isinstance(raw, str) else None
        if member is None:
            refuse(field, f"'{raw}' is not in {[one.value for one in kind]}")
        return member

    return parse


def only(value: object, why: str) -> Parse:
    """Accept this very value: the field exists on the wire, but there is no choice."""

    def parse(field: str, raw: object) -> object:
        if raw != value:
            refuse(field, f"'{raw}' is not supported; {why}")
        return raw

    return parse


def nullable(parse: Parse) -> Parse:
    """Accept null beside what `parse` accepts."""
    return lambda field, raw: None if raw is None else parse(field, raw)


def list_of(parse: Parse, limit: int = 4096) -> Parse:
    """Accept a list (null is the empty one); give a tuple."""

    def parse_list(field: str, raw: object) -> tuple[object, ...]:
        if raw is None:
            return ()
        if not isinstance(raw, list):
            refuse(field, f"'{raw}' is not a list")
        if len(raw) > limit:
            refuse(field, f"a list of {len(raw)} is longer than {limit}")
        return tuple(parse(field, item) for item in raw)

    return parse_list


def set_of(parse: Parse, limit: int) -> Parse:
    """Accept a list in which the order and repetitions mean nothing."""
    parse_list = list_of(parse, limit)
    return lambda field, raw: frozenset(cast("tuple[object, ...]", parse_list(field, raw)))


def record(build: Callable[..., T], required: Mapping[str, Parse], **optional: Parse) -> Parse:
    """Accept an object with these members, and give `build(member=value, …)`."""
    known = {**required, **optional}

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


def moment(seconds: float) -> str:
    """Render seconds since the epoch with their microseconds: `2026-01-01T00:00:00.000000Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _string(raw: object) -> str:
    # int would be read as a packed address
    if not isinstance(raw, str):
        raise ValueError("not a string")  # noqa: TRY004 -- one kind of refusal for the callers
    return raw


def _with_length(spelling: str) -> str:
    if "/" not in spelling:
        raise ValueError("no prefix length")
    return spelling
