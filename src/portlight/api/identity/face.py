"""The routes of the identity face: tokens, and the look-ups from names to ids that clients make."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.errors import identity_body
from portlight.api.identity.documents import (
    BASE,
    catalog,
    render_caller,
    render_domain,
    render_project,
    render_roles,
    render_user,
    version,
)
from portlight.api.identity.requests import PasswordLogin, parse_login
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.wire import Json, moment
from portlight.core.errors import NotFoundError, UnauthenticatedError
from portlight.core.identity import ROLES
from portlight.service.cloud import Cloud
from portlight.service.identity import Token

V3 = f"{BASE}/v3"

_Rows = Callable[[Call], list[Json]]


def identity_routes(cloud: Cloud, workers: Executor) -> list[Route]:
    """Return every route of the face; versions and logging in need no token."""
    face = Face(cloud=cloud, workers=workers, error_body=identity_body)
    public = Face(cloud=cloud, workers=workers, error_body=identity_body, authenticated=False)
    return [
        *(route(public, path, GET=_versions) for path in (BASE, f"{BASE}/")),
        *(route(public, path, GET=_version) for path in (V3, f"{V3}/")),
        # each method of this path settles for itself who may call it
        route(public, f"{V3}/auth/tokens", POST=_log_in, GET=_show_token, DELETE=_revoke_token),
        route(face, f"{V3}/auth/catalog", GET=_catalog),
        route(face, f"{V3}/auth/projects", GET=_listed("projects", _projects)),
        *_look_ups(face, "project", _projects),
        *_look_ups(face, "user", _users),
        *_look_ups(face, "domain", lambda call: [render_domain(call.base_url)]),
        *_look_ups(face, "role", lambda _call: render_roles(frozenset(ROLES))),
        route(face, f"{V3}/role_assignments", GET=_listed("role_assignments", _assignments)),
    ]


def _look_ups(face: Face, name: str, rows: _Rows) -> list[Route]:
    return [
        route(face, f"{V3}/{name}s", GET=_listed(f"{name}s", rows)),
        route(face, f"{V3}/{name}s/{{id}}", GET=_shown(name, rows)),
    ]


def _listed(plural: str, rows: _Rows) -> Callable[[Call], Reply]:
    def act(call: Call) -> Reply:
        found = [row for row in rows(call) if _matches(row, call.query)]
        links = {"self": call.url, "previous": None, "next": None}
        return Reply(document={plural: found, "links": links})

    return act


def _shown(name: str, rows: _Rows) -> Callable[[Call], Reply]:
    def act(call: Call) -> Reply:
        wanted = call.path["id"]
        for row in rows(call):
            if row["id"] == wanted:
                return Reply(document={name: row})
        raise NotFoundError(name.capitalize(), wanted)

    return act


def _matches(row: Json, query: Mapping[str, list[str]]) -> bool:
    """Compare the filters that name a field of the row; identity ignores others."""
    return all(str(row[key]) in values for key, values in query.items() if key in row)


def _projects(call: Call) -> list[Json]:
    projects = call.cloud.identity.list_projects(call.caller)
    return [render_project(project, call.base_url) for project in projects]


def _users(call: Call) -> list[Json]:
    users = call.cloud.identity.list_users(call.caller)
    return [render_user(user, call.base_url) for user in users]


def _assignments(call: Call) -> list[Json]:
    return [
        {
            "role": {"id": one.role, "name": one.role},
            "user": {"id": one.user_id},
            "scope": {"project": {"id": one.project_id}},
            "links": {},
        }
        for one in call.cloud.identity.list_role_assignments(call.caller)
        if _asked_for(call, "user.id", one.user_id)
        and _asked_for(call, "scope.project.id", one.project_id)
        and _asked_for(call, "role.id", one.role)
    ]


def _asked_for(call: Call, key: str, value: str) -> bool:
    return key not in call.query or value in call.query[key]


def _versions(call: Call) -> Reply:
    document = {"versions": {"values": [version(call.base_url)]}}
    return Reply(status=HTTPStatus.MULTIPLE_CHOICES, document=document)


def _version(call: Call) -> Reply:
    return Reply(document={"version": version(call.base_url)})


def _catalog(call: Call) -> Reply:
    return Reply(document={"catalog": catalog(call.base_url), "links": {"self": call.url}})


def _log_in(call: Call) -> Reply:
    login = parse_login(call.document())
    if isinstance(login, PasswordLogin):
        token = call.cloud.authenticate_password(
            login.user, login.domain, login.password, login.project
        )
    else:
        token = call.cloud.identity.rescope(login.token, login.project)
    return _token_reply(call, token, HTTPStatus.CREATED)


def _show_token(call: Call) -> Reply:
    call.cloud.authenticate_token(call.token)
    return _token_reply(call, _subject(call), HTTPStatus.OK)


def _revoke_token(call: Call) -> Reply:
    call.cloud.authenticate_token(call.token)
    call.cloud.identity.revoke(_subject(call).secret)
    return NO_CONTENT


def _subject(call: Call) -> Token:
    """Return the token that the request is about; one that is not valid cannot be found."""
    secret = call.headers.get("x-subject-token", "")
    try:
        return call.cloud.authenticate_token(secret)[1]
    except UnauthenticatedError as error:
        raise NotFoundError("Token", "of X-Subject-Token") from error


def _token_reply(call: Call, token: Token, status: HTTPStatus) -> Reply:
    caller, _ = call.cloud.authenticate_token(token.secret)
    document: Json = {
        "methods": list(token.methods),
        "audit_ids": [token.audit_id],
        "issued_at": moment(token.issued_at),
        "expires_at": moment(token.expires_at),
        **render_caller(caller),
    }
    if "nocatalog" not in call.query:
        document["catalog"] = catalog(call.base_url)
    headers = {"X-Subject-Token": token.secret, "Vary": "X-Auth-Token"}
    return Reply(status=status, document={"token": document}, headers=headers)
