"""One mechanism for what identity lists, shows, makes, changes and deletes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Generic

from starlette.routing import Route

from portlight.api.attributes import Attributes, parse_create, parse_update
from portlight.api.identity.asking import Asking, asked, listed
from portlight.api.identity.documents import V3
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

    def show(ask: Asking) -> Reply:
        """Show one."""
        return _shown(resource, ask, resource.use(ask.identity).get(ask.by, ask.call.path["id"]))

    def create(ask: Asking) -> Reply:
        """Make one."""
        draft = resource.draft(**parse_create(resource.attributes, ask.envelope(resource.name)))
        made = resource.use(ask.identity).create(ask.by, draft)
        return _shown(resource, ask, made, HTTPStatus.CREATED)

    def update(ask: Asking) -> Reply:
        """Change one."""
        draft = resource.draft(**parse_update(resource.attributes, ask.envelope(resource.name)))
        changed = resource.use(ask.identity).update(ask.by, ask.call.path["id"], draft)
        return _shown(resource, ask, changed)

    def delete(ask: Asking) -> Reply:
        """Remove one, with what stands on it."""
        resource.use(ask.identity).delete(ask.by, ask.call.path["id"])
        return NO_CONTENT

    every = asked(listed(resource.plural, lambda ask: _rows(resource, ask)))
    path = f"{V3}/{resource.plural}"
    return [
        route(face, path, GET=every, POST=asked(create)),
        route(face, path + "/{id}", GET=asked(show), PATCH=asked(update), DELETE=asked(delete)),
    ]


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
