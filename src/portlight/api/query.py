"""Lists as a client asks for them: filters, fields, order and pages.

Pure: rendered documents in, documents out. Filters that the store understands are also handed to it
(`where_of`), so that a look-up by id or name does not read everything.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode

from portlight.api.errors import BadRequestError, InvalidQueryError
from portlight.api.parser import Parse
from portlight.api.schema import TEXT, Schema, array, one_word
from portlight.api.wire import Json

Query = Mapping[str, list[str]]
Matcher = Callable[[Json, Sequence[str]], bool]

_LIMIT_DIGITS = 9
_NOTHING = frozenset({"", "None"})
"""How a filter asks for attributes without a value."""

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
    """Filters that are an equality, and sort keys: attributes of one value."""
    where: Mapping[str, str]
    """Attribute to the store's name for it."""
    matchers: Mapping[str, Matcher]
    """Filters that are not an equality of one attribute."""
    typed: Mapping[str, Parse] = field(default_factory=dict)
    """Attributes whose filters are parsed first: truth values and numbers."""


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
    known = listing.attributes | listing.matchers.keys() | CONTROLS.keys()
    unknown = sorted(key for key in query if key not in known)
    if unknown:
        raise BadRequestError(f"{unknown} is invalid attribute for filter")
    return {listing.where[key]: values for key, values in query.items() if key in listing.where}


def select(
    listing: Listing, query: Query, items: Sequence[Json], url: str, marked: Json | None = None
) -> Page:
    """Filter, sort and cut rendered documents, and keep only the fields that were asked for.

    `marked` is the document that the marker names: a page begins after it, in the list or not.
    """
    matches = [_matcher_of(listing, key, query[key]) for key in query if key not in CONTROLS]
    found = [item for item in items if all(is_match(item) for is_match in matches)]
    page = _paginate(listing, query, found, url, marked)
    fields = fields_of(query)
    return Page(items=[pick(item, fields) for item in page.items], links=page.links)


def fields_of(query: Query) -> set[str]:
    """Return the names in the `fields` parameters."""
    return {name for value in query.get("fields", ()) for name in value.split(",")}


def marker_of(query: Query) -> str | None:
    """Return the id after which the page begins; markers count only in pages."""
    return (query.get("marker", [""])[-1] or None) if _limit(query) else None


def pick(item: Json, fields: set[str]) -> Json:
    """Return the item with only these fields; all when none is named."""
    return {name: value for name, value in item.items() if name in fields} if fields else item


def _matcher_of(listing: Listing, key: str, values: Sequence[str]) -> Callable[[Json], bool]:
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


def _sorted(listing: Listing, query: Query, items: list[Json]) -> list[Json]:
    keys = query.get("sort_key", [])
    directions = query.get("sort_dir", ["asc"] * len(keys))
    if len(directions) != len(keys):
        raise BadRequestError("The number of sort_keys and sort_dirs must be same")
    for key, direction in zip(keys, directions, strict=True):
        if key not in listing.attributes:
            raise BadRequestError(f"'{key}' is an invalid attribute for sort key")
        if direction not in ("asc", "desc"):
            raise BadRequestError(f"'{direction}' is an invalid sort direction; use asc or desc")
    if not keys and "limit" not in query:
        return items
    # pages need a total order: ties are settled by id, and sorts are stable
    ordered = sorted(items, key=lambda item: str(item["id"]))
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
    limit = _limit(query)
    is_reversed = query.get("page_reverse", [""])[-1].lower() == "true"
    everything = items
    if marked is not None and all(item["id"] != marked["id"] for item in items):
        everything = [*items, marked]
    ordered = _sorted(listing, query, everything)
    if is_reversed:
        ordered = ordered[::-1]
    if limit is None:
        return Page(items=ordered, links=[])
    start = 0
    if marked is not None:
        start = 1 + next(n for n, item in enumerate(ordered) if item["id"] == marked["id"])
    window = ordered[start : start + limit]
    page = window[::-1] if is_reversed else window
    return Page(items=page, links=_links(query, page, url, limit, is_reversed=is_reversed))


def _links(
    query: Query, page: list[Json], url: str, limit: int, *, is_reversed: bool
) -> list[Json]:
    """Return the links to the neighbours as Neutron gives them.

    A full page has a next one, which may be empty: only a page that is not full is known to be the
    last in its direction.
    """
    is_short = len(page) < limit
    links = []
    if is_reversed or not is_short:
        links.append(_link("next", query, url, page[-1:]))
    if not (is_reversed and is_short):
        links.append(_link("previous", query, url, page[:1]))
    return links


def _limit(query: Query) -> int | None:
    if "limit" not in query:
        return None
    spelling = query["limit"][-1]
    if not spelling.isdecimal() or len(spelling) > _LIMIT_DIGITS:
        raise InvalidQueryError(f"Limit must be an integer 0 or greater and not '{spelling}'")
    return int(spelling) or None


def _link(relation: str, query: Query, url: str, beside: list[Json]) -> Json:
    kept = {key: values for key, values in query.items() if key not in ("marker", "page_reverse")}
    marker = {"marker": [str(item["id"]) for item in beside]} if beside else {}
    turned = {"page_reverse": ["True"]} if relation == "previous" else {}
    query_text = urlencode({**kept, **marker, **turned}, doseq=True)
    return {"rel": relation, "href": f"{url}?{query_text}"}
