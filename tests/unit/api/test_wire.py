"""Parsers of single wire values."""

from ipaddress import ip_address, ip_network

import pytest

from portlight.api.attributes import (
    STANDARD,
    at_creation,
    parse_create,
    parse_update,
    read_only,
    settable,
)
from portlight.api.errors import BadRequestError
from portlight.api.parser import Parse, given_or_not
from portlight.api.schema import TEXT
from portlight.api.wire import (
    address,
    boolean,
    identifier,
    integer,
    json_object,
    list_of,
    list_or_null,
    loose_prefix,
    mac,
    network_prefix,
    nullable,
    one_number,
    one_of,
    only,
    prefix,
    record,
    text,
    timestamp,
)
from portlight.core.drafts import UNSET
from portlight.core.errors import InvalidRequestError
from portlight.core.security_group import Direction
from portlight.values.addresses import parse_mac

ATTRIBUTES = {
    **STANDARD,
    "size": settable("size", integer(0, 9)),
    "place": at_creation("place", text(), required=True),
    "status": read_only(TEXT),
}


@pytest.mark.parametrize(
    ("parse", "raw", "value"),
    [
        (text(), "a", "a"),
        (boolean, True, True),
        (boolean, "False", False),
        (boolean, 1, True),
        (integer(0, 10), "7", 7),
        (integer(0, 10), 7.0, 7),
        (one_number(4, 6), "6", 6),
        (identifier, "0" * 32, "0" * 32),
        (address, "fd00::1", ip_address("fd00::1")),
        (prefix, "10.0.0.0/24", ip_network("10.0.0.0/24")),
        (loose_prefix, "10.0.0.9/24", ip_network("10.0.0.0/24")),
        (loose_prefix, "10.0.0.9", ip_network("10.0.0.9/32")),
        (mac, "FA:16:3E:00:00:01", parse_mac("fa:16:3e:00:00:01")),
        (one_of(Direction), "Ingress", Direction.INGRESS),
        (only(value="normal", why="…"), "normal", "normal"),
        (nullable(address), None, None),
        (list_of(integer(0, 9)), [1, 2], (1, 2)),
        (list_or_null(integer(0, 9)), None, ()),
        (given_or_not(integer(0, 9)), None, UNSET),
        (json_object(20), {"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
        (json_object(20), None, "{}"),
        (network_prefix, "10.0.0.5/24", ip_network("10.0.0.0/24")),
        (boolean, "on", True),
        (boolean, "No", False),
        (record(dict, {"a": boolean}, b=boolean), {"a": True}, {"a": True}),
    ],
)
def test_a_right_value_becomes_one_of_the_domain(parse: Parse, raw: object, value: object) -> None:
    assert parse("field", raw) == value


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (text(), 1),
        (text(3), "abcd"),
        (text(), "a\0b"),
        (boolean, "maybe"),
        (boolean, 2),
        (boolean, None),
        (boolean, []),
        (integer(0, 10), 11),
        (integer(0, 10), True),
        (integer(0, 10), "seven"),
        (one_number(4, 6), 5),
        (integer(0, 10), "07"),
        (integer(0, 10), "--7"),
        (integer(-9, 10), "-0"),
        (integer(0, 10), "\N{ARABIC-INDIC DIGIT SEVEN}"),
        (integer(0, 10), 7.5),
        (integer(0, 10), "9" * 10_000),
        (integer(0, 10), None),
        (identifier, "x"),
        (identifier, 5),
        (address, 5),
        (address, "10.0.0.300"),
        (prefix, "10.0.0.1/24"),
        (prefix, "10.0.0.0"),
        (prefix, 10),
        (prefix, "10.0.0.0/255.0.0.0"),
        (address, "fe80::1%eth0"),
        (loose_prefix, "fe80::1%eth0/64"),
        (loose_prefix, None),
        (mac, "fa:16:3e:00:00"),
        (mac, None),
        (one_of(Direction), "up"),
        (one_of(Direction), 4),
        (one_of(Direction), "\N{LATIN SMALL LETTER DOTLESS I}ngress"),
        (only(value="normal", why="…"), "direct"),
        (only(value=False, why="…"), 0),
        (list_of(integer(0, 9)), "12"),
        (list_of(integer(0, 9)), None),
        (json_object(20), []),
        (json_object(20), {"a": "longer than 20 characters"}),
        (network_prefix, "10.0.0.5"),
        (network_prefix, "10.0.0.5/33"),
        (list_of(integer(0, 9), 1), [1, 2]),
        (record(dict, {"a": boolean}), {}),
        (record(dict, {"a": boolean}), {"a": True, "b": 1}),
        (record(dict, {"a": boolean}), [1]),
    ],
)
def test_a_wrong_value_is_refused_and_the_field_named(parse: Parse, raw: object) -> None:
    with pytest.raises(InvalidRequestError, match="field"):
        parse("field", raw)


def test_a_timestamp_is_written_as_neutron_does() -> None:
    assert timestamp(1_767_225_600.0) == "2026-01-01T00:00:00Z"


def test_a_body_becomes_the_fields_of_a_draft() -> None:
    values = parse_create(ATTRIBUTES, {"place": "here", "size": "3", "tenant_id": "0" * 32})

    assert values == {"place": "here", "size": 3, "project_id": "0" * 32}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"place": "here", "colour": "red"}, "Unrecognized attribute"),
        ({"size": 1}, "Required attribute 'place'"),
        ({"place": "here", "status": "up"}, "'status' not allowed in POST"),
        ({"place": "x", "project_id": "0" * 32, "tenant_id": "1" * 32}, "contradicts"),
    ],
)
def test_a_wrong_body_is_refused(body: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        parse_create(ATTRIBUTES, body)


def test_what_is_fixed_for_life_cannot_be_changed() -> None:
    with pytest.raises(BadRequestError, match="'place' not allowed in PUT"):
        parse_update(ATTRIBUTES, {"place": "there"})
