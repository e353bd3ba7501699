"""One mechanism for every kind of resource: create (one or many), list, show, update, delete.

A kind is a row of facts: its attributes, its draft and the use cases of the service.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

from starlette.routing import Route

from portlight.api.attributes import Attributes, parse_create, parse_update
from portlight.api.errors import BadRequestError
from portlight.api.query import Listing, Matcher, Query, pick, select, tag_matchers, where_of
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.wire import Json
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud

E = TypeVar("E")
I = TypeVar("I")  # noqa: E741 -- identifier, beside entity, draft and change
D = TypeVar("D")
C = TypeVar("C")
E_co = TypeVar("E_co", covariant=True)
I_contra = TypeVar("I_contra", contravariant=True)
C_contra = TypeVar("C_contra", contravariant=True)

_REVISION = "revision_number="


class Update(Protocol[I_contra, C_contra, E_co]):
    """A use case that changes one entity, if it still has this revision."""

    def __call__(
        self,
        cloud: Cloud,
        caller: Caller,
        identifier: I_contra,
        change: C_contra,
        /,
        *,
        if_revision: int | None,
    ) -> E_co:
        """Return the entity as it is afterwards."""


class Delete(Protocol[I_contra]):
    """A use case that removes one entity, if it still has this revision."""

    def __call__(
        self, cloud: Cloud, caller: Caller, identifier: I_contra, /, *, if_revision: int | None
    ) -> None:
        """Remove the entity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Generic[E, I, D, C]):
    """A kind of resource on a face: entity, identifier, draft to create, draft to change."""

    name: str
    """Key of one in a body: `security_group`."""
    plural: str
    attributes: Attributes
    identifier: Callable[[str], I]
    draft: Callable[..., D]
    change: Callable[..., C]
    create: Callable[[Cloud, Caller, list[D]], Sequence[E]]
    """All or nothing."""
    read: Callable[[Cloud, Caller, I], E]
    find: Callable[[Cloud, Caller, Mapping[str, Collection[str]]], Sequence[E]]
    update: Update[I, C, E]
    delete: Delete[I]
    render: Callable[[Cloud, Caller, Sequence[E]], list[Json]]
    where: Mapping[str, str] = field(default_factory=dict)
    """Attribute to the store's filter, beside id, name and project."""
    matchers: Mapping[str, Matcher] = field(default_factory=dict)
    check: Callable[[Json], None] = lambda _document: None
    """Checks of the document as a whole, after its attributes were parsed."""


COMMON_WHERE: Mapping[str, str] = {
    "id": "id",
    "name": "name",
    "project_id": "project_id",
    "tenant_id": "project_id",
}


def routes_of(face: Face, resource: Resource[E, I, D, C], base: str) -> list[Route]:
    """Return the two routes of a resource below `base`, which ends without a slash."""
    listing = Listing(
        attributes=frozenset(name for name, one in resource.attributes.items() if one.is_rendered),
        where={**COMMON_WHERE, **resource.where},
        matchers={**tag_matchers(), **resource.matchers},
    )
    collection = f"{base}/{resource.plural.replace('_', '-')}"
    return [
        route(
            face,
            collection,
            GET=lambda call: _list(resource, listing, call),
            POST=lambda call: _create(resource, call),
        ),
        route(
            face,
            collection + "/{id}",
            GET=lambda call: _show(resource, call),
            PUT=lambda call: _update(resource, call),
            DELETE=lambda call: _delete(resource, call),
        ),
    ]


def one_only(
    create: Callable[[Cloud, Caller, D], E],
) -> Callable[[Cloud, Caller, list[D]], list[E]]:
    """Return a creation of many that refuses more than one: for kinds without a bulk use case."""

    def create_one(cloud: Cloud, caller: Caller, drafts: list[D]) -> list[E]:
        if len(drafts) != 1:
            raise BadRequestError("Bulk creation is not supported for this resource.")
        return [create(cloud, caller, drafts[0])]

    return create_one


def parse_draft(resource: Resource[E, I, D, C], document: Json) -> D:
    """Return the draft of one new resource."""
    values = parse_create(resource.attributes, document)
    resource.check(document)
    return resource.draft(**values)


def envelope(document: Json, name: str) -> Json:
    """Return the object under the resource's name; raise BadRequestError without it."""
    inner = document.get(name)
    if not isinstance(inner, dict) or len(document) != 1:
        raise BadRequestError(f"The body must be an object with the one key '{name}'.")
    return inner


def required_revision(call: Call) -> int | None:
    """Return N of `If-Match: revision_number=N`; None without the header."""
    header = call.headers.get("if-match")
    if header is None:
        return None
    spelling = header.strip().strip('"').removeprefix(_REVISION)
    if not spelling.isdecimal():
        raise BadRequestError(f"If-Match must be '{_REVISION}N', not '{header}'.")
    return int(spelling)


def _create(resource: Resource[E, I, D, C], call: Call) -> Reply:
    document = call.document()
    many = resource.plural in document
    drafts = [parse_draft(resource, one) for one in _new_documents(resource, document)]
    entities = resource.create(call.cloud, call.caller, drafts)
    rendered = resource.render(call.cloud, call.caller, entities)
    body: Json = {resource.plural: rendered} if many else {resource.name: rendered[0]}
    return Reply(status=HTTPStatus.CREATED, document=body)


def _new_documents(resource: Resource[E, I, D, C], document: Json) -> list[Json]:
    if resource.plural not in document:
        return [envelope(document, resource.name)]
    listed = document[resource.plural]
    if not isinstance(listed, list) or len(document) != 1 or not listed:
        raise BadRequestError(f"'{resource.plural}' must be a list with at least one object.")
    if not all(isinstance(one, dict) for one in listed):
        raise BadRequestError(f"Each member of '{resource.plural}' must be an object.")
    return listed


def _list(resource: Resource[E, I, D, C], listing: Listing, call: Call) -> Reply:
    where = where_of(listing, call.query)
    entities = resource.find(call.cloud, call.caller, where)
    rendered = resource.render(call.cloud, call.caller, entities)
    page = select(listing, call.query, rendered, call.url)
    body: Json = {resource.plural: page.items}
    if page.links:
        body[f"{resource.plural}_links"] = page.links
    return Reply(document=body)


def _show(resource: Resource[E, I, D, C], call: Call) -> Reply:
    entity = resource.read(call.cloud, call.caller, resource.identifier(call.path["id"]))
    (rendered,) = resource.render(call.cloud, call.caller, [entity])
    return Reply(document={resource.name: pick(rendered, fields_of(call.query))})


def fields_of(query: Query) -> set[str]:
    """Return the names in the `fields` parameters."""
    return {name for value in query.get("fields", ()) for name in value.split(",")}


def _update(resource: Resource[E, I, D, C], call: Call) -> Reply:
    document = envelope(call.document(), resource.name)
    change = resource.change(**parse_update(resource.attributes, document))
    identifier = resource.identifier(call.path["id"])
    revision = required_revision(call)
    entity = resource.update(call.cloud, call.caller, identifier, change, if_revision=revision)
    (rendered,) = resource.render(call.cloud, call.caller, [entity])
    return Reply(document={resource.name: rendered})


def _delete(resource: Resource[E, I, D, C], call: Call) -> Reply:
    identifier = resource.identifier(call.path["id"])
    revision = required_revision(call)
    resource.delete(call.cloud, call.caller, identifier, if_revision=revision)
    return NO_CONTENT
