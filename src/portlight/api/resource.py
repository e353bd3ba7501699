"""One mechanism for every kind of resource: create (one or many), list, show, update, delete.

A kind is a row of facts: its attributes, its draft and the use cases of the service.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

from starlette.routing import Route

from portlight.api.attributes import Attributes, parse_create, parse_update
from portlight.api.documents import Documents
from portlight.api.errors import BadRequestError, InvalidQueryError
from portlight.api.operation import Operation
from portlight.api.parser import Parse
from portlight.api.query import (
    DETAIL,
    Listing,
    Matcher,
    Narrow,
    fields_of,
    is_asked,
    marker_of,
    page_of_window,
    pick,
    select,
    tag_matchers,
    where_of,
    window_of,
)
from portlight.api.resource_operations import describe
from portlight.api.schema import Schema
from portlight.api.shell import NO_CONTENT, Call, Endpoint, Face, Reply, route
from portlight.api.wire import Json, boolean, whole
from portlight.core.errors import NotFoundError
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.collection import C, Collection, D, I
from portlight.service.sharing import O

I_contra = TypeVar("I_contra", bound=str, contravariant=True)

Expand = Callable[[Cloud, Caller, Sequence[O], list[Json]], list[Json]]
"""From rendered documents to longer ones."""

_REVISION = "revision_number="
_TYPED: Mapping[object, Parse] = {"boolean": boolean, "integer": whole}
"""How the filters of these JSON types are read."""


class Force(Protocol[I_contra]):
    """A deletion that does first what else would forbid it."""

    def __call__(
        self, cloud: Cloud, caller: Caller, identifier: I_contra, /, *, if_revision: int | None
    ) -> None:
        """Remove the entity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent(Generic[O]):
    """The thing in whose path a kind is: its id is in the path, and not in the body."""

    key: str
    """Its id in the path, in the draft, and among the store's filters."""
    of: Callable[[O], str]
    """The id of an entity's parent."""
    find: Callable[[Cloud, Caller, str], object]
    """Raise NotFoundError when the caller may not see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Generic[O, I, D, C]):
    """A kind of resource on a face: entity, identifier, draft to create, draft to change."""

    name: str
    """Key of one in a body: `security_group`."""
    plural: str
    attributes: Attributes
    identifier: Callable[[str], I]
    draft: Callable[..., D]
    change: Callable[..., C]
    use: Callable[[Cloud], Collection[O, I, D, C]]
    """Its use cases."""
    render: Callable[[Cloud, Caller, Sequence[O]], list[Json]]
    renders_alone: bool = False
    """A document depends on its entity and on whether an administrator looks, on nothing else."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Attribute to the store's filter, beside id, name and project."""
    matchers: Mapping[str, Matcher] = field(default_factory=dict)
    narrow: Mapping[str, Narrow] = field(default_factory=dict)
    """Filters with a matcher, of which the store can apply a part."""
    forces: Mapping[str, Force[I]] = field(default_factory=dict)
    """Values of `force` in a deletion, each with what it does instead."""
    filters: Mapping[str, Schema] = field(default_factory=dict)
    """What a filter takes, where that is not any text."""
    check: Callable[[Json], None] = lambda _document: None
    """Checks of the document as a whole, after its attributes were parsed."""
    expand: Expand[O] | None = None
    """Adds the attributes that one alone has, and a list only with `detail=true`."""
    is_bare: bool = False
    """Whether bodies may come without the envelope."""
    title: str | None = None
    """The published name of its schemas, where another face has a kind of the same name."""
    parent: Parent[O] | None = None

    @property
    def segment(self) -> str:
        """What it is called in paths: Neutron keeps underscores below a parent."""
        return self.plural if self.parent else self.plural.replace("_", "-")


COMMON_WHERE: Mapping[str, str] = {
    "id": "id",
    "name": "name",
    "project_id": "project_id",
    "tenant_id": "project_id",
}


def routes_of(face: Face, resource: Resource[O, I, D, C], base: str) -> list[Route]:
    """Return the two routes of a resource below `base`, which ends without a slash."""
    listing = listing_of(resource)
    documents = Documents(resource.render, is_kept=resource.renders_alone)
    collection = f"{base}/{resource.segment}"
    told = describe(
        resource.name,
        resource.plural,
        resource.attributes,
        listing=listing,
        filters=resource.filters,
        forces=frozenset(resource.forces),
        title=resource.title,
        is_bare=resource.is_bare,
        has_details=resource.expand is not None,
    )
    one = Endpoint(
        face,
        {
            "GET": Operation(lambda call: _show(resource, listing, call), told.show),
            "PUT": Operation(lambda call: _update(resource, call), told.update),
            "DELETE": Operation(lambda call: _delete(resource, call), told.delete),
        },
        short=frozenset({"GET"}) if resource.renders_alone else frozenset(),
    )
    return [
        route(
            face,
            collection,
            GET=Operation(lambda call: _list(resource, listing, documents, call), told.list),
            POST=Operation(lambda call: _create(resource, call), told.create),
        ),
        Route(collection + "/{id}", one),
    ]


def listing_of(resource: Resource[O, I, D, C]) -> Listing:
    """Return what lists of the kind can be filtered and sorted by."""
    single = {name: one for name, one in resource.attributes.items() if one.is_single}
    return Listing(
        attributes=frozenset(single),
        where={**COMMON_WHERE, **resource.where},
        matchers={
            **(tag_matchers() if "tags" in resource.attributes else {}),
            **resource.matchers,
        },
        typed={
            name: parse
            for name, one in single.items()
            for kind, parse in _TYPED.items()
            if one.kinds == {kind}
        },
        narrow=resource.narrow,
        controls=frozenset({DETAIL}) if resource.expand is not None else frozenset(),
    )


def parse_draft(
    resource: Resource[O, I, D, C], document: Json, inside: Mapping[str, str] | None = None
) -> D:
    """Return the draft of one new resource; `inside` names the parent, if there is one."""
    values = parse_create(resource.attributes, document)
    resource.check(document)
    return resource.draft(**values, **(inside or {}))


def envelope(document: Json, name: str) -> Json:
    """Return the object under the resource's name; raise BadRequestError without it."""
    inner = document.get(name)
    if not isinstance(inner, dict) or len(document) != 1:
        raise BadRequestError(f"The body must be an object with the one key '{name}'.")
    return inner


def required_revision(call: Call) -> int | None:
    """Return N of `If-Match: revision_number=N`; None without the header, or when all will do."""
    header = call.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    spelling = header.strip().strip('"').removeprefix(_REVISION)
    if not spelling.isdecimal():
        raise InvalidQueryError(f"If-Match must be '{_REVISION}N', not '{header}'.")
    return int(spelling)


def render_with_details(
    resource: Resource[O, I, D, C], cloud: Cloud, caller: Caller, entities: Sequence[O]
) -> list[Json]:
    """Render entities with everything that one alone has."""
    rendered = resource.render(cloud, caller, entities)
    if resource.expand is None:
        return rendered
    return resource.expand(cloud, caller, entities, rendered)


def _create(resource: Resource[O, I, D, C], call: Call) -> Reply:
    document = call.document()
    many = resource.plural in document
    inside = _inside(resource, call)
    drafts = [parse_draft(resource, one, inside) for one in _new_documents(resource, document)]
    entities = resource.use(call.cloud).create_many(call.caller, drafts)
    rendered = render_with_details(resource, call.cloud, call.caller, entities)
    body: Json = {resource.plural: rendered} if many else {resource.name: rendered[0]}
    return Reply(status=HTTPStatus.CREATED, document=body)


def _new_documents(resource: Resource[O, I, D, C], document: Json) -> list[Json]:
    if resource.plural not in document:
        return [_inner(resource, document)]
    listed = document[resource.plural]
    if not isinstance(listed, list) or len(document) != 1 or not listed:
        raise BadRequestError(f"'{resource.plural}' must be a list with at least one object.")
    if not all(isinstance(one, dict) for one in listed):
        raise BadRequestError(f"Each member of '{resource.plural}' must be an object.")
    return listed


def _inner(resource: Resource[O, I, D, C], document: Json) -> Json:
    """Return the object of a body, in its envelope or, where that may be, without one."""
    if resource.is_bare and resource.name not in document:
        return document
    return envelope(document, resource.name)


def _list(
    resource: Resource[O, I, D, C], listing: Listing, documents: Documents[O], call: Call
) -> Reply:
    inside = {key: [one] for key, one in _inside(resource, call).items()}
    where = {**where_of(listing, call.query), **inside}
    window = window_of(listing, call.query)
    marked = _marked(resource, call)
    entities = resource.use(call.cloud).find(call.caller, where, window)
    rendered = documents.of(call.cloud, call.caller, entities)
    if resource.expand is not None and is_asked(call.query, DETAIL):
        rendered = resource.expand(call.cloud, call.caller, entities, rendered)
    page = (
        select(listing, call.query, rendered, call.url, marked)
        if window is None
        else page_of_window(listing, call.query, rendered, call.url)
    )
    body: Json = {resource.plural: page.items}
    if page.links:
        body[f"{resource.plural}_links"] = page.links
    return Reply(document=body)


def _marked(resource: Resource[O, I, D, C], call: Call) -> Json | None:
    """Return the document that the marker names; raise NotFoundError when there is none."""
    marker = marker_of(call.query)
    if marker is None:
        return None
    entity = resource.use(call.cloud).get(call.caller, resource.identifier(marker))
    (rendered,) = resource.render(call.cloud, call.caller, [entity])
    return rendered


def _show(resource: Resource[O, I, D, C], listing: Listing, call: Call) -> Reply:
    where_of(listing, call.query)
    entity = _entity(resource, call)
    (rendered,) = render_with_details(resource, call.cloud, call.caller, [entity])
    return Reply(document={resource.name: pick(rendered, fields_of(call.query))})


def _update(resource: Resource[O, I, D, C], call: Call) -> Reply:
    document = _inner(resource, call.document())
    change = resource.change(**parse_update(resource.attributes, document))
    identifier = _named(resource, call)
    revision = required_revision(call)
    entity = resource.use(call.cloud).update(call.caller, identifier, change, if_revision=revision)
    (rendered,) = render_with_details(resource, call.cloud, call.caller, [entity])
    return Reply(document={resource.name: rendered})


def _delete(resource: Resource[O, I, D, C], call: Call) -> Reply:
    identifier = _named(resource, call)
    revision = required_revision(call)
    if not resource.forces or "force" not in call.query:
        resource.use(call.cloud).delete(call.caller, identifier, if_revision=revision)
        return NO_CONTENT
    force = call.query["force"][-1]
    if force not in resource.forces:
        raise BadRequestError(f"'{force}' is no way to force; use {sorted(resource.forces)}.")
    resource.forces[force](call.cloud, call.caller, identifier, if_revision=revision)
    return NO_CONTENT


def _inside(resource: Resource[O, I, D, C], call: Call) -> dict[str, str]:
    """Return what names the parent in the path; raise NotFoundError when it is not there."""
    parent = resource.parent
    if parent is None:
        return {}
    parent.find(call.cloud, call.caller, call.path[parent.key])
    return {parent.key: call.path[parent.key]}


def _entity(resource: Resource[O, I, D, C], call: Call) -> O:
    """Return the entity of the path; raise NotFoundError when it is another parent's."""
    identifier = resource.identifier(call.path["id"])
    inside = _inside(resource, call)
    entity = resource.use(call.cloud).get(call.caller, identifier)
    parent = resource.parent
    if parent is not None and parent.of(entity) != inside[parent.key]:
        raise NotFoundError(resource.name, identifier)
    return entity


def _named(resource: Resource[O, I, D, C], call: Call) -> I:
    """Return the id in the path; with a parent, only if it is one of the parent's."""
    if resource.parent is not None:
        _entity(resource, call)
    return resource.identifier(call.path["id"])
