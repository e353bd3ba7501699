"""Domains, projects, users and roles on the wire, in Keystone's spelling."""

from portlight.api.attributes import Attribute, Attributes, at_creation, read_only, settable
from portlight.api.identity.documents import LINKS, link_to
from portlight.api.identity.resource import DirectoryResource
from portlight.api.schema import TEXT, or_null
from portlight.api.wire import Json, boolean, list_of, nullable, only, record, set_of, text
from portlight.core.directory import MAX_DESCRIPTION, MAX_PASSWORD, MAX_TAGS
from portlight.core.drafts_identity import DomainDraft, ProjectDraft, RoleDraft, UserDraft
from portlight.core.identity import Domain, Project, Role, User

_NAME = Attribute(parse=text(least=1), draft="name", required=True)
_ENABLED = settable("enabled", boolean)
_DESCRIPTION = settable("description", nullable(text(MAX_DESCRIPTION)))
TAGS = set_of(text(least=1), MAX_TAGS)
_OPTIONS = settable(None, record(dict, {}))
"""Keystone's options of a project or user: there are none here."""
_COMMON: Attributes = {
    "id": read_only(TEXT),
    "name": _NAME,
    "description": _DESCRIPTION,
    "links": read_only(LINKS),
    "options": _OPTIONS,
}


def render_domain(domain: Domain, base_url: str) -> Json:
    """Render a domain."""
    return {
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "tags": sorted(domain.tags),
        "options": {},
        "links": link_to(base_url, "domains", domain.id),
    }


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
        "tags": sorted(project.tags),
        "options": {},
        "links": link_to(base_url, "projects", project.id),
    }


def _render_user(user: User, base_url: str) -> Json:
    shown: Json = {
        "id": user.id,
        "name": user.name,
        "description": user.description,
        "domain_id": user.domain_id,
        "default_project_id": user.default_project_id,
        "enabled": user.enabled,
        "password_expires_at": None,
        "options": {},
        "links": link_to(base_url, "users", user.id),
    }
    return shown if user.email is None else {**shown, "email": user.email}


def _render_role(role: Role, base_url: str) -> Json:
    return {
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "domain_id": None,
        "options": {},
        "links": link_to(base_url, "roles", role.id),
    }


DOMAINS: DirectoryResource[Domain, DomainDraft] = DirectoryResource(
    name="domain",
    plural="domains",
    attributes={
        **_COMMON,
        "enabled": _ENABLED,
        "tags": settable("tags", TAGS),
    },
    draft=DomainDraft,
    use=lambda identity: identity.domains,
    render=render_domain,
)
PROJECTS: DirectoryResource[Project, ProjectDraft] = DirectoryResource(
    name="project",
    plural="projects",
    attributes={
        **_COMMON,
        "domain_id": settable("domain_id", text()),
        "parent_id": at_creation("parent_id", nullable(text())),
        "is_domain": settable(None, only(value=False, why="a domain is made as a domain")),
        "enabled": _ENABLED,
        "tags": settable("tags", TAGS),
    },
    draft=ProjectDraft,
    use=lambda identity: identity.projects,
    render=render_project,
    where={"name": "name", "domain_id": "domain_id"},
)
USERS: DirectoryResource[User, UserDraft] = DirectoryResource(
    name="user",
    plural="users",
    attributes={
        **_COMMON,
        "domain_id": settable("domain_id", text()),
        "default_project_id": settable("default_project_id", nullable(text())),
        "email": settable("email", nullable(text())),
        "enabled": _ENABLED,
        "password": Attribute(
            parse=nullable(text(MAX_PASSWORD)), draft="password", is_rendered=False
        ),
        "password_expires_at": read_only(or_null(TEXT)),
        "federated": Attribute(parse=list_of(record(dict, {}), limit=0), is_rendered=False),
    },
    draft=UserDraft,
    use=lambda identity: identity.users,
    render=_render_user,
    where={"name": "name", "domain_id": "domain_id"},
)
ROLES: DirectoryResource[Role, RoleDraft] = DirectoryResource(
    name="role",
    plural="roles",
    attributes={
        **_COMMON,
        "domain_id": settable(None, only(value=None, why="roles belong to no domain")),
    },
    draft=RoleDraft,
    use=lambda identity: identity.roles,
    render=_render_role,
)
