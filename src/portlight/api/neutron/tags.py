"""Tags as a sub-resource: `/v2.0/{plural}/{id}/tags`, for every kind that has them."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.attributes import TAGS
from portlight.api.errors import BadRequestError
from portlight.api.operation import operation, removal
from portlight.api.resource import Resource
from portlight.api.schema import NULL, shape
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.core.errors import NotFoundError, PreconditionFailedError
from portlight.service.collection import C, D, I
from portlight.service.sharing import O

Tags = frozenset[str]

_ATTEMPTS = 8
_TAGS = shape({"tags": TAGS.schema})
_TAGS_SHOWN = shape({"tags": TAGS.shown})


def tag_routes(face: Face, resource: Resource[O, I, D, C], base: str) -> list[Route]:
    """Return the routes of the tags of one kind."""
    path = f"{base}/{resource.plural.replace('_', '-')}/{{id}}/tags"
    return [_all_tags(face, resource, path), _one_tag(face, resource, path + "/{tag}")]


def _all_tags(face: Face, resource: Resource[O, I, D, C], path: str) -> Route:
    @operation(answer=_TAGS_SHOWN)
    def show(call: Call) -> Reply:
        """Show all tags."""
        return Reply(document={"tags": sorted(_read(resource, call)[0])})

    @operation(body=_TAGS, answer=_TAGS_SHOWN)
    def replace(call: Call) -> Reply:
        """Replace all tags."""
        wanted = _tags_in(call)
        return Reply(document={"tags": sorted(_change(resource, call, lambda _: wanted))})

    @operation(body=_TAGS, answer=_TAGS_SHOWN)
    def add(call: Call) -> Reply:
        """Add tags to those that are there."""
        more = _tags_in(call)
        return Reply(document={"tags": sorted(_change(resource, call, lambda tags: tags | more))})

    @removal
    def remove(call: Call) -> Reply:
        """Remove all tags."""
        _change(resource, call, lambda _: frozenset())
        return NO_CONTENT

    return route(face, path, GET=show, POST=add, PUT=replace, DELETE=remove)


def _one_tag(face: Face, resource: Resource[O, I, D, C], path: str) -> Route:
    @operation(status=HTTPStatus.CREATED, answer=NULL)
    def add(call: Call) -> Reply:
        """Add a tag."""
        _change(resource, call, lambda tags: tags | {call.path["tag"]})
        return Reply(status=HTTPStatus.CREATED, document=None)

    @removal
    def remove(call: Call) -> Reply:
        """Remove a tag."""
        _change(resource, call, lambda tags: _without(tags, call.path["tag"]))
        return NO_CONTENT

    @removal
    def show(call: Call) -> Reply:
        """Tell whether it has a tag: 204 or 404."""
        if call.path["tag"] not in _read(resource, call)[0]:
            raise _no_such_tag(call.path["tag"])
        return NO_CONTENT

    return route(face, path, GET=show, PUT=add, DELETE=remove)


def _read(resource: Resource[O, I, D, C], call: Call) -> tuple[Tags, int]:
    entity = resource.use(call.cloud).get(call.caller, resource.identifier(call.path["id"]))
    (rendered,) = resource.render(call.cloud, call.caller, [entity])
    return TAGS("tags", rendered["tags"]), int(str(rendered["revision_number"]))


def _change(resource: Resource[O, I, D, C], call: Call, changed: Callable[[Tags], Tags]) -> Tags:
    """Replace the tags; the revision guards against another writer in between."""
    for attempt in range(_ATTEMPTS):
        present, revision = _read(resource, call)
        wanted = TAGS("tags", list(changed(present)))
        try:
            resource.use(call.cloud).update(
                call.caller,
                resource.identifier(call.path["id"]),
                resource.change(tags=wanted),
                if_revision=revision,
            )
        except PreconditionFailedError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return wanted
    raise AssertionError("the loop returns or raises")


def _tags_in(call: Call) -> Tags:
    document = call.document()
    if document.keys() != {"tags"}:
        raise BadRequestError("The body must be an object with the one key 'tags'.")
    return TAGS("tags", document["tags"])


def _without(tags: Tags, tag: str) -> Tags:
    if tag not in tags:
        raise _no_such_tag(tag)
    return tags - {tag}


def _no_such_tag(tag: str) -> NotFoundError:
    return NotFoundError("Tag", tag)
