"""The tags of a project as a sub-resource."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.errors import RequestError
from portlight.api.identity.asking import Asking, asked
from portlight.api.identity.directory import TAGS
from portlight.api.identity.documents import V3
from portlight.api.shell import NO_CONTENT, Face, Reply, route
from portlight.service.identity.projects import Tags


def tag_routes(face: Face) -> list[Route]:
    """Return the routes of the tags of projects."""
    path = f"{V3}/projects/{{id}}/tags"
    return [
        route(
            face,
            path,
            GET=asked(_list),
            PUT=asked(_replace),
            DELETE=asked(_clear),
        ),
        route(face, path + "/{tag}", GET=asked(_show), PUT=asked(_add), DELETE=asked(_remove)),
    ]


def _list(ask: Asking) -> Reply:
    return _all(_read(ask))


def _replace(ask: Asking) -> Reply:
    wanted = TAGS("tags", ask.call.document().get("tags"))
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
