"""Tags as a sub-resource: `/v2.0/{plural}/{id}/tags`, for every kind that has them."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.attributes import TAGS
from portlight.api.errors import BadRequestError, RequestError
from portlight.api.resource import Resource
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.core.errors import PreconditionFailedError
from portlight.service.collection import C, D, I
from portlight.service.sharing import O

Tags = frozenset[str]

_ATTEMPTS = 8


def tag_routes(face: Face, resource: Resource[O, I, D, C], base: str) -> list[Route]:
    """Return the routes of the tags of one kind."""
    path = f"{base}/{resource.plural.replace('_', '-')}/{{id}}/tags"

    def change(call: Call, changed: Callable[[Tags], Tags]) -> Tags:
        return _change(resource, call, changed)

    def replace_all(call: Call) -> Reply:
        wanted = _tags_in(call)
        return Reply(document={"tags": sorted(change(call, lambda _: wanted))})

    def remove_all(call: Call) -> Reply:
        change(call, lambda _: frozenset())
        return NO_CONTENT

    def add(call: Call) -> Reply:
        change(call, lambda tags: tags | {call.path["tag"]})
        return Reply(status=HTTPStatus.CREATED, document=None)

    def remove(call: Call) -> Reply:
        change(call, lambda tags: _without(tags, call.path["tag"]))
        return NO_CONTENT

    def show(call: Call) -> Reply:
        if call.path["tag"] not in _read(resource, call)[0]:
            raise _no_such_tag(call.path["tag"])
        return NO_CONTENT

    return [
        route(
            face,
            path,
            GET=lambda call: Reply(document={"tags": sorted(_read(resource, call)[0])}),
            PUT=replace_all,
            DELETE=remove_all,
        ),
        route(face, path + "/{tag}", GET=show, PUT=add, DELETE=remove),
    ]


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


def _no_such_tag(tag: str) -> RequestError:
    return RequestError(HTTPStatus.NOT_FOUND, f"Tag {tag} could not be found.")
