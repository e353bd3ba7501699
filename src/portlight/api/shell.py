"""The asynchronous layer: reads a request, runs an action in a worker thread, writes the answer.

Actions are plain functions `Call -> Reply`; they never see HTTP beyond these two values. Every
refusal becomes the error body of the face; an unforeseen error is logged and becomes a bare 500.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from portlight.api.errors import BadRequestError, ErrorBody, RequestError, refusal_of
from portlight.api.wire import Json
from portlight.core.errors import DomainError, UnauthenticatedError
from portlight.core.errors_identity import TooManyAttemptsError
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud

BODY_LIMIT_BYTES = 1 << 20
"""Of what a stranger may send."""
LARGE_BODY_LIMIT_BYTES = 8 << 20
"""Of a body that announces its length and comes with a valid token: 10,000 ports in one call."""
RETRY_AFTER_SECONDS = "1"
REQUEST_ID_HEADER = "X-Request-Id"

_LOG = logging.getLogger(__name__)
_NO_CONTENT = (HTTPStatus.NO_CONTENT,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request, read whole."""

    cloud: Cloud
    path: Mapping[str, str]
    """The variables of the path."""
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    url: str
    """Address of the request without its query; for links."""
    base_url: str
    """Scheme and authority that the client used, without a final slash."""
    token: str
    method: str = "GET"
    target: str = ""
    """Path and query exactly as they were sent."""
    client_address: str = ""
    """From where the request came."""
    known_caller: Caller | None = None

    @property
    def caller(self) -> Caller:
        """Who calls; raise UnauthenticatedError on the faces that ask for no token."""
        if self.known_caller is None:
            raise UnauthenticatedError("The request you have made requires authentication.")
        return self.known_caller

    def document(self) -> Json:
        """Return the JSON object in the body; raise BadRequestError when it is none."""
        try:
            document = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequestError(f"The body is not valid JSON: {error}.") from error
        if not isinstance(document, dict):
            raise BadRequestError("The body must be a JSON object.")
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: a document to encode, or bytes as they are."""

    status: HTTPStatus = HTTPStatus.OK
    document: object = None
    raw: bytes | None = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


NO_CONTENT = Reply(status=HTTPStatus.NO_CONTENT)

Action = Callable[[Call], Reply]


def by_token(call: Call) -> Caller:
    """Return who calls by his token."""
    return call.cloud.authenticate_token(call.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What the routes of one API have in common."""

    cloud: Cloud
    workers: Executor
    error_body: ErrorBody
    authenticated: bool = True
    authenticate: Callable[[Call], Caller] = by_token
    takes_signatures: bool = False
    """Whether a signature over the request does as well as a token."""
    request_id: Callable[[], str] | None = None
    """Where there is one, each answer carries a new one: in a header, and in its object."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The ASGI application of one path; chooses the action by method."""

    face: Face
    actions: Mapping[str, Action]
    short: frozenset[str] = frozenset()
    """Methods whose work is a look-up or two, and so less than handing it to a thread and back."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            action = _choose(self.actions, request.method)
            if request.method in self.short and self.face.cloud.answers_at_once:
                return _perform(self.face, action, _call_of(self.face, request, b""))
            return await _run(self.face, action, request)
        except RequestError as error:
            wrong_method = error.status is HTTPStatus.METHOD_NOT_ALLOWED
            headers = {"Allow": ", ".join(self.actions)} if wrong_method else {}
            return refuse(self.face, error, headers)
        except DomainError as error:
            return refuse(self.face, error, {})
        except Exception as error:  # noqa: BLE001 -- the edge of the process: answered and logged
            return internal_error(self.face, request, error)


def route(face: Face, path: str, **actions: Action) -> Route:
    """Serve `path`; `actions` are named by their HTTP method in capitals."""
    return Route(path, Endpoint(face, actions))


def refuse(face: Face, error: DomainError, headers: Mapping[str, str]) -> Response:
    """Dress an error in the manner of the face."""
    refusal = refusal_of(error)
    extra = dict(headers)
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Keystone uri=/identity"
    if isinstance(error, TooManyAttemptsError):
        extra["Retry-After"] = str(error.retry_after_seconds)
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        extra["Retry-After"] = RETRY_AFTER_SECONDS
    refused = Reply(status=refusal.status, document=face.error_body(refusal), headers=extra)
    return response_of(stamped(face, refused))


def internal_error(face: Face, request: Request, error: Exception) -> Response:
    """Log an error that nobody foresaw, and answer without its details."""
    _LOG.error("request_failed method=%s path=%s", request.method, request.url.path, exc_info=error)
    trouble = RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error.")
    return refuse(face, trouble, {})


def stamped(face: Face, reply: Reply) -> Reply:
    """Return the reply with a number of its own, on the faces where answers have one."""
    if face.request_id is None:
        return reply
    number = face.request_id()
    document = reply.document
    if isinstance(document, dict):
        document = {**document, "request_id": number}
    return replace(reply, document=document, headers={**reply.headers, REQUEST_ID_HEADER: number})


def response_of(reply: Reply) -> Response:
    """Encode a reply."""
    if reply.status in _NO_CONTENT:
        return Response(status_code=reply.status, headers=dict(reply.headers))
    raw = reply.raw if reply.raw is not None else msgspec.json.encode(reply.document)
    return Response(
        raw, status_code=reply.status, headers=dict(reply.headers), media_type=reply.media_type
    )


async def read_body(request: Request, limit_bytes: int = BODY_LIMIT_BYTES) -> bytes:
    """Return the body; raise RequestError (413) as soon as it is over the limit."""
    too_large = RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {limit_bytes} bytes."
    )
    if _announced_bytes(request) > limit_bytes:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


def query_of(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather the values of repeated query keys."""
    query: dict[str, list[str]] = {}
    for key, value in pairs:
        query.setdefault(key, []).append(value)
    return query


def _choose(actions: Mapping[str, Action], method: str) -> Action:
    chosen = actions.get("GET" if method == "HEAD" else method)
    if chosen is None:
        raise RequestError(
            HTTPStatus.METHOD_NOT_ALLOWED, f"The method {method} is not allowed for this resource."
        )
    return chosen


def _announced_bytes(request: Request) -> int:
    announced = request.headers.get("content-length", "0")
    return int(announced) if announced.isdecimal() else 0


async def _run(face: Face, action: Action, request: Request) -> Response:
    loop = asyncio.get_running_loop()
    token = request.headers.get("x-auth-token", "")
    limit_bytes = BODY_LIMIT_BYTES
    proves_itself_late = face.takes_signatures and not token
    if face.authenticated and not proves_itself_late and _announced_bytes(request) > limit_bytes:
        await loop.run_in_executor(face.workers, face.cloud.authenticate_token, token)
        limit_bytes = LARGE_BODY_LIMIT_BYTES
    body = await read_body(request, limit_bytes)
    call = _call_of(face, request, body)
    return await loop.run_in_executor(face.workers, _perform, face, action, call)


def _call_of(face: Face, request: Request, body: bytes) -> Call:
    base = f"{request.url.scheme}://{request.url.netloc}"
    return Call(
        cloud=face.cloud,
        path=request.path_params,
        query=query_of(request.query_params.multi_items()),
        headers=request.headers,
        body=body,
        url=base + request.url.path,
        base_url=base,
        token=request.headers.get("x-auth-token", ""),
        method=request.method,
        target=_target(request),
        client_address="" if request.client is None else request.client.host,
    )


def _perform(face: Face, action: Action, call: Call) -> Response:
    """Act, and encode the answer: a large one must not hold up the loop."""
    if face.authenticated:
        call = replace(call, known_caller=face.authenticate(call))
    return response_of(stamped(face, action(call)))


def _target(request: Request) -> str:
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")
