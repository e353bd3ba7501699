"""Lists as a client asks for them: filters, fields, order and pages.

Pure: rendered documents in, documents out. Filters that the store understands are its own
(`where_of`); when it decides all of them, it cuts the page as well (`window_of`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, cast
from urllib.parse import urlencode

from portlight.api.errors import BadRequestError
from portlight.api.schema import TEXT, Schema, array, one_word
from portlight.api.wire import Json
from portlight.store.protocol import Window

Query = Mapping[str, list[str]]
Matcher = Callable[[Json, Sequence[str]], bool]
Narrow = Callable[[Sequence[str]], Mapping[str, list[str]]]
"""Values of a filter to a condition for the store that everything which matches meets."""

_LIMIT_DIGITS = 9

CONTROLS: Mapping[str, Schema] = {
    "fields": array(TEXT),
    "sort_key": array(TEXT),
    "sort_dir": array(one_word("asc", "desc")),
    "limit": {"type": "integer", "minimum": 0, "maximum": 10**_LIMIT_DIGITS - 1},
    "marker": TEXT,
    "page_reverse": TEXT,
}
"""Parameters of every list that are no filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a collection can be filtered by."""

    attributes: frozenset[str]
    where: Mapping[str, str]
    """Attribute to the store's name for it; the store decides alone, unless there is a matcher."""
    matchers: Mapping[str, Matcher]
    """Filters that are not an equality of one attribute."""
    narrow: Mapping[str, Narrow] = field(default_factory=dict)
    """Filters with a matcher, of which the store can apply a part."""
    key: str = "id"
    """What no two items share: it settles the order, and is the marker of pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list, with the links to its neighbours."""

    items: list[Json]
    links: list[Json]


def tag_matchers() -> dict[str, Matcher]:
    """Return Neutron's four filters on tags; each value is a comma-separated list."""

    def tags_of(item: Json) -> set[str]:
        return set(cast("list[str]", item["tags"]))

    def wanted(values: Sequence[str]) -> set[str]:
        return {tag for value in values for tag in value.split(",")}

    return {
        "tags": lambda item, values: wanted(values) <= tags_of(item),
        "tags-any": lambda item, values: bool(wanted(values) & tags_of(item)),
        "not-tags": lambda item, values: not wanted(values) <= tags_of(item),
        "not-tags-any": lambda item, values: not wanted(values) & tags_of(item),
    }


def where_of(listing: Listing, query: Query) -> dict[str, list[str]]:
    """Return the filters that the store can apply; raise BadRequestError on unknown ones."""
    known = listing.attributes | listing.matchers.keys() | CONTROLS.keys()
    unknown = sorted(key for key in query if key not in known)
    if unknown:
        raise BadRequestError(f"{unknown} is invalid attribute for filter")
    conditions = [(listing.where[key], query[key]) for key in query if key in listing.where]
    for key in query.keys() & listing.narrow.keys():
        conditions += listing.narrow[key](query[key]).items()
    found: dict[str, list[str]] = {}
    for key, values in conditions:
        # two spellings of one attribute narrow each other
        found[key] = [value for value in values if value in found.get(key, values)]
    return found


def window_of(listing: Listing, query: Query) -> Window | None:
    """Return the page that is asked for when the store can cut it, with one more to look ahead.

    None: without pages, or when something but the store has a say in what is on them. Raise
    BadRequestError when the page is asked for wrongly.
    """
    is_paged = "limit" in query or "marker" in query
    keys, directions = _sort_keys(listing, query)
    if not is_paged or keys not in ([], ["id"]) or _left(listing, query):
        return None
    limit = _limit(query)
    return Window(
        limit=None if limit is None else limit + 1,
        after=query["marker"][-1] if "marker" in query else None,
        descending=(directions == ["desc"]) != _is_backward(query),
    )


def page_of_window(listing: Listing, query: Query, items: Sequence[Json], url: str) -> Page:
    """Return the page of documents that were found in a window, whose marker is in the list."""
    limit = _limit(query)
    kept = list(items) if limit is None else list(items[:limit])
    around = (len(kept) < len(items), "marker" in query)
    return _with_fields(query, _page(listing, query, kept, around, url))


def select(listing: Listing, query: Query, items: Sequence[Json], url: str) -> Page:
    """Filter (what the store did not), sort and cut rendered documents, and keep their fields."""
    left = _left(listing, query)
    found = [item for item in items if _matches(listing, left, item)] if left else list(items)
    ordered = _sorted(listing, query, found)
    return _with_fields(query, _paginate(listing, query, ordered, url))


def fields_of(query: Query) -> set[str]:
    """Return the names in the `fields` parameters."""
    return {name for value in query.get("fields", ()) for name in value.split(",")}


def refuse_marker(query: Query) -> NoReturn:
    """Raise BadRequestError: the marker is not in the list."""
    raise BadRequestError(f"The marker '{query['marker'][-1]}' is not in this list.")


def _with_fields(query: Query, page: Page) -> Page:
    fields = fields_of(query)
    return Page(items=[pick(item, fields) for item in page.items], links=page.links)


def _left(listing: Listing, query: Query) -> Query:
    """Return the filters that the store does not decide."""
    return {
        key: values
        for key, values in query.items()
        if key not in CONTROLS and (key in listing.matchers or key not in listing.where)
    }


def pick(item: Json, fields: set[str]) -> Json:
    """Return the item with only these fields; all when none is named."""
    return {name: value for name, value in item.items() if name in fields} if fields else item


def _matches(listing: Listing, left: Query, item: Json) -> bool:
    for key, values in left.items():
        if key in listing.matchers:
            if not listing.matchers[key](item, values):
                return False
        elif not (key in item and _equals(item[key], values)):
            # a field that the caller may not see matches nothing
            return False
    return True


def _equals(value: object, wanted: Sequence[str]) -> bool:
    if isinstance(value, bool):
        return any(_truth(one) is value for one in wanted)
    if isinstance(value, list):
        return any(str(member) in wanted for member in value)
    return ("" if value is None else str(value)) in wanted or (value is None and "None" in wanted)


def _truth(spelling: str) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(spelling.lower())


def _sort_keys(listing: Listing, query: Query) -> tuple[list[str], list[str]]:
    keys = query.get("sort_key", [])
    directions = query.get("sort_dir", ["asc"] * len(keys))
    if len(directions) != len(keys):
        raise BadRequestError("The number of sort_keys and sort_dirs must be same")
    for key, direction in zip(keys, directions, strict=True):
        if key not in listing.attributes:
            raise BadRequestError(f"'{key}' is an invalid attribute for sort key")
        if direction not in ("asc", "desc"):
            raise BadRequestError(f"'{direction}' is an invalid sort direction; use asc or desc")
    return keys, directions


def _sorted(listing: Listing, query: Query, items: list[Json]) -> list[Json]:
    keys, directions = _sort_keys(listing, query)
    if not keys and "limit" not in query and "marker" not in query:
        return items
    # pages need a total order: ties are settled by id, and sorts are stable
    ordered = sorted(items, key=lambda item: str(item[listing.key]))
    for key, direction in reversed(list(zip(keys, directions, strict=True))):
        ordered.sort(key=lambda item, key=key: _rank(item.get(key)), reverse=direction == "desc")  # type: ignore[misc]
    return ordered


def _rank(value: object) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return (True, float(value), "")
    return (value is not None, 0.0, "" if value is None else str(value))


def _paginate(listing: Listing, query: Query, items: list[Json], url: str) -> Page:
    limit = _limit(query)
    ordered = items[::-1] if _is_backward(query) else items
    start = _after_marker(listing, query, ordered)
    window = ordered[start:] if limit is None else ordered[start : start + limit]
    around = (start + len(window) < len(ordered), start > 0)
    return _page(listing, query, window, around, url)


def _page(
    listing: Listing, query: Query, window: list[Json], around: tuple[bool, bool], url: str
) -> Page:
    """Return a page in the order of the list; `around`: whether there is more after and before."""
    backward = _is_backward(query)
    has_more, has_before = around
    links: list[Json] = []
    if _limit(query) is not None and window:
        first, last = str(window[0][listing.key]), str(window[-1][listing.key])
        ahead, behind = ("previous", "next") if backward else ("next", "previous")
        forward_link = _link(ahead, query, url, last, backward)
        backward_link = _link(behind, query, url, first, not backward)
        links = [forward_link] * has_more + [backward_link] * has_before
    return Page(items=window[::-1] if backward else window, links=links)


def _is_backward(query: Query) -> bool:
    return _truth(query.get("page_reverse", ["false"])[-1]) is True


def _limit(query: Query) -> int | None:
    if "limit" not in query:
        return None
    spelling = query["limit"][-1]
    if not spelling.isdecimal() or len(spelling) > _LIMIT_DIGITS:
        raise BadRequestError(f"Limit must be an integer 0 or greater and not '{spelling}'")
    return int(spelling) or None


def _after_marker(listing: Listing, query: Query, items: list[Json]) -> int:
    if "marker" not in query:
        return 0
    marker = query["marker"][-1]
    for index, item in enumerate(items):
        if item[listing.key] == marker:
            return index + 1
    refuse_marker(query)


def _link(relation: str, query: Query, url: str, marker: str, backward: bool) -> Json:  # noqa: FBT001 -- private
    kept = {key: values for key, values in query.items() if key not in ("marker", "page_reverse")}
    target = {**kept, "marker": [marker]}
    if backward:
        target["page_reverse"] = ["True"]
    return {"rel": relation, "href": f"{url}?{urlencode(target, doseq=True)}"}
