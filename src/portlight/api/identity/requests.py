"""What a request for a token says. Pure."""

from collections.abc import Mapping
from typing import cast

from portlight.api.errors import BadRequestError
from portlight.api.schema import Schema, shape
from portlight.api.wire import Json
from portlight.core.errors import UnauthenticatedError
from portlight.core.identity import DEFAULT_DOMAIN_ID
from portlight.service.identity.logins import (
    CredentialLogin,
    DomainScope,
    Login,
    NoScope,
    PasswordLogin,
    ProjectScope,
    Scope,
    TokenLogin,
)
from portlight.service.identity.lookup import Reference

_STRING: Schema = {"type": "string", "pattern": "^[^\\x00]*$"}


def _object(needed: Mapping[str, Schema], **optional: Schema) -> Schema:
    """Return the schema of an object in which further members mean nothing."""
    return {"type": "object", "properties": {**needed, **optional}, "required": sorted(needed)}


_BY_ID = _object({"id": _STRING})
_PLAIN: Schema = {
    "type": "object",
    "anyOf": [_BY_ID, {**_object({"name": _STRING}), "not": {"required": ["id"]}}],
}
_REFERENCE: Schema = {
    "type": "object",
    "anyOf": [
        _BY_ID,
        {**_object({"name": _STRING}, domain=_PLAIN), "not": {"required": ["id"]}},
    ],
}
_PASSWORD: Schema = {"allOf": [_REFERENCE, _object({"password": _STRING})]}
_CREDENTIAL: Schema = {
    "type": "object",
    "properties": {"secret": _STRING},
    "required": ["secret"],
    "anyOf": [
        _BY_ID,
        {**_object({"name": _STRING, "user": _REFERENCE}), "not": {"required": ["id"]}},
    ],
}
_SCOPE: Schema = {
    "anyOf": [
        {"type": "null"},
        {"const": "unscoped"},
        shape({"unscoped": {}}),
        shape({"project": _REFERENCE}),
        shape({"domain": _PLAIN}),
    ]
}


def _by(method: str, proof: Schema) -> Schema:
    return _object({"methods": {"const": [method]}, method: proof})


_PROOF: Schema = {
    "anyOf": [
        _by("password", _object({"user": _PASSWORD})),
        _by("token", _BY_ID),
        _by("application_credential", _CREDENTIAL),
    ]
}
LOGIN: Schema = _object({"auth": _object({"identity": _PROOF}, scope=_SCOPE)})
"""What `parse_login` reads."""
NEW_PASSWORD: Schema = _object(
    {"user": _object({"original_password": _STRING, "password": _STRING})}
)

_DEFAULT_DOMAIN = Reference(id=DEFAULT_DOMAIN_ID)


def parse_login(document: Json) -> tuple[Login, Scope]:
    """Read the body of `POST /auth/tokens`; raise BadRequestError when it is none."""
    auth = member(document, "auth")
    identity = member(auth, "identity")
    methods = identity.get("methods")
    if not isinstance(methods, list):
        raise BadRequestError("'methods' must be a list.")
    scope = _scope(auth)
    if methods == ["password"]:
        user = member(member(identity, "password"), "user")
        return PasswordLogin(user=_reference(user), password=string(user, "password")), scope
    if methods == ["token"]:
        return TokenLogin(token=string(member(identity, "token"), "id")), scope
    if methods == ["application_credential"]:
        return _credential_login(member(identity, "application_credential")), scope
    raise UnauthenticatedError("Attempted to authenticate with an unsupported method.")


def member(document: Json, name: str) -> Json:
    """Return an object within an object; raise BadRequestError when it is not there."""
    inner = document.get(name)
    if not isinstance(inner, dict):
        raise BadRequestError(f"Expecting to find {name} in the request body, as an object.")
    return inner


def string(document: Json, name: str) -> str:
    """Return a text within an object; raise BadRequestError when it is not there."""
    value = document.get(name)
    if not isinstance(value, str):
        raise BadRequestError(f"Expecting to find {name} in the request body, as a string.")
    if "\0" in value:
        raise BadRequestError(f"{name} must not hold the character NUL.")
    return value


def _credential_login(document: Json) -> CredentialLogin:
    secret = string(document, "secret")
    if "id" in document:
        return CredentialLogin(id=string(document, "id"), secret=secret)
    user = _reference(member(document, "user"))
    return CredentialLogin(name=string(document, "name"), user=user, secret=secret)


def _scope(auth: Json) -> Scope:
    scope = auth.get("scope")
    if scope is None:
        return NoScope.DEFAULT
    if scope == "unscoped" or (isinstance(scope, dict) and scope.keys() == {"unscoped"}):
        return NoScope.UNSCOPED
    if not isinstance(scope, dict):
        raise BadRequestError("'scope' must be an object.")
    kinds = cast("Json", scope)
    if kinds.keys() == {"project"}:
        return ProjectScope(project=_reference(member(kinds, "project")))
    if kinds.keys() == {"domain"}:
        return DomainScope(domain=_plain(member(kinds, "domain")))
    raise UnauthenticatedError("The scope of a token is one project, one domain, or 'unscoped'.")


def _reference(document: Json) -> Reference:
    """Read who or what is meant: an id, or a name with its domain."""
    if "id" in document:
        return Reference(id=string(document, "id"))
    domain = _plain(member(document, "domain")) if "domain" in document else _DEFAULT_DOMAIN
    return Reference(name=string(document, "name"), domain=domain)


def _plain(document: Json) -> Reference:
    if "id" in document:
        return Reference(id=string(document, "id"))
    return Reference(name=string(document, "name"))
