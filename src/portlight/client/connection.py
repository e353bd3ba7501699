"""An authenticated HTTP connection: gets a token, keeps it, and renews it when it is refused."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from portlight.client.credentials import Credentials
from portlight.client.errors import ApiError, UnreachableError

TIMEOUT_SECONDS = 30.0

T = TypeVar("T")
Body = Mapping[str, object]
Query = Mapping[str, str | Sequence[str]]


class _KeptToken(msgspec.Struct, frozen=True, kw_only=True):
    auth_url: str
    username: str
    project_name: str
    token: str


class _Fault(msgspec.Struct, frozen=True):
    message: str = ""
    type: str = ""
    title: str = ""


class _FaultBody(msgspec.Struct, frozen=True):
    NeutronError: _Fault | None = None
    error: _Fault | None = None


@dataclass(slots=True)
class Connection:
    """Requests with a token. Not for several threads at once."""

    credentials: Credentials
    http: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)
    )
    _token: str = ""

    @property
    def base_url(self) -> str:
        """Scheme and authority of the server."""
        auth_url = self.credentials.auth_url
        return (self.credentials.endpoint or auth_url.partition("/identity")[0]).rstrip("/")

    def get(self, kind: type[T], path: str, query: Query | None = None) -> T:
        """Return the decoded answer to GET."""
        return msgspec.json.decode(self._send("GET", path, query=query).content, type=kind)

    def send(
        self,
        kind: type[T],
        method: str,
        path: str,
        body: Body | None = None,
        *,
        revision: int | None = None,
    ) -> T:
        """Return the decoded answer to a request that changes something.

        With a revision, the server refuses (412) when the resource has another one.
        """
        headers = {} if revision is None else {"If-Match": f"revision_number={revision}"}
        response = self._send(method, path, body=body, headers=headers)
        return msgspec.json.decode(response.content, type=kind)

    def call(self, method: str, path: str, body: Body | None = None) -> None:
        """Send a request that changes something, and ignore the body of the answer."""
        self._send(method, path, body=body)

    def close(self) -> None:
        """Close the sockets."""
        self.http.close()

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        request = self.http.build_request(
            method,
            self.base_url + path,
            params=query,
            content=None if body is None else msgspec.json.encode(body),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        if not self._token:
            self._token = self._kept_token() or self._new_token()
        response = self._exchange(request)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._token = self._new_token()
            response = self._exchange(request)
        return _checked(response)

    def _exchange(self, request: httpx.Request) -> httpx.Response:
        request.headers["X-Auth-Token"] = self._token
        try:
            return self.http.send(request)
        except httpx.TransportError as error:
            raise UnreachableError(self.base_url, str(error) or type(error).__name__) from error

    def _new_token(self) -> str:
        known = self.credentials
        domain = {"name": known.user_domain}
        user = {"name": known.username, "domain": domain, "password": known.password}
        scope = {"project": {"name": known.project_name, "domain": domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        request = self.http.build_request(
            "POST",
            f"{known.auth_url.rstrip('/')}/auth/tokens",
            content=msgspec.json.encode({"auth": {"identity": identity, "scope": scope}}),
        )
        token = _checked(self._exchange(request)).headers["x-subject-token"]
        self._keep(token)
        return str(token)

    def _kept_token(self) -> str:
        path = self.credentials.token_file
        try:
            raw = path.read_bytes() if path else b""
            kept = msgspec.json.decode(raw, type=_KeptToken)
        except (OSError, msgspec.MsgspecError):
            # no usable token is kept: a new one is asked for
            return ""
        return kept.token if kept == self._record(kept.token) else ""

    def _keep(self, token: str) -> None:
        path = self.credentials.token_file
        if path is None:
            return
        try:
            _write_private(path, msgspec.json.encode(self._record(token)))
        except OSError:
            # a folder that we may only read: the next run asks for a token again
            return

    def _record(self, token: str) -> _KeptToken:
        known = self.credentials
        return _KeptToken(
            auth_url=known.auth_url,
            username=known.username,
            project_name=known.project_name,
            token=token,
        )


def _write_private(path: Path, raw: bytes) -> None:
    """Replace the file in one step; nobody else can read it at any time."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
    temporary.replace(path)


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        body = msgspec.json.decode(response.content, type=_FaultBody)
    except msgspec.MsgspecError:
        body = _FaultBody()
    fault = body.NeutronError or body.error or _Fault()
    raise ApiError(response.status_code, fault.type or fault.title, fault.message)
