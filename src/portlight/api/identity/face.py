"""The routes of the identity face."""

from concurrent.futures import Executor
from dataclasses import replace
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.errors import RequestError, identity_body
from portlight.api.identity import documents
from portlight.api.identity.asking import Asking, asked, does, listed, lists, shows
from portlight.api.identity.credentials import credential_routes
from portlight.api.identity.directory import (
    DOMAINS,
    PROJECTS,
    ROLES,
    USERS,
    render_domain,
    render_project,
)
from portlight.api.identity.documents import BASE, V3
from portlight.api.identity.grants import grant_routes
from portlight.api.identity.requests import LOGIN, NEW_PASSWORD, member, parse_login, string
from portlight.api.identity.resource import routes_of
from portlight.api.identity.tags import tag_routes
from portlight.api.operation import Description, Parameters, operation
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TEXT, Schema, array, shape
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.wire import Json
from portlight.core.errors import NotFoundError
from portlight.service.cloud import Cloud
from portlight.service.identity.token import Token

_SUBJECT: Parameters = {"X-Subject-Token": TEXT}
_NO_CATALOG: Parameters = {"nocatalog": TEXT}
_SHOWS_TOKEN = Description(
    summary="Validate a token, and show for whom it stands",
    headers=_SUBJECT,
    query=_NO_CATALOG,
    answer=shape({"token": documents.TOKEN}),
    refusals=frozenset({HTTPStatus.NOT_FOUND}),
)
_SHOWS_CATALOG = Description(
    summary="Show where each service is",
    answer=shape({"catalog": documents.CATALOG, "links": documents.LINKS}),
)
_PROJECT = entity_schema(PROJECTS.name, PROJECTS.attributes)
_DOMAIN = entity_schema(DOMAINS.name, DOMAINS.attributes)


def identity_routes(cloud: Cloud, workers: Executor, logins: Executor) -> list[Route]:
    """Return every route of the face; each settles for itself who may call it.

    Passwords are checked in `logins`: they are slow on purpose, and must not hold up the rest.
    """
    face = Face(cloud=cloud, workers=workers, error_body=identity_body, authenticated=False)
    if cloud.foreign_identity is not None:
        return _routes_elsewhere(face, cloud.foreign_identity.url)
    slow = Face(cloud=cloud, workers=logins, error_body=identity_body, authenticated=False)
    return [
        *version_routes(face, None),
        route(
            slow,
            f"{V3}/auth/tokens",
            POST=_log_in,
            GET=asked(_show_token, _SHOWS_TOKEN),
            DELETE=asked(_revoke_token, replace(does("Revoke a token"), headers=_SUBJECT)),
        ),
        route(face, f"{V3}/auth/catalog", GET=asked(_catalog, _SHOWS_CATALOG)),
        route(
            face,
            f"{V3}/auth/projects",
            GET=asked(listed("projects", _own_projects), lists("projects", _PROJECT)),
        ),
        route(
            face,
            f"{V3}/auth/domains",
            GET=asked(listed("domains", _own_domains), lists("domains", _DOMAIN)),
        ),
        route(slow, f"{V3}/users/{{user}}/password", POST=_change_password),
        route(
            face,
            f"{V3}/users/{{user}}/projects",
            GET=asked(listed("projects", _projects_of), lists("projects", _PROJECT)),
        ),
        *credential_routes(face),
        *grant_routes(face),
        *tag_routes(face),
        *routes_of(face, DOMAINS),
        *routes_of(face, PROJECTS),
        *routes_of(face, USERS),
        *routes_of(face, ROLES),
        *_read_only(face, "service", documents.services, documents.SERVICE),
        *_read_only(face, "endpoint", documents.endpoints, documents.ENDPOINT),
        *_read_only(face, "region", documents.regions, documents.REGION_SCHEMA),
    ]


def version_routes(face: Face, elsewhere: str | None) -> list[Route]:
    """Return where clients find the version, which may be `elsewhere`: in an existing Keystone."""

    def address(call: Call) -> str:
        return elsewhere or call.base_url + V3

    @operation(
        status=HTTPStatus.MULTIPLE_CHOICES,
        answer=shape({"versions": shape({"values": array(documents.VERSION)})}),
    )
    def choices(call: Call) -> Reply:
        """List the versions of the identity interface."""
        document = {"versions": {"values": [documents.version(address(call))]}}
        return Reply(status=HTTPStatus.MULTIPLE_CHOICES, document=document)

    @operation(answer=shape({"version": documents.VERSION}))
    def one(call: Call) -> Reply:
        """Show the version of the identity interface."""
        return Reply(document={"version": documents.version(address(call))})

    return [
        *(route(face, path, GET=choices) for path in (BASE, f"{BASE}/")),
        *(route(face, path, GET=one) for path in (V3, f"{V3}/")),
    ]


def _routes_elsewhere(face: Face, url: str) -> list[Route]:
    """Return the signposts to the Keystone that knows users and tokens."""

    @operation(status=HTTPStatus.NOT_FOUND, answer=identity_body.schema)
    def refused(call: Call) -> Reply:
        """Say that identity is kept elsewhere."""
        del call
        message = f"Users, projects and tokens are those of {url}; ask there."
        raise RequestError(HTTPStatus.NOT_FOUND, message)

    methods = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), refused)
    return [*version_routes(face, url), route(face, f"{V3}/{{rest:path}}", **methods)]


@operation(
    body=LOGIN,
    query=_NO_CATALOG,
    status=HTTPStatus.CREATED,
    answer=shape({"token": documents.TOKEN}),
    refusals=frozenset({HTTPStatus.TOO_MANY_REQUESTS}),
)
def _log_in(call: Call) -> Reply:
    """Log in, or exchange a token for one of another scope; the answer's header has it."""
    login, scope = parse_login(call.document())
    token = call.cloud.identity.log_in(login, scope, address=call.client_address)
    return _token_reply(call, token, HTTPStatus.CREATED)


def _show_token(ask: Asking) -> Reply:
    token = ask.identity.subject(ask.by, _subject(ask), "validate_token")
    return _token_reply(ask.call, token, HTTPStatus.OK)


def _revoke_token(ask: Asking) -> Reply:
    ask.identity.revoke(ask.by, _subject(ask))
    return NO_CONTENT


def _subject(ask: Asking) -> str:
    return ask.call.headers.get("x-subject-token", "")


def _token_reply(call: Call, token: Token, status: HTTPStatus) -> Reply:
    document = documents.render_token(token)
    if "nocatalog" not in call.query and token.domain is not None:
        document["catalog"] = documents.catalog(call.base_url)
    headers = {"X-Subject-Token": token.secret, "Vary": "X-Auth-Token"}
    return Reply(status=status, document={"token": document}, headers=headers)


def _catalog(ask: Asking) -> Reply:
    rows = documents.catalog(ask.call.base_url)
    return Reply(document={"catalog": rows, "links": {"self": ask.call.url}})


@operation(
    body=NEW_PASSWORD,
    status=HTTPStatus.NO_CONTENT,
    answer=None,
    refusals=frozenset({HTTPStatus.TOO_MANY_REQUESTS}),
)
def _change_password(call: Call) -> Reply:
    """Change one's own password; the old one is the proof, no token is needed."""
    user = member(call.document(), "user")
    call.cloud.identity.change_password(
        call.path["user"],
        string(user, "original_password"),
        string(user, "password"),
        address=call.client_address,
    )
    return NO_CONTENT


def _own_projects(ask: Asking) -> list[Json]:
    found = ask.identity.projects_of(ask.by, ask.by.user.id)
    return [render_project(one, ask.call.base_url) for one in found if one.enabled]


def _own_domains(ask: Asking) -> list[Json]:
    found = ask.identity.domains_of(ask.by)
    return [render_domain(one, ask.call.base_url) for one in found if one.enabled]


def _projects_of(ask: Asking) -> list[Json]:
    found = ask.identity.projects_of(ask.by, ask.call.path["user"])
    return [render_project(one, ask.call.base_url) for one in found]


def _read_only(face: Face, name: str, rows_at: documents.Rows, row: Schema) -> list[Route]:
    def rows(ask: Asking) -> list[Json]:
        return rows_at(ask.call.base_url)

    def show(ask: Asking) -> Reply:
        """Show one."""
        wanted = ask.call.path["id"]
        for one in rows(ask):
            if one["id"] == wanted:
                return Reply(document={name: one})
        raise NotFoundError(name.capitalize(), wanted)

    return [
        route(face, f"{V3}/{name}s", GET=asked(listed(f"{name}s", rows), lists(f"{name}s", row))),
        route(
            face,
            f"{V3}/{name}s/{{id}}",
            GET=asked(show, shows(name, row)),
        ),
    ]
