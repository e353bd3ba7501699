"""One mechanism for what identity lists, shows, makes, changes and deletes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Generic

from starlette.routing import Route

from portlight.api.attributes import Attributes, parse_create, parse_update
from portlight.api.identity.asking import (
    Asking,
    asked,
    does,
    listed,
    lists,
    makes,
    shows,
    within,
)
from portlight.api.identity.documents import V3
from portlight.api.operation import Description
from portlight.api.resource_schema import create_schema, entity_schema, update_schema
from portlight.api.schema import Schema, shape
from portlight.api.shell import NO_CONTENT, Face, Reply, route
from portlight.api.wire import Json
from portlight.service.identity.directory import D, Directory, E
from portlight.service.identity.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryResource(Generic[E, D]):
    """A kind on this face."""

    name: str
    plural: str
    attributes: Attributes
    draft: Callable[..., D]
    use: Callable[[Identity], Directory[E, D]]
    """Its use cases."""
    render: Callable[[E, str], Json]
    where: Mapping[str, str] = field(default_factory=lambda: {"name": "name"})
    """Filter to the store's key, for filters that shorten the search."""


def routes_of(face: Face, resource: DirectoryResource[E, D]) -> list[Route]:
    """Return the two routes of a kind."""
    row = entity_schema(resource.name, resource.attributes)
    return [_route_of_all(face, resource, row), _route_of_one(face, resource, row)]


def _route_of_all(face: Face, resource: DirectoryResource[E, D], row: Schema) -> Route:
    def create(ask: Asking) -> Reply:
        draft = resource.draft(**parse_create(resource.attributes, ask.envelope(resource.name)))
        made = resource.use(ask.identity).create(ask.by, draft)
        return _shown(resource, ask, made, HTTPStatus.CREATED)

    plural, new = resource.plural, create_schema(resource.name, resource.attributes)
    return route(
        face,
        f"{V3}/{plural}",
        GET=asked(listed(plural, lambda ask: _rows(resource, ask)), lists(plural, row)),
        POST=asked(create, makes(resource.name, new, row)),
    )


def _route_of_one(face: Face, resource: DirectoryResource[E, D], row: Schema) -> Route:
    def show(ask: Asking) -> Reply:
        return _shown(resource, ask, resource.use(ask.identity).get(ask.by, ask.call.path["id"]))

    def update(ask: Asking) -> Reply:
        draft = resource.draft(**parse_update(resource.attributes, ask.envelope(resource.name)))
        changed = resource.use(ask.identity).update(ask.by, ask.call.path["id"], draft)
        return _shown(resource, ask, changed)

    def delete(ask: Asking) -> Reply:
        resource.use(ask.identity).delete(ask.by, ask.call.path["id"])
        return NO_CONTENT

    name = resource.name
    changes = Description(
        summary=f"Change a {name}",
        body=within(name, update_schema(name, resource.attributes)),
        answer=shape({name: row}),
    )
    return route(
        face,
        f"{V3}/{resource.plural}/{{id}}",
        GET=asked(show, shows(name, row)),
        PATCH=asked(update, changes),
        DELETE=asked(delete, does(f"Delete a {name}, with what stands on it")),
    )


def _rows(resource: DirectoryResource[E, D], ask: Asking) -> list[Json]:
    query = ask.call.query
    where = {key: query[name] for name, key in resource.where.items() if name in query}
    found = resource.use(ask.identity).find(ask.by, where)
    return [resource.render(entity, ask.call.base_url) for entity in found]


def _shown(
    resource: DirectoryResource[E, D], ask: Asking, entity: E, status: HTTPStatus = HTTPStatus.OK
) -> Reply:
    rendered = resource.render(entity, ask.call.base_url)
    return Reply(status=status, document={resource.name: rendered})
