"""The whole of the faces as one ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from portlight.api.docs import docs_routes
from portlight.api.errors import RequestError, identity_body, native_body, neutron_body
from portlight.api.identity.face import identity_routes
from portlight.api.metrics import metrics_routes
from portlight.api.native.agent import AgentChannel, Wakeups
from portlight.api.native.face import BASE as NATIVE
from portlight.api.native.face import native_routes
from portlight.api.neutron.face import neutron_routes
from portlight.api.nhn.face import nhn_routes
from portlight.api.paths import Shortcut, WithoutFinalSlash
from portlight.api.shell import Face, refuse
from portlight.api.vpc_v3.face import PREFIX as VPC_V3
from portlight.api.vpc_v3.face import vpc_v3_face, vpc_v3_routes
from portlight.service.cloud import Cloud

WORKER_THREADS = 8
AGENT_THREADS = 4
LOGIN_THREADS = 4
"""Each needs 64 MiB while it checks a password."""


@dataclass(slots=True)
class _Running:
    """What exists only while the application runs."""

    wakeups: Wakeups | None = None


def build_app(
    cloud: Cloud,
    *,
    agent_token: str,
    beside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Starlette:
    """Return the ASGI application over this cloud; `beside` is entered while it runs."""
    workers = ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="api")
    agent_workers = ThreadPoolExecutor(AGENT_THREADS, thread_name_prefix="agent-channel")
    logins = ThreadPoolExecutor(LOGIN_THREADS, thread_name_prefix="login")
    running = _Running()

    def wakeups() -> Wakeups:
        if running.wakeups is None:
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "The application has not started.")
        return running.wakeups

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        running.wakeups = Wakeups(asyncio.get_running_loop())
        unsubscribe = cloud.subscribe(running.wakeups.commit)
        with beside():
            try:
                yield
            finally:
                unsubscribe()
                workers.shutdown()
                agent_workers.shutdown()
                logins.shutdown()

    channel = AgentChannel(cloud=cloud, workers=agent_workers, token=agent_token, wakeups=wakeups)
    routes = [
        *neutron_routes(cloud, workers),
        *nhn_routes(cloud, workers),
        *identity_routes(cloud, workers, logins),
        *native_routes(cloud, workers),
        *vpc_v3_routes(cloud, workers),
        *channel.routes(NATIVE),
        *metrics_routes(cloud, workers),
    ]
    public = Face(cloud=cloud, workers=workers, error_body=native_body, authenticated=False)
    routes += docs_routes(public, routes, version=version("portlight"))
    return Starlette(
        routes=routes,
        exception_handlers={HTTPStatus.NOT_FOUND: _unknown_path(cloud, workers)},
        middleware=[Middleware(WithoutFinalSlash), Middleware(Shortcut, routes=routes)],
        lifespan=lifespan,
    )


def _unknown_path(
    cloud: Cloud, workers: ThreadPoolExecutor
) -> Callable[[Request, Exception], Awaitable[Response]]:
    faces = {
        prefix: Face(cloud=cloud, workers=workers, error_body=body)
        for prefix, body in (("/identity", identity_body), (NATIVE, native_body))
    }
    faces[VPC_V3] = vpc_v3_face(cloud, workers)
    fallback = Face(cloud=cloud, workers=workers, error_body=neutron_body)

    async def answer(request: Request, _error: Exception) -> Response:
        path = request.url.path
        face = next((one for prefix, one in faces.items() if path.startswith(prefix)), fallback)
        error = RequestError(HTTPStatus.NOT_FOUND, "The resource could not be found.")
        return refuse(face, error, {})

    return answer
