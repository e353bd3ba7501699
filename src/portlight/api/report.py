"""Lists that are only read: what somebody else than a caller makes, or what is worked out.

They are filtered, sorted and cut like the resources, and shown one by one where there is a key.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from starlette.routing import Route

from portlight.api.operation import Description, Operation
from portlight.api.query import Listing, Matcher, fields_of, pick, select, where_of
from portlight.api.resource_schema import FIELDS, listing_parameters, page_schema
from portlight.api.schema import Schema, shape, titled
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.wire import Json
from portlight.core.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A kind of thing that is only read."""

    name: str
    """Key of one in a body."""
    plural: str
    path: str
    """Last part of the address."""
    attributes: Mapping[str, Schema]
    read: Callable[[Call, Collection[str] | None], list[Json]]
    """Return what the caller may see: with these keys, or (None) all."""
    key: str | None = None
    """The attribute by which one is shown; None: there is only the list."""
    label: str = ""
    """The kind in the refusal of an unknown key."""
    sorted_by: str = "id"
    """What settles the order of pages, when there is no key."""
    matchers: Mapping[str, Matcher] = field(default_factory=dict)


def report_routes(face: Face, report: Report, base: str) -> list[Route]:
    """Return the route of the list, and that of one."""
    listing = Listing(
        attributes=frozenset(report.attributes),
        where={},
        matchers=report.matchers,
        key=report.key or report.sorted_by,
    )
    path, one = f"{base}/{report.path}", _schema(report)
    lists = Description(
        summary=f"List {report.plural.replace('_', ' ')}",
        query=listing_parameters(listing, {}),
        answer=page_schema(report.plural, one),
    )
    found = [route(face, path, GET=Operation(lambda call: _list(report, listing, call), lists))]
    if report.key is not None:
        shows = Description(
            summary=f"Show a {report.name.replace('_', ' ')}",
            query=FIELDS,
            answer=shape({report.name: one}),
        )
        show = Operation(lambda call: _show(report, call), shows)
        found.append(route(face, f"{path}/{{id}}", GET=show))
    return found


def _schema(report: Report) -> Schema:
    """Return the schema of one; `fields` may leave out any attribute."""
    shown = {"type": "object", "properties": report.attributes, "additionalProperties": False}
    return titled(report.name, shown)


def _list(report: Report, listing: Listing, call: Call) -> Reply:
    where_of(listing, call.query)
    page = select(listing, call.query, report.read(call, None), call.url)
    body: Json = {report.plural: page.items}
    if page.links:
        body[f"{report.plural}_links"] = page.links
    return Reply(document=body)


def _show(report: Report, call: Call) -> Reply:
    wanted = call.path["id"]
    for one in report.read(call, [wanted]):
        if one[str(report.key)] == wanted:
            return Reply(document={report.name: pick(one, fields_of(call.query))})
    raise NotFoundError(report.label, wanted)
