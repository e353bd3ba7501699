"""Paths as clients write them: a final slash means nothing."""

from starlette.types import ASGIApp, Receive, Scope, Send


class WithoutFinalSlash:
    """Lets `/v2.0/networks/` be `/v2.0/networks`, as Neutron does, without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)
