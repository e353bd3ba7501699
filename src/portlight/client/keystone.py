"""Asks an existing Keystone whose a token is. Thread-safe."""

import ssl
import threading
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx
import msgspec

TIMEOUT_SECONDS = 10.0


class KeystoneError(Exception):
    """The Keystone does not answer, or not as one; the message says what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUser:
    """As whom we ask."""

    username: str
    password: str = field(repr=False)
    project: str = "service"
    domain: str = "Default"
    """Name of the domain of user and project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToken:
    """What the Keystone says of a token."""

    user_id: str
    user_name: str
    project_id: str | None
    """None: the token is of no project."""
    project_name: str
    roles: frozenset[str]
    expires_at: float
    """Seconds since the epoch, UTC."""


class _Named(msgspec.Struct, frozen=True):
    id: str
    name: str


class _Token(msgspec.Struct, frozen=True):
    user: _Named
    expires_at: datetime
    project: _Named | None = None
    roles: tuple[_Named, ...] = ()


class _Body(msgspec.Struct, frozen=True):
    token: _Token


class KeystoneClient:
    """Validates tokens with a token of its own, or, without a service user, each by itself."""

    def __init__(self, url: str, service: ServiceUser | None = None) -> None:
        """Speak with the Keystone at `url`, with or without `/v3` at its end."""
        base = url.rstrip("/").removesuffix("/v3")
        self.url = f"{base}/v3"
        self._tokens = f"{self.url}/auth/tokens"
        self._service = service
        self._tls = ssl.create_default_context()
        self._lock = threading.Lock()
        self._own = ""

    def validate(self, secret: str) -> KnownToken | None:
        """Return what the Keystone says of a token, None when it is not valid.

        Raise KeystoneError when that cannot be found out.
        """
        answer = self._ask(secret, self._own_token())
        if answer.status_code == HTTPStatus.UNAUTHORIZED and self._service is not None:
            # it is ours that has ended
            answer = self._ask(secret, self._own_token(renew=True))
        if answer.status_code == HTTPStatus.NOT_FOUND or (
            answer.status_code == HTTPStatus.UNAUTHORIZED and self._service is None
        ):
            return None
        if answer.status_code != HTTPStatus.OK:
            raise KeystoneError(f"{self._tokens} answered {answer.status_code} to a validation")
        return _known(answer)

    def _ask(self, secret: str, own: str) -> httpx.Response:
        headers = {"X-Auth-Token": own or secret, "X-Subject-Token": secret}
        try:
            return self._send("GET", headers=headers, params={"nocatalog": ""})
        except (httpx.HTTPError, UnicodeEncodeError) as error:
            raise KeystoneError(f"{self._tokens}: {error}") from error

    def _send(self, method: str, **request: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        # a connection for each: they are seldom, and a kept one may have died
        return httpx.request(
            method,
            self._tokens,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=self._tls,
            **request,
        )

    def _own_token(self, *, renew: bool = False) -> str:
        if self._service is None:
            return ""
        with self._lock:
            if renew or not self._own:
                self._own = self._log_in(self._service)
            return self._own

    def _log_in(self, service: ServiceUser) -> str:
        domain = {"name": service.domain}
        user = {"name": service.username, "domain": domain, "password": service.password}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": service.project, "domain": domain}},
        }
        try:
            answer = self._send("POST", json={"auth": auth})
        except httpx.HTTPError as error:
            raise KeystoneError(f"{self._tokens}: {error}") from error
        if answer.status_code != HTTPStatus.CREATED:
            raise KeystoneError(
                f"{self._tokens} refused the service user {service.username}: {answer.status_code}"
            )
        return str(answer.headers.get("X-Subject-Token", ""))


def _known(answer: httpx.Response) -> KnownToken:
    try:
        token = msgspec.json.decode(answer.content, type=_Body).token
    except msgspec.MsgspecError as error:
        raise KeystoneError(f"{answer.url} answered what is no token: {error}") from error
    return KnownToken(
        user_id=token.user.id,
        user_name=token.user.name,
        project_id=None if token.project is None else token.project.id,
        project_name="" if token.project is None else token.project.name,
        roles=frozenset(role.name for role in token.roles),
        expires_at=token.expires_at.timestamp(),
    )
