"""Identity's version documents, catalog and tokens on the wire, in Keystone's spelling. Pure."""

from portlight.api.wire import Json
from portlight.core.identity import DEFAULT_DOMAIN_ID, DEFAULT_DOMAIN_NAME, Project, User
from portlight.service.caller import Caller

DOMAIN: Json = {"id": DEFAULT_DOMAIN_ID, "name": DEFAULT_DOMAIN_NAME}
REGION = "RegionOne"
BASE = "/identity"
_UPDATED = "2026-01-01T00:00:00Z"
_MEDIA_TYPE: Json = {
    "base": "application/json",
    "type": "application/vnd.openstack.identity-v3+json",
}
_SERVICES = (("identity", "keystone", f"{BASE}/v3"), ("network", "neutron", ""))


def version(base_url: str) -> Json:
    """Describe version 3 of the identity API."""
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{base_url}{BASE}/v3/"}],
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
                for interface in ("public", "internal", "admin")
            ],
        }
        for kind, name, path in _SERVICES
    ]


def render_project(project: Project, base_url: str) -> Json:
    """Render a project."""
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "domain_id": project.domain_id,
        "parent_id": project.domain_id,
        "enabled": project.enabled,
        "is_domain": False,
        "tags": [],
        "options": {},
        "links": {"self": f"{base_url}{BASE}/v3/projects/{project.id}"},
    }


def render_user(user: User, base_url: str) -> Json:
    """Render a user, never the password."""
    return {
        "id": user.id,
        "name": user.name,
        "description": user.description,
        "domain_id": user.domain_id,
        "default_project_id": user.default_project_id,
        "enabled": user.enabled,
        "password_expires_at": None,
        "options": {},
        "links": {"self": f"{base_url}{BASE}/v3/users/{user.id}"},
    }


def render_domain(base_url: str) -> Json:
    """Render the one domain."""
    return {
        **DOMAIN,
        "description": "The domain of every project and user.",
        "enabled": True,
        "tags": [],
        "options": {},
        "links": {"self": f"{base_url}{BASE}/v3/domains/{DEFAULT_DOMAIN_ID}"},
    }


def render_roles(names: frozenset[str]) -> list[Json]:
    """Render roles; the name of a role is its id."""
    return [{"id": name, "name": name, "domain_id": None, "options": {}} for name in sorted(names)]


def render_caller(caller: Caller) -> Json:
    """Render the part of a token that says who it stands for."""
    return {
        "user": {
            "id": caller.user_id,
            "name": caller.user_name,
            "domain": DOMAIN,
            "password_expires_at": None,
        },
        "project": {"id": caller.project_id, "name": caller.project_name, "domain": DOMAIN},
        "is_domain": False,
        "roles": [{"id": name, "name": name} for name in sorted(caller.roles)],
    }
