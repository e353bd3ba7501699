"""Who may ask: domains, projects, users, roles, credentials, and the tokens given to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from portlight.values.ids import DomainId, ProjectId, UserId

ADMIN, MANAGER, MEMBER, READER = "admin", "manager", "member", "reader"
DEFAULT_DOMAIN_ID: Final = DomainId("default")
DEFAULT_DOMAIN_NAME: Final = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A space of names for projects and users."""

    id: DomainId
    name: str
    description: str = ""
    enabled: bool = True
    tags: frozenset[str] = frozenset()


DEFAULT_DOMAIN: Final = Domain(
    id=DEFAULT_DOMAIN_ID, name=DEFAULT_DOMAIN_NAME, description="The default domain"
)
"""Always there: it is kept nowhere and cannot be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """An owner of things."""

    id: ProjectId
    name: str
    """Unique in its domain."""
    description: str = ""
    domain_id: DomainId = DEFAULT_DOMAIN_ID
    enabled: bool = True
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Someone with a password."""

    id: UserId
    name: str
    """Unique in its domain."""
    password_hash: str = field(repr=False)
    """Argon2id, in its own text form; empty: there is no password that fits."""
    description: str = ""
    email: str | None = None
    domain_id: DomainId = DEFAULT_DOMAIN_ID
    default_project_id: ProjectId | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What the policy table speaks of. A role that it does not name allows nothing."""

    id: str
    name: str
    description: str = ""


FIXED_ROLES: Final[Mapping[str, Role]] = {
    name: Role(id=name, name=name, description=description)
    for name, description in (
        (ADMIN, "May do everything, on the things of every project."),
        (MANAGER, "Changes the things of a project, and who is a member or reader of it."),
        (MEMBER, "Changes the things of a project."),
        (READER, "Sees the things of a project."),
    )
}
"""The roles of the policy table, by id, which is their name; each implies those after it.

Kept nowhere; never changed.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role of a user on a project or on a domain. Its id is made of the three."""

    id: str
    user_id: UserId
    role: str
    """Id of the role."""
    project_id: ProjectId | None = None
    domain_id: DomainId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token that was given out. The token itself is nowhere kept, only its hash."""

    id: str
    """SHA-256 of the token, hexadecimal."""
    user_id: UserId
    project_id: ProjectId | None = None
    domain_id: DomainId | None = None
    issued_at: float
    """Seconds since the epoch, UTC."""
    expires_at: float
    audit_id: str
    parent_audit_id: str | None = None
    """Of the token that was exchanged for this one."""
    methods: tuple[str, ...] = ("password",)
    application_credential_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationCredential:
    """A secret of a user for programs, good for one project and some of his roles there."""

    id: str
    user_id: UserId
    project_id: ProjectId
    name: str
    """Unique for its user."""
    secret_hash: str = field(repr=False)
    """Argon2id, in its own text form."""
    roles: tuple[str, ...]
    """Ids, sorted."""
    description: str = ""
    expires_at: float | None = None
    """Seconds since the epoch, UTC."""
    unrestricted: bool = False
    """Whether it may make and delete application credentials and access keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """Access and secret for signed requests, of a user in a project."""

    id: str
    """SHA-256 of the access, hexadecimal."""
    access: str
    sealed_secret: str = field(repr=False)
    """Encrypted; the key is not in the database."""
    user_id: UserId
    project_id: ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityEpoch:
    """How often anything above changed, but for tokens that were given out. There is one."""

    id: str
    number: int


def assignment_id(user_id: UserId, target_id: str, role: str) -> str:
    """Return the id of an assignment, so that giving a role twice is one assignment."""
    return f"{user_id}/{target_id}/{role}"
