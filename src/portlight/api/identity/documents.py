"""Identity's version documents, catalog and tokens on the wire, in Keystone's spelling. Pure."""

from collections.abc import Callable

from portlight.api.schema import MOMENT, TEXT, TRUTH, Schema, array, or_null, shape
from portlight.api.wire import Json, moment
from portlight.core.identity import Domain, Project, Role, User
from portlight.service.identity.token import Token

Rows = Callable[[str], list[Json]]
"""From the address by which the client came, to what is there."""

_URI: Schema = {"type": "string", "format": "uri"}
LINKS: Schema = {"type": "object", "additionalProperties": or_null(_URI)}
NAMED = shape({"id": TEXT, "name": TEXT})
IN_DOMAIN = shape({"id": TEXT, "name": TEXT, "domain": NAMED})
VERSION = shape(
    {
        "id": TEXT,
        "status": TEXT,
        "updated": MOMENT,
        "links": array(shape({"rel": TEXT, "href": _URI})),
        "media-types": array(shape({"base": TEXT, "type": TEXT})),
    },
    title="identity_version",
)
_ADDRESS: dict[str, Schema] = {
    "id": TEXT,
    "interface": TEXT,
    "region": TEXT,
    "region_id": TEXT,
    "url": TEXT,
}
CATALOG = array(
    shape(
        {"id": TEXT, "type": TEXT, "name": TEXT, "endpoints": array(shape(_ADDRESS))},
        title="catalog_service",
    )
)
SERVICE = shape(
    {
        "id": TEXT,
        "type": TEXT,
        "name": TEXT,
        "description": TEXT,
        "enabled": TRUTH,
        "links": LINKS,
    },
    title="service",
)
ENDPOINT = shape(
    {**_ADDRESS, "service_id": TEXT, "enabled": TRUTH, "links": LINKS}, title="endpoint"
)
REGION_SCHEMA = shape(
    {"id": TEXT, "description": TEXT, "parent_region_id": or_null(TEXT), "links": LINKS},
    title="region",
)
TOKEN = shape(
    {
        "methods": array(TEXT),
        "audit_ids": array(TEXT),
        "issued_at": MOMENT,
        "expires_at": MOMENT,
        "user": shape(
            {"id": TEXT, "name": TEXT, "domain": NAMED, "password_expires_at": or_null(TEXT)}
        ),
    },
    optional={
        "project": IN_DOMAIN,
        "is_domain": TRUTH,
        "domain": NAMED,
        "roles": array(NAMED),
        "application_credential": shape({"id": TEXT, "name": TEXT, "restricted": TRUTH}),
        "catalog": CATALOG,
    },
    title="token",
)

REGION = "RegionOne"
BASE = "/identity"
V3 = f"{BASE}/v3"
_UPDATED = "2026-01-01T00:00:00Z"
_MEDIA_TYPE: Json = {
    "base": "application/json",
    "type": "application/vnd.openstack.identity-v3+json",
}
_SERVICES = (("identity", "keystone", V3), ("network", "neutron", ""))
_INTERFACES = ("public", "internal", "admin")


def version(address: str) -> Json:
    """Describe version 3 of the identity API, which is found at this address."""
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{address.rstrip('/')}/"}],
        "media-types": [_MEDIA_TYPE],
    }


def catalog(base_url: str) -> list[Json]:
    """List the services, at the address by which the client came."""
    return [
        {
            "id": name,
            "type": kind,
            "name": name,
            "endpoints": [
                {
                    "id": f"{name}-{interface}",
                    "interface": interface,
                    "region": REGION,
                    "region_id": REGION,
                    "url": base_url + path,
                }
                for interface in _INTERFACES
            ],
        }
        for kind, name, path in _SERVICES
    ]


def services(base_url: str) -> list[Json]:
    """List the services by themselves."""
    return [
        {
            "id": name,
            "type": kind,
            "name": name,
            "description": "",
            "enabled": True,
            "links": link_to(base_url, "services", name),
        }
        for kind, name, _ in _SERVICES
    ]


def endpoints(base_url: str) -> list[Json]:
    """List the endpoints by themselves."""
    return [
        {
            "id": f"{name}-{interface}",
            "service_id": name,
            "interface": interface,
            "region": REGION,
            "region_id": REGION,
            "url": base_url + path,
            "enabled": True,
            "links": link_to(base_url, "endpoints", f"{name}-{interface}"),
        }
        for _, name, path in _SERVICES
        for interface in _INTERFACES
    ]


def regions(base_url: str) -> list[Json]:
    """List the one region."""
    return [
        {
            "id": REGION,
            "description": "",
            "parent_region_id": None,
            "links": link_to(base_url, "regions", REGION),
        }
    ]


def link_to(base_url: str, plural: str, identifier: str) -> Json:
    """Return the links of a thing."""
    return {"self": f"{base_url}{V3}/{plural}/{identifier}"}


def render_token(token: Token) -> Json:
    """Render a token without its catalog, and never its secret."""
    document: Json = {
        "methods": list(token.methods),
        "audit_ids": list(token.audit_ids),
        "issued_at": moment(token.issued_at),
        "expires_at": moment(token.expires_at),
        "user": {**_named(token.user, token.user_domain), "password_expires_at": None},
    }
    if token.project is not None and token.domain is not None:
        document["project"] = _named(token.project, token.domain)
        document["is_domain"] = False
    elif token.domain is not None:
        document["domain"] = _name_of(token.domain)
    if token.held_roles:
        document["roles"] = [_name_of(role) for role in token.held_roles]
    if token.application_credential is not None:
        credential = token.application_credential
        document["application_credential"] = {
            "id": credential.id,
            "name": credential.name,
            "restricted": not credential.unrestricted,
        }
    return document


def _named(entity: User | Project, domain: Domain) -> Json:
    return {"id": entity.id, "name": entity.name, "domain": _name_of(domain)}


def _name_of(entity: Domain | Role) -> Json:
    return {"id": entity.id, "name": entity.name}
