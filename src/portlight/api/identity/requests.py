"""What a request for a token says. Pure."""

from dataclasses import dataclass
from typing import cast

from portlight.api.errors import BadRequestError
from portlight.api.wire import Json
from portlight.core.errors import UnauthenticatedError
from portlight.core.identity import DEFAULT_DOMAIN_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLogin:
    """A user (by name or id) and a password, for a project (by name or id; None: his own)."""

    user: str
    domain: str
    password: str
    project: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogin:
    """A token that is to be exchanged for one of another project."""

    token: str
    project: str | None


Login = PasswordLogin | TokenLogin


def parse_login(document: Json) -> Login:
    """Read the body of `POST /auth/tokens`; raise BadRequestError when it is none."""
    auth = _object(document, "auth")
    identity = _object(auth, "identity")
    project = _project(auth)
    methods = identity.get("methods")
    if methods == ["password"]:
        return _password_login(_object(_object(identity, "password"), "user"), project)
    if methods == ["token"]:
        return TokenLogin(token=_text(_object(identity, "token"), "id"), project=project)
    if not isinstance(methods, list):
        raise BadRequestError("'methods' must be a list.")
    raise UnauthenticatedError("Attempted to authenticate with an unsupported method.")


def _password_login(user: Json, project: str | None) -> PasswordLogin:
    by_name = "name" in user
    by_default: Json = {"id": DEFAULT_DOMAIN_ID}
    domain = _object(user, "domain") if by_name else by_default
    return PasswordLogin(
        user=_text(user, "name" if by_name else "id"),
        domain=_text(domain, "id" if "id" in domain else "name"),
        password=_text(user, "password"),
        project=project,
    )


def _project(auth: Json) -> str | None:
    scope = auth.get("scope")
    if scope is None or scope == "unscoped":
        return None
    if not isinstance(scope, dict) or scope.keys() != {"project"}:
        raise UnauthenticatedError("Only a project can be the scope of a token.")
    project = _object(cast("Json", scope), "project")
    return _text(project, "id" if "id" in project else "name")


def _object(document: Json, name: str) -> Json:
    inner = document.get(name)
    if not isinstance(inner, dict):
        raise BadRequestError(f"Expecting to find {name} in the request body, as an object.")
    return inner


def _text(document: Json, name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise BadRequestError(f"Expecting to find {name} in the request body, as a string.")
    return value
