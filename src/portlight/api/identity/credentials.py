"""Application credentials, and access keys in both of Keystone's spellings.

`/v3/credentials` (type `ec2`) and `/v3/users/{id}/credentials/OS-EC2` show the same keys.
"""

from http import HTTPStatus
from typing import cast

import msgspec
from starlette.routing import Route

from portlight.api.attributes import Attribute, Attributes, at_creation, parse_create, read_only
from portlight.api.errors import BadRequestError
from portlight.api.identity.asking import (
    Asking,
    asked,
    does,
    listed,
    lists,
    makes,
    shows,
    within,
)
from portlight.api.identity.documents import LINKS, V3, link_to
from portlight.api.identity.moments import expiry
from portlight.api.operation import Description
from portlight.api.resource_schema import create_schema, entity_schema
from portlight.api.schema import NULL, TEXT, array, or_null, shape
from portlight.api.shell import NO_CONTENT, Face, Reply, route
from portlight.api.wire import Json, boolean, list_of, moment, nullable, only, record, text
from portlight.core.directory import MAX_DESCRIPTION, MAX_PASSWORD
from portlight.core.drafts_identity import AccessKeyDraft, ApplicationCredentialDraft
from portlight.core.errors import NotFoundError
from portlight.core.identity import ApplicationCredential
from portlight.service.identity.access_keys import OpenAccessKey, key_id
from portlight.values.ids import ProjectId, UserId

_SECRET = text(MAX_PASSWORD)
_TYPE = "ec2"
_BLOB_LENGTH = 4_096


def _role(id: str = "", name: str = "", domain_id: object = None) -> str:  # noqa: A002 -- the wire's name
    """Return how a role is meant: by its id, else by its name."""
    del domain_id
    return id or name


_APPLICATION_CREDENTIAL: Attributes = {
    "id": read_only(TEXT),
    "name": at_creation("name", text(), required=True),
    "description": at_creation("description", nullable(text(MAX_DESCRIPTION))),
    "secret": at_creation("secret", nullable(_SECRET)),
    "roles": at_creation(
        "roles",
        list_of(record(_role, {}, id=text(), name=text(), domain_id=nullable(text()))),
        answer=array(shape({"id": TEXT, "name": TEXT, "domain_id": NULL})),
    ),
    "expires_at": at_creation("expires_at", nullable(expiry), answer=or_null(TEXT)),
    "unrestricted": at_creation("unrestricted", nullable(boolean)),
    "access_rules": Attribute(
        parse=nullable(only([], "the roles limit what a program may do")),
        on_update=False,
        is_rendered=False,
    ),
    "project_id": read_only(TEXT),
    "user_id": read_only(TEXT),
    "system": read_only(NULL),
    "links": read_only(LINKS),
}
_CREDENTIAL: Attributes = {
    "id": read_only(TEXT),
    "type": at_creation(None, only(_TYPE, "it is the only type")),
    "blob": at_creation("blob", text(_BLOB_LENGTH), required=True),
    "user_id": at_creation("user_id", text(), required=True),
    "project_id": at_creation("project_id", text(), required=True),
    "links": read_only(LINKS),
}


_APPLICATION = entity_schema("application_credential", _APPLICATION_CREDENTIAL)
_BLOB = entity_schema("credential", _CREDENTIAL)
_NEW_BLOB = {
    **create_schema("credential", _CREDENTIAL),
    "required": ["blob", "project_id", "type", "user_id"],
}
_KEY = shape(
    {
        "access": TEXT,
        "secret": TEXT,
        "user_id": TEXT,
        "tenant_id": TEXT,
        "trust_id": NULL,
        "links": LINKS,
    },
    title="access_key",
)
_NEW_KEY = Description(
    summary="Create an access key",
    body=within("tenant_id", TEXT),
    status=HTTPStatus.CREATED,
    answer=shape({"credential": _KEY}),
)


def credential_routes(face: Face) -> list[Route]:
    """Return the routes of all credentials but passwords."""
    ours = f"{V3}/users/{{user}}/application_credentials"
    name, plural = "application_credential", "application_credentials"
    new = create_schema(name, _APPLICATION_CREDENTIAL)
    return [
        route(
            face,
            ours,
            GET=asked(listed(plural, _application_credentials), lists(plural, _APPLICATION)),
            POST=asked(_create, makes(name, new, _APPLICATION)),
        ),
        route(
            face,
            ours + "/{id}",
            GET=asked(_show, shows(name, _APPLICATION)),
            DELETE=asked(_delete, does("Delete an application credential")),
        ),
        *_key_routes(face),
        *_blob_routes(face),
    ]


def _key_routes(face: Face) -> list[Route]:
    path = f"{V3}/users/{{user}}/credentials/OS-EC2"
    return [
        route(
            face,
            path,
            GET=asked(listed("credentials", _keys), lists("credentials", _KEY)),
            POST=asked(_create_key, _NEW_KEY),
        ),
        route(
            face,
            path + "/{access}",
            GET=asked(_show_key, shows("credential", _KEY)),
            DELETE=asked(_delete_key, does("Delete an access key")),
        ),
    ]


def _blob_routes(face: Face) -> list[Route]:
    path = f"{V3}/credentials"
    return [
        route(
            face,
            path,
            GET=asked(listed("credentials", _blobs), lists("credentials", _BLOB)),
            POST=asked(_create_blob, makes("credential", _NEW_BLOB, _BLOB)),
        ),
        route(
            face,
            path + "/{id}",
            GET=asked(_show_blob, shows("credential", _BLOB)),
            DELETE=asked(_delete_blob, does("Delete a credential")),
        ),
    ]


def _create(ask: Asking) -> Reply:
    values = parse_create(_APPLICATION_CREDENTIAL, ask.envelope("application_credential"))
    # null and the empty list of roles mean "not given" to Keystone's clients
    given = {name: value for name, value in values.items() if value not in (None, ())}
    draft = ApplicationCredentialDraft(**given)  # type: ignore[arg-type]  # parsed above
    made = ask.identity.create_application_credential(ask.by, ask.call.path["user"], draft)
    rendered = {**_render(made.credential, ask), "secret": made.secret}
    return Reply(status=HTTPStatus.CREATED, document={"application_credential": rendered})


def _show(ask: Asking) -> Reply:
    path = ask.call.path
    found = ask.identity.get_application_credential(ask.by, path["user"], path["id"])
    return Reply(document={"application_credential": _render(found, ask)})


def _application_credentials(ask: Asking) -> list[Json]:
    found = ask.identity.application_credentials(ask.by, ask.call.path["user"])
    return [_render(one, ask) for one in found]


def _delete(ask: Asking) -> Reply:
    path = ask.call.path
    ask.identity.delete_application_credential(ask.by, path["user"], path["id"])
    return NO_CONTENT


def _render(credential: ApplicationCredential, ask: Asking) -> Json:
    names = {role.id: role.name for role in ask.identity.roles.find(ask.by)}
    over = credential.expires_at
    path = f"users/{credential.user_id}/application_credentials"
    return {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "project_id": credential.project_id,
        "user_id": credential.user_id,
        "roles": [
            {"id": role, "name": names.get(role, role), "domain_id": None}
            for role in credential.roles
        ],
        "expires_at": None if over is None else moment(over).removesuffix("Z"),
        "unrestricted": credential.unrestricted,
        "system": None,
        "links": link_to(ask.call.base_url, path, credential.id),
    }


def _create_key(ask: Asking) -> Reply:
    project = ask.call.document().get("tenant_id")
    if not isinstance(project, str):
        raise BadRequestError("Expecting to find tenant_id in the request body, as a string.")
    draft = AccessKeyDraft(user_id=UserId(ask.call.path["user"]), project_id=ProjectId(project))
    made = ask.identity.create_access_key(ask.by, draft)
    return Reply(status=HTTPStatus.CREATED, document={"credential": _render_key(made, ask)})


def _keys(ask: Asking) -> list[Json]:
    found = ask.identity.access_keys(ask.by, {"user_id": [ask.call.path["user"]]})
    return [_render_key(one, ask) for one in found]


def _show_key(ask: Asking) -> Reply:
    return Reply(document={"credential": _render_key(_key_of_path(ask), ask)})


def _delete_key(ask: Asking) -> Reply:
    ask.identity.delete_access_key(ask.by, _key_of_path(ask).key.id)
    return NO_CONTENT


def _key_of_path(ask: Asking) -> OpenAccessKey:
    access = ask.call.path["access"]
    found = ask.identity.get_access_key(ask.by, key_id(access))
    if found.key.user_id != ask.call.path["user"]:
        raise NotFoundError("Credential", access)
    return found


def _render_key(one: OpenAccessKey, ask: Asking) -> Json:
    path = f"users/{one.key.user_id}/credentials/OS-EC2"
    return {
        "access": one.key.access,
        "secret": one.secret,
        "user_id": one.key.user_id,
        "tenant_id": one.key.project_id,
        "trust_id": None,
        "links": link_to(ask.call.base_url, path, one.key.access),
    }


def _create_blob(ask: Asking) -> Reply:
    document = ask.envelope("credential")
    if document.get("type") != _TYPE:
        raise BadRequestError(f"Only credentials of the type '{_TYPE}' are kept.")
    values = cast("dict[str, str]", parse_create(_CREDENTIAL, document))
    access, secret = _parse_blob(values["blob"])
    draft = AccessKeyDraft(
        user_id=UserId(values["user_id"]),
        project_id=ProjectId(values["project_id"]),
        access=access,
        secret=secret,
    )
    made = ask.identity.create_access_key(ask.by, draft)
    return Reply(status=HTTPStatus.CREATED, document={"credential": _render_blob(made, ask)})


def _parse_blob(blob: str) -> tuple[str, str]:
    try:
        inner = msgspec.json.decode(blob, type=dict[str, object])
    except msgspec.MsgspecError as error:
        # the error's own text could show a part of the secret
        raise BadRequestError("'blob' must be the JSON text of an object.") from error
    access, secret = inner.get("access"), inner.get("secret")
    if not isinstance(access, str) or not isinstance(secret, str):
        raise BadRequestError("'blob' must have 'access' and 'secret', both text.")
    return access, secret


def _blobs(ask: Asking) -> list[Json]:
    query = ask.call.query
    where = {key: query[key] for key in ("user_id", "project_id") if key in query}
    return [_render_blob(one, ask) for one in ask.identity.access_keys(ask.by, where)]


def _show_blob(ask: Asking) -> Reply:
    found = ask.identity.get_access_key(ask.by, ask.call.path["id"])
    return Reply(document={"credential": _render_blob(found, ask)})


def _delete_blob(ask: Asking) -> Reply:
    ask.identity.delete_access_key(ask.by, ask.call.path["id"])
    return NO_CONTENT


def _render_blob(one: OpenAccessKey, ask: Asking) -> Json:
    blob = {"access": one.key.access, "secret": one.secret}
    return {
        "id": one.key.id,
        "type": _TYPE,
        "blob": msgspec.json.encode(blob).decode(),
        "user_id": one.key.user_id,
        "project_id": one.key.project_id,
        "links": link_to(ask.call.base_url, "credentials", one.key.id),
    }
