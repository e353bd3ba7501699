"""Lists as a client asks for them: filters, fields, order and pages.

Pure: rendered documents in, documents out. Filters that the store understands are its own
(`where_of`); when it decides all of them, it cuts the page as well (`window_of`).
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode

from portlight.api.errors import BadRequestError, InvalidQueryError
from portlight.api.parser import Parse
from portlight.api.schema import TEXT, Schema, array, one_word
from portlight.api.wire import Json, boolean
from portlight.store.protocol import Window

Query = Mapping[str, list[str]]
Matcher = Callable[[Json, Sequence[str]], bool]
Narrow = Callable[[Sequence[str]], Mapping[str, list[str]]]
"""Values of a filter to a condition for the store that everything which matches meets."""

_LIMIT_DIGITS = 9
_PLACE = ("marker", "offset", "page_reverse")
_NOTHING = frozenset({"", "None"})
"""How a filter asks for attributes without a value."""

CONTROLS: Mapping[str, Schema] = {
    "fields": array(TEXT),
    "sort_key": array(TEXT),
    "sort_dir": array(one_word("asc", "desc")),
    "limit": {"type": "integer", "minimum": 0, "maximum": 10**_LIMIT_DIGITS - 1},
    "offset": {"type": "integer", "minimum": 0, "maximum": 10**_LIMIT_DIGITS - 1},
    "marker": TEXT,
    "page_reverse": TEXT,
}
"""Parameters of every list that are no filters."""
DETAIL = "detail"
"""Asks for all attributes of the items, where lists show fewer than one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a collection can be filtered by."""

    attributes: frozenset[str]
    """Those of one value: filters for equality, and sort keys."""
    where: Mapping[str, str]
    """Attribute to the store's name for it; the store decides alone, unless there is a matcher."""
    matchers: Mapping[str, Matcher]
    """Filters that are not an equality of one attribute."""
    typed: Mapping[str, Parse] = field(default_factory=dict)
    """Attributes whose filters are parsed first: truth values and numbers."""
    narrow: Mapping[str, Narrow] = field(default_factory=dict)
    """Filters with a matcher, of which the store can apply a part."""
    key: str = "id"
    """What no two items share: it settles the order, and is the marker of pages."""
    controls: frozenset[str] = frozenset()
    """Further parameters that are no filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list, with the links to its neighbours."""

    items: list[Json]
    links: list[Json]


def member_of(key: str) -> Matcher:
    """Return the filter of an attribute that is a list: it has one of the values."""

    def matches(item: Json, values: Sequence[str]) -> bool:
        return not set(values).isdisjoint(cast("list[str]", item[key]))

    return matches


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
    known = listing.attributes | listing.matchers.keys() | CONTROLS.keys() | listing.controls
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
    """Return the page that is asked for when the store can cut it.

    None: without pages, or when something but the store has a say in what is on them. Raise
    BadRequestError when the page is asked for wrongly.
    """
    keys, directions = _sort_keys(listing, query)
    limit = _limit(query)
    if limit is None or _offset(query) or keys not in ([], ["id"]) or _left(listing, query):
        return None
    return Window(
        limit=limit,
        after=marker_of(query),
        descending=(directions == ["desc"]) != _is_backward(query),
    )


def marker_of(query: Query) -> str | None:
    """Return what the page begins after; markers count only in pages."""
    return (query.get("marker", [""])[-1] or None) if _limit(query) else None


def page_of_window(listing: Listing, query: Query, items: Sequence[Json], url: str) -> Page:
    """Return the page of documents that were found in a window."""
    return _with_fields(query, _page(listing, query, list(items), url))


def select(
    listing: Listing, query: Query, items: Sequence[Json], url: str, marked: Json | None = None
) -> Page:
    """Filter (what the store did not), sort and cut rendered documents, and keep their fields.

    `marked` is the document that the marker names: the page begins after it, in the list or not.
    """
    matches = [_matcher(listing, key, values) for key, values in _left(listing, query).items()]
    found = [item for item in items if all(is_match(item) for is_match in matches)]
    key = listing.key
    if marked is not None and all(item[key] != marked[key] for item in found):
        ordered = _sorted(listing, query, [*found, marked])
    else:
        ordered = _sorted(listing, query, found)
    return _with_fields(query, _paginate(listing, query, ordered, url, marked))


def is_asked(query: Query, control: str) -> bool:
    """Whether a parameter that is on or off is on."""
    return control in query and boolean(control, query[control][-1])


def fields_of(query: Query) -> set[str]:
    """Return the names in the `fields` parameters."""
    return {name for value in query.get("fields", ()) for name in value.split(",")}


def _with_fields(query: Query, page: Page) -> Page:
    fields = fields_of(query)
    return Page(items=[pick(item, fields) for item in page.items], links=page.links)


def _left(listing: Listing, query: Query) -> Query:
    """Return the filters that the store does not decide."""
    return {
        key: values
        for key, values in query.items()
        if key not in CONTROLS.keys() | listing.controls
        and (key in listing.matchers or key not in listing.where)
    }


def pick(item: Json, fields: set[str]) -> Json:
    """Return the item with only these fields; all when none is named."""
    return {name: value for name, value in item.items() if name in fields} if fields else item


def _matcher(listing: Listing, key: str, values: Sequence[str]) -> Callable[[Json], bool]:
    if key in listing.matchers:
        matcher = listing.matchers[key]
        return lambda item: matcher(item, values)
    if key in listing.typed:
        parsed = {listing.typed[key](key, value) for value in values}
        return lambda item: item.get(key) in parsed
    wanted = set(values)
    # a field that the caller may not see matches nothing
    return lambda item: key in item and _equals(item[key], wanted)


def _equals(value: object, wanted: AbstractSet[str]) -> bool:
    if value is None:
        return not wanted.isdisjoint(_NOTHING)
    return str(value) in wanted


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
    if not keys and "limit" not in query and not _offset(query) and not _is_backward(query):
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


def _paginate(
    listing: Listing, query: Query, items: list[Json], url: str, marked: Json | None
) -> Page:
    ordered = items[::-1] if _is_backward(query) else items
    limit = _limit(query)
    if limit is None:
        return Page(items=ordered[_offset(query) :], links=[])
    keys = [item[listing.key] for item in ordered]
    start = 0 if marked is None else 1 + keys.index(marked[listing.key])
    start += _offset(query)
    return _page(listing, query, ordered[start : start + limit], url)


def _page(listing: Listing, query: Query, window: list[Json], url: str) -> Page:
    """Return a page in the order of the list, with the links that Neutron gives.

    A full page has a next one, which may be empty: only a page that is not full is known to be the
    last in its direction.
    """
    is_short, is_backward = len(window) < (_limit(query) or 0), _is_backward(query)
    items = window[::-1] if is_backward else window
    keys = [str(item[listing.key]) for item in items]
    links = []
    if is_backward or not is_short:
        links.append(_link("next", query, url, keys[-1:]))
    if not (is_backward and is_short):
        links.append(_link("previous", query, url, keys[:1]))
    return Page(items=items, links=links)


def _is_backward(query: Query) -> bool:
    return query.get("page_reverse", [""])[-1].lower() == "true"


def _limit(query: Query) -> int | None:
    return _number(query, "limit") or None


def _offset(query: Query) -> int:
    """Return how many items are skipped before the page begins."""
    return _number(query, "offset")


def _number(query: Query, control: str) -> int:
    spelling = query.get(control, ["0"])[-1]
    if not spelling.isdecimal() or len(spelling) > _LIMIT_DIGITS:
        word = control.capitalize()
        raise InvalidQueryError(f"{word} must be an integer 0 or greater and not '{spelling}'")
    return int(spelling)


def _link(relation: str, query: Query, url: str, marker: list[str]) -> Json:
    # the marker says where the neighbour begins
    kept = {key: values for key, values in query.items() if key not in _PLACE}
    turned = {"page_reverse": ["True"]} if relation == "previous" else {}
    target = urlencode({**kept, "marker": marker, **turned}, doseq=True)
    return {"rel": relation, "href": f"{url}?{target}"}
