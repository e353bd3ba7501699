"""Who may ask: domains, projects, users, their roles, and the tokens given to them."""

from dataclasses import dataclass

from portlight.values.ids import ProjectId, UserId

ADMIN, MANAGER, MEMBER, READER = "admin", "manager", "member", "reader"
ROLES = (ADMIN, MANAGER, MEMBER, READER)
DEFAULT_DOMAIN_ID = "default"
DEFAULT_DOMAIN_NAME = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """An owner of things."""

    id: ProjectId
    name: str
    description: str = ""
    domain_id: str = DEFAULT_DOMAIN_ID
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Someone with a password."""

    id: UserId
    name: str
    password_hash: str
    """Argon2id, in its own text form."""
    description: str = ""
    domain_id: str = DEFAULT_DOMAIN_ID
    default_project_id: ProjectId | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role of a user on a project. Its id is made of the three."""

    id: str
    user_id: UserId
    project_id: ProjectId
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token that was given out. The token itself is nowhere kept, only its hash."""

    id: str
    """SHA-256 of the token, hexadecimal."""
    user_id: UserId
    project_id: ProjectId
    issued_at: float
    """Seconds since the epoch, UTC."""
    expires_at: float
    audit_id: str
    methods: tuple[str, ...] = ("password",)


def assignment_id(user_id: UserId, project_id: ProjectId, role: str) -> str:
    """Return the id of an assignment, so that giving a role twice is one assignment."""
    return f"{user_id}/{project_id}/{role}"
