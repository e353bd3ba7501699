"""Paths as clients write them, and the short way from a path to what serves it."""

from collections.abc import Iterable, Mapping, Sequence

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

INDEXED_SEGMENTS = 2
"""So many segments of a path say well enough whose it is."""

_Key = tuple[str, ...]


class WithoutFinalSlash:
    """Lets `/v2.0/networks/` be `/v2.0/networks`, as Neutron does, without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


class Shortcut:
    """Asks only the routes that begin like the path, not all of them one after the other.

    The first one that fits serves, as in the whole list; what fits none goes on to `app`.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[Route]) -> None:
        self._app = app
        self._routes = indexed(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or pass it on."""
        if scope["type"] == "http":
            for route in self._routes.get(_beginning(scope["path"]), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    await route.handle(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def indexed(routes: Iterable[Route]) -> Mapping[_Key, Sequence[Route]]:
    """Return the routes by how their paths begin; without those that begin with a variable."""
    found: dict[_Key, list[Route]] = {}
    for route in routes:
        key = _beginning(route.path)
        if not any("{" in segment for segment in key):
            found.setdefault(key, []).append(route)
    return found


def _beginning(path: str) -> _Key:
    return tuple(path.split("/", INDEXED_SEGMENTS + 1)[1 : INDEXED_SEGMENTS + 1])
