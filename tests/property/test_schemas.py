"""What is published about an attribute is what its parser accepts: neither more nor less."""

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.schema_values import NOISE, validator, values
from tests.support.tables import all_parsers

from portlight.api.parser import Parse
from portlight.core.errors import DomainError

BEYOND_A_SCHEMA = {
    "identity.credentials.expiry": "the day is one of the calendar",
    **dict.fromkeys(
        (
            "mirror_values.port_range",
            "mirror_filter_rules.destination_ports",
            "vpc_v3.rules._PORTS",
        ),
        "a range of ports does not end before it begins",
    ),
    **dict.fromkeys(
        ("neutron.port_forwardings._ports", "neutron.port_forwardings._RANGE"),
        "a range of ports ends at 65535, and not before it begins",
    ),
    "neutron.routers._GATEWAY_INFO": "what is more than empty names a network",
    "neutron.subnets._POOLS": "the end of a pool is not before its start",
    "neutron.subnets._ROUTES": "destination and next hop are of one IP version",
}
"""What a schema cannot say. Such a parser refuses more than its schema, never less."""


def is_accepted(parse: Parse, raw: object) -> bool:
    try:
        parse("field", raw)
    except DomainError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "parse"), [pytest.param(*one, id=one[0]) for one in all_parsers().items()]
)
def test_a_schema_allows_exactly_what_its_parser_accepts(name: str, parse: Parse) -> None:
    schema = cast("dict[str, Any]", parse.schema)
    valid = validator(schema)

    @settings(max_examples=60)
    @given(raw=values(schema) | NOISE | st.lists(NOISE, max_size=2))
    def check(raw: object) -> None:
        allowed, accepted = valid.is_valid(raw), is_accepted(parse, raw)

        assert allowed or not accepted, f"{raw!r} is accepted, but not allowed"
        assert accepted or not allowed or name in BEYOND_A_SCHEMA, (
            f"{raw!r} is allowed, but refused"
        )

    check()


def test_every_exception_is_still_one() -> None:
    assert BEYOND_A_SCHEMA.keys() <= all_parsers().keys()
