"""Filters, order and pages of lists."""

import pytest

from portlight.api.errors import BadRequestError
from portlight.api.query import Listing, member_of, select, tag_matchers, where_of
from portlight.api.wire import Json, boolean
from portlight.core.errors import InvalidRequestError

URL = "http://cloud/v2.0/things"

LISTING = Listing(
    attributes=frozenset({"id", "name", "size", "up", "owner"}),
    where={"id": "id"},
    matchers={**tag_matchers(), "groups": member_of("groups")},
    typed={"up": boolean},
)


def a_thing(number: int, **fields: object) -> Json:
    return {
        "id": f"id-{number}",
        "name": f"thing {number}",
        "size": number,
        "up": True,
        "groups": [],
        "tags": [],
        "owner": None,
        **fields,
    }


def ids(items: list[Json]) -> list[object]:
    return [item["id"] for item in items]


def test_repeated_values_of_a_filter_widen_and_several_filters_narrow() -> None:
    things = [a_thing(1), a_thing(2, up=False), a_thing(3)]

    page = select(LISTING, {"name": ["thing 1", "thing 2"], "up": ["True"]}, things, URL)

    assert ids(page.items) == ["id-1"]


def test_a_filter_on_a_list_matches_any_of_its_members() -> None:
    things = [a_thing(1, groups=["a", "b"]), a_thing(2, groups=["c"])]

    page = select(LISTING, {"groups": ["b"]}, things, URL)

    assert ids(page.items) == ["id-1"]


@pytest.mark.parametrize("spelling", ["true", "True", "1", "yes", "on"])
def test_truth_values_are_filtered_in_every_spelling(spelling: str) -> None:
    page = select(LISTING, {"up": [spelling]}, [a_thing(1), a_thing(2, up=False)], URL)

    assert ids(page.items) == ["id-1"]


def test_a_filter_that_is_no_truth_value_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="maybe"):
        select(LISTING, {"up": ["maybe"]}, [a_thing(1)], URL)


@pytest.mark.extension("empty-string-filtering")
def test_an_empty_value_matches_what_is_not_set() -> None:
    things = [a_thing(1), a_thing(2, owner="me")]

    page = select(LISTING, {"owner": [""]}, things, URL)

    assert ids(page.items) == ["id-1"]


@pytest.mark.covers("N1")
@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("tags", ["id-1"]),
        ("tags-any", ["id-1", "id-2"]),
        ("not-tags", ["id-2", "id-3"]),
        ("not-tags-any", ["id-3"]),
    ],
)
def test_tags_are_filtered_by_all_any_not_all_and_not_any(key: str, found: list[str]) -> None:
    things = [a_thing(1, tags=["red", "blue"]), a_thing(2, tags=["red"]), a_thing(3)]

    page = select(LISTING, {key: ["red,blue"]}, things, URL)

    assert ids(page.items) == found


@pytest.mark.extension("filter-validation")
def test_an_unknown_filter_is_refused_by_its_name() -> None:
    with pytest.raises(BadRequestError, match="colour"):
        where_of(LISTING, {"colour": ["red"]})


def test_only_filters_that_the_store_knows_are_handed_to_it() -> None:
    where = where_of(LISTING, {"id": ["a", "b"], "size": ["1"], "limit": ["5"]})

    assert where == {"id": ["a", "b"]}


@pytest.mark.extension("sorting")
def test_sorting_takes_several_keys_each_with_its_direction() -> None:
    things = [a_thing(1, owner="b"), a_thing(2, owner="a"), a_thing(3, owner="b")]

    page = select(
        LISTING, {"sort_key": ["owner", "size"], "sort_dir": ["asc", "desc"]}, things, URL
    )

    assert ids(page.items) == ["id-2", "id-3", "id-1"]


def test_numbers_are_sorted_as_numbers() -> None:
    page = select(LISTING, {"sort_key": ["size"]}, [a_thing(10), a_thing(9)], URL)

    assert ids(page.items) == ["id-9", "id-10"]


def test_pages_follow_each_other_by_their_links_without_gap_or_repetition() -> None:
    things = [a_thing(number) for number in range(7)]
    seen: list[object] = []
    query, marked = {"limit": ["3"]}, None

    while True:
        page = select(LISTING, query, things, URL, marked)
        seen += ids(page.items)
        following = [link for link in page.links if link["rel"] == "next"]
        if not following:
            break
        marked = page.items[-1]
        query = {"limit": ["3"], "marker": [str(marked["id"])]}

    assert seen == [f"id-{number}" for number in range(7)]


def test_the_page_before_a_marker_is_found_by_page_reverse() -> None:
    things = [a_thing(number) for number in range(7)]
    query = {"limit": ["2"], "marker": ["id-4"], "page_reverse": ["True"]}

    page = select(LISTING, query, things, URL, things[4])

    assert ids(page.items) == ["id-2", "id-3"]


def test_a_page_goes_on_after_a_thing_that_the_filter_leaves_out() -> None:
    things = [a_thing(number) for number in range(4)]
    query = {"limit": ["1"], "marker": ["id-1"], "name": ["thing 0", "thing 2"]}

    page = select(LISTING, query, things, URL, things[1])

    assert ids(page.items) == ["id-2"]


def test_only_a_full_page_is_followed_by_another() -> None:
    things = [a_thing(1), a_thing(2)]

    full, short = (select(LISTING, {"limit": [n]}, things, URL) for n in ("2", "3"))

    assert [link["rel"] for link in full.links] == ["next", "previous"]
    assert [link["rel"] for link in short.links] == ["previous"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": ["-1"]},
        {"limit": ["many"]},
        {"sort_key": ["colour"]},
        {"sort_key": ["size"], "sort_dir": ["up"]},
        {"sort_key": ["size"], "sort_dir": ["asc", "desc"]},
    ],
)
def test_a_wrong_page_or_order_is_refused(query: dict[str, list[str]]) -> None:
    with pytest.raises(BadRequestError):
        select(LISTING, query, [a_thing(1)], URL)


def test_only_the_fields_that_were_asked_for_are_answered() -> None:
    page = select(LISTING, {"fields": ["id", "size"]}, [a_thing(1)], URL)

    assert page.items == [{"id": "id-1", "size": 1}]
