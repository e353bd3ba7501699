"""The tags of a project as a sub-resource."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.errors import BadRequestError, RequestError
from portlight.api.identity.asking import Asking, asked, does, within
from portlight.api.identity.directory import TAGS
from portlight.api.identity.documents import V3
from portlight.api.operation import Description
from portlight.api.schema import NULL, shape
from portlight.api.shell import NO_CONTENT, Face, Reply, route
from portlight.service.identity.projects import Tags

_SHOWN = shape({"tags": TAGS.shown})


def tag_routes(face: Face) -> list[Route]:
    """Return the routes of the tags of projects."""
    path = f"{V3}/projects/{{id}}/tags"
    return [
        route(
            face,
            path,
            GET=asked(_list, Description(summary="Show all tags", answer=_SHOWN)),
            PUT=asked(
                _replace,
                Description(
                    summary="Replace all tags", body=within("tags", TAGS.schema), answer=_SHOWN
                ),
            ),
            DELETE=asked(_clear, does("Remove all tags")),
        ),
        route(
            face,
            path + "/{tag}",
            GET=asked(_show, does("Tell whether it has a tag: 204 or 404")),
            PUT=asked(
                _add, Description(summary="Add a tag", status=HTTPStatus.CREATED, answer=NULL)
            ),
            DELETE=asked(_remove, does("Remove a tag")),
        ),
    ]


def _list(ask: Asking) -> Reply:
    return _all(_read(ask))


def _replace(ask: Asking) -> Reply:
    document = ask.call.document()
    if "tags" not in document:
        raise BadRequestError("Expecting to find tags in the request body, as a list.")
    wanted = TAGS("tags", document["tags"])
    return _all(_change(ask, lambda _: wanted))


def _clear(ask: Asking) -> Reply:
    _change(ask, lambda _: frozenset())
    return NO_CONTENT


def _add(ask: Asking) -> Reply:
    _change(ask, lambda tags: tags | {ask.call.path["tag"]})
    return Reply(status=HTTPStatus.CREATED, document=None)


def _remove(ask: Asking) -> Reply:
    _check_there(ask)
    _change(ask, lambda tags: tags - {ask.call.path["tag"]})
    return NO_CONTENT


def _show(ask: Asking) -> Reply:
    _check_there(ask)
    return NO_CONTENT


def _check_there(ask: Asking) -> None:
    if ask.call.path["tag"] not in _read(ask):
        raise RequestError(HTTPStatus.NOT_FOUND, "The project has no such tag.")


def _all(tags: Tags) -> Reply:
    return Reply(document={"tags": sorted(tags)})


def _read(ask: Asking) -> Tags:
    return ask.identity.projects.get(ask.by, ask.call.path["id"]).tags


def _change(ask: Asking, changed: Callable[[Tags], Tags]) -> Tags:
    return ask.identity.retag_project(ask.by, ask.call.path["id"], changed)
