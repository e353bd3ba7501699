"""Patterns that say in a schema what a parser accepts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from portlight.api.parser import any_case, decimal_pattern

NUMBERS = st.integers(-10_000, 100_000)


@given(bounds=st.tuples(NUMBERS, NUMBERS).map(sorted), number=st.integers(-20_000, 200_000))
def test_a_decimal_pattern_matches_the_numbers_between_its_bounds_and_no_others(
    bounds: list[int], number: int
) -> None:
    low, high = bounds

    matched = re.search(decimal_pattern(low, high), str(number)) is not None

    assert matched == (low <= number <= high)


def test_a_decimal_pattern_is_short_for_wide_ranges() -> None:
    assert decimal_pattern(0, 255) == "^(([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5]))$"
    assert decimal_pattern(-1, 65_535).startswith("^(-(1)|(")


def test_a_pattern_of_words_matches_them_in_any_case_and_no_others() -> None:
    pattern = re.compile(any_case(["ipv4", "dhcpv6-stateful"]))

    assert pattern.search("IPv4")
    assert pattern.search("DHCPv6-Stateful")
    assert not pattern.search("IPv6")
    assert not pattern.search("an IPv4")
