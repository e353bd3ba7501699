"""The channel of the agents: changes by long poll, and reports.

The answer to a poll leaves as soon as a commit is known: a poll waits on an event that the
service's commit hook sets, from whatever thread committed.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from portlight.api.errors import BadRequestError, RequestError, native_body
from portlight.api.native.report import REPORT_SCHEMA, parse_report
from portlight.api.operation import Description
from portlight.api.schema import NUMBER, TEXT, TRUTH, WHOLE, array, or_null, shape
from portlight.api.shell import (
    NO_CONTENT,
    Face,
    Reply,
    internal_error,
    read_body,
    refuse,
    response_of,
)
from portlight.core.codec import encode_entity
from portlight.core.errors import DomainError, UnauthenticatedError
from portlight.service.cloud import Cloud
from portlight.service.report import ChangeBatch
from portlight.values.ids import HostName

MAX_WAIT_SECONDS = 60.0

_CHANGE = shape({"kind": TEXT, "id": TEXT, "entity": or_null({"type": "object"})})
_CHANGES = Description(
    summary="Wait for changes; without `after`, or when it is too old, a snapshot of everything",
    query={
        "host": {**TEXT, "minLength": 1},
        "after": {**WHOLE, "minimum": 0},
        "wait": {**NUMBER, "minimum": 0},
    },
    needed=frozenset({"host"}),
    answer=shape({"sequence": WHOLE, "snapshot": TRUTH, "changes": array(_CHANGE)}),
)
_REPORT = Description(
    summary="Report what a host has applied and seen",
    body=REPORT_SCHEMA,
    status=HTTPStatus.NO_CONTENT,
    answer=None,
)


@dataclass(slots=True)
class Wakeups:
    """Wakes every waiting poll after a commit. Belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    waiting: set[asyncio.Event] = field(default_factory=set)

    def commit(self) -> None:
        """Note a commit; called from any thread."""
        self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for event in self.waiting:
            event.set()


@dataclass(frozen=True, slots=True)
class AgentEndpoint:
    """The ASGI application of one path of the channel; checks the token of the agents."""

    face: Face
    method: str
    token: str
    answer: Callable[[Request], Awaitable[Reply]]
    description: Description

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            self._check(request)
            return response_of(await self.answer(request))
        except RequestError as error:
            wrong_method = error.status is HTTPStatus.METHOD_NOT_ALLOWED
            return refuse(self.face, error, {"Allow": self.method} if wrong_method else {})
        except DomainError as error:
            return refuse(self.face, error, {})
        except Exception as error:  # noqa: BLE001 -- the edge of the process: answered and logged
            return internal_error(self.face, request, error)

    def _check(self, request: Request) -> None:
        if request.method != self.method:
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {self.method}.")
        given = request.headers.get("x-agent-token", "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise UnauthenticatedError("The X-Agent-Token header is missing or wrong.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChannel:
    """Changes and reports of the agents."""

    cloud: Cloud
    workers: Executor
    """Apart from the workers of the other faces: an agent never queues behind users."""
    token: str
    wakeups: Callable[[], Wakeups]
    """The wake-ups of the running application; there is none before it started."""

    def routes(self, base: str) -> list[Route]:
        """Return the routes below `base`."""
        face = Face(cloud=self.cloud, workers=self.workers, error_body=native_body)
        changes = AgentEndpoint(face, "GET", self.token, self._changes, _CHANGES)
        report = AgentEndpoint(face, "POST", self.token, self._report, _REPORT)
        return [Route(f"{base}/agent/changes", changes), Route(f"{base}/agent/report", report)]

    async def _changes(self, request: Request) -> Reply:
        host = HostName(_parameter(request, "host"))
        after = _whole_number(request, "after")
        wait = min(_seconds(request, "wait"), MAX_WAIT_SECONDS)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        event = asyncio.Event()
        wakeups = self.wakeups()
        wakeups.waiting.add(event)
        try:
            while True:
                # cleared before the look: a commit in between sets it again
                event.clear()
                batch = await loop.run_in_executor(
                    self.workers, self.cloud.changes_after, host, after
                )
                remaining = deadline - loop.time()
                if batch.snapshot or batch.changes or remaining <= 0:
                    return Reply(raw=encode_entity(_document(batch)))
                await _wait(event, remaining)
        finally:
            wakeups.waiting.discard(event)

    async def _report(self, request: Request) -> Reply:
        report = parse_report(await read_body(request))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.workers, self.cloud.report, report.host, report)
        return NO_CONTENT


def _document(batch: ChangeBatch) -> dict[str, object]:
    return {
        "sequence": batch.sequence,
        "snapshot": batch.snapshot,
        "changes": [
            {"kind": change.kind, "id": change.id, "entity": change.entity}
            for change in batch.changes
        ],
    }


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        # the poll looks once more and then answers that nothing changed
        return


def _parameter(request: Request, name: str) -> str:
    value = request.query_params.get(name, "")
    if not value:
        raise BadRequestError(f"The parameter '{name}' is missing.")
    return value


def _whole_number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    if not value.isdecimal():
        raise BadRequestError(f"The parameter '{name}' must be a whole number, not '{value}'.")
    return int(value)


def _seconds(request: Request, name: str) -> float:
    value = request.query_params.get(name, "0")
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise BadRequestError(f"The parameter '{name}' must be seconds, not '{value}'.")
    return seconds
