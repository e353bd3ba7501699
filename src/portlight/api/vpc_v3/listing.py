"""Lists of the face: filters that may be repeated, order by time, pages by the last id."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic

from portlight.api.errors import BadRequestError
from portlight.api.operation import Parameters
from portlight.api.parser import Parse
from portlight.api.query import Query
from portlight.api.schema import TEXT, WHOLE, Schema, array, one_word, shape
from portlight.api.wire import Json, integer
from portlight.service.collection import Where
from portlight.service.sharing import O
from portlight.store.protocol import Window
from portlight.store.shapes import shape_of

MAX_PAGE: Final = 2000
_LIMIT = integer(0, MAX_PAGE)
_DIRECTIONS: Final = ("asc", "desc")
PAGE_INFO: Schema = shape(
    {"current_count": WHOLE}, optional={"previous_marker": TEXT, "next_marker": TEXT}
)

Find = Callable[[Where, Window | None], list[O]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Generic[O]):
    """What a list can be narrowed by: the filter's values and those of the things are compared."""

    parse: Parse
    of: Callable[[O], object]
    key: str | None = None
    """The store's key for it, where it has one."""
    is_single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[O]):
    """How the things of a kind are listed."""

    filters: Mapping[str, Filter[O]]
    orders: Mapping[str, Callable[[O], float]] = field(default_factory=dict)
    """Parameters that sort: `asc` or `desc`."""

    @property
    def parameters(self) -> Parameters:
        """What may stand in the query."""
        by_value = {
            name: one.parse.schema if one.is_single else array(one.parse.schema)
            for name, one in self.filters.items()
        }
        by_order = dict.fromkeys(self.orders, one_word(*_DIRECTIONS))
        return {**by_value, **by_order, "limit": _LIMIT.schema, "marker": TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[O]):
    """A part of a list."""

    items: Sequence[O]
    has_more: bool

    @property
    def info(self) -> Json:
        """Return the object that says where to go on; the last page has no `next_marker`."""
        info: Json = {"current_count": len(self.items)}
        if self.items:
            info["previous_marker"] = _id(self.items[0])
        if self.items and self.has_more:
            info["next_marker"] = _id(self.items[-1])
        return info


def read_page(listing: Listing[O], query: Query, project_id: str, find: Find[O]) -> Page[O]:
    """Return the page that a query asks for; raise when it asks wrongly.

    The store cuts it when it understands every filter; the order is by id then.
    """
    _check_names(listing, query)
    chosen = {
        name: [one.parse(name, raw) for raw in _values(name, one, query)]
        for name, one in listing.filters.items()
        if name in query
    }
    where = {"project_id": [project_id]}
    where |= {
        str(listing.filters[name].key): query[name] for name in chosen if _is_key(listing, name)
    }
    left = {name: values for name, values in chosen.items() if not _is_key(listing, name)}
    orders = [(name, _direction(name, query)) for name in query if name in listing.orders]
    limit = _LIMIT("limit", query["limit"][-1]) if "limit" in query else MAX_PAGE
    marker = query.get("marker", [""])[-1]
    if left or orders:
        found = [one for one in find(where, None) if _fits(listing, left, one)]
        return _cut(_sorted(listing, orders, found), limit or MAX_PAGE, marker)
    if marker and not find({**where, "id": _both(where.get("id"), marker)}, None):
        _refuse_marker(marker)
    window = Window(limit=(limit or MAX_PAGE) + 1, after=marker or None)
    return _page(find(where, window), limit or MAX_PAGE)


def _check_names(listing: Listing[O], query: Query) -> None:
    unknown = sorted(name for name in query if name not in listing.parameters)
    if unknown:
        raise BadRequestError(f"{unknown} cannot be asked for in this list.")


def _values(name: str, one: Filter[O], query: Query) -> Sequence[str]:
    values = query[name]
    if one.is_single and len(values) > 1:
        raise BadRequestError(f"'{name}' may be given once only.")
    return values


def _is_key(listing: Listing[O], name: str) -> bool:
    return listing.filters[name].key is not None


def _direction(name: str, query: Query) -> bool:
    """Whether the order is descending."""
    direction = query[name][-1]
    if direction not in _DIRECTIONS:
        raise BadRequestError(f"'{name}' sorts: it must be one of {list(_DIRECTIONS)}.")
    return direction == "desc"


def _fits(listing: Listing[O], left: Mapping[str, Sequence[object]], one: O) -> bool:
    return all(listing.filters[name].of(one) in values for name, values in left.items())


def _sorted(listing: Listing[O], orders: Sequence[tuple[str, bool]], found: Sequence[O]) -> list[O]:
    ordered = sorted(found, key=_id)
    for name, descending in reversed(orders):
        ordered.sort(key=listing.orders[name], reverse=descending)
    return ordered


def _cut(ordered: Sequence[O], limit: int, marker: str) -> Page[O]:
    if not marker:
        return _page(ordered, limit)
    places = [place for place, one in enumerate(ordered) if _id(one) == marker]
    if not places:
        _refuse_marker(marker)
    return _page(ordered[places[0] + 1 :], limit)


def _page(items: Sequence[O], limit: int) -> Page[O]:
    return Page(items=items[:limit], has_more=len(items) > limit)


def _both(wanted: Sequence[str] | None, marker: str) -> list[str]:
    return [marker] if wanted is None or marker in wanted else []


def _refuse_marker(marker: str) -> None:
    raise BadRequestError(f"The marker '{marker}' is not in this list.")


def _id(entity: object) -> str:
    return shape_of(entity).identifier(entity)
