"""What a caller asks for of domains, projects, users, roles and credentials.

`UNSET` means "not given", as in `core/drafts.py`.
"""

from dataclasses import dataclass

from portlight.core.drafts import UNSET, Unset
from portlight.values.ids import DomainId, ProjectId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDraft:
    """Create or change a domain."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    enabled: bool | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectDraft:
    """Create a project, or change one (not its domain)."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    domain_id: DomainId | Unset = UNSET
    parent_id: str | Unset | None = UNSET
    """Projects have no parent but their domain, which is None too."""
    enabled: bool | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDraft:
    """Create a user, or change one (not his domain)."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    email: str | Unset | None = UNSET
    domain_id: DomainId | Unset = UNSET
    default_project_id: ProjectId | Unset | None = UNSET
    enabled: bool | Unset = UNSET
    password: str | Unset | None = UNSET
    """In clear; replaced by `password_hash` before anything is kept. None: no password fits."""
    password_hash: str | Unset = UNSET

    def __repr__(self) -> str:
        """Show the name, never the password: a representation may end in a log."""
        return f"UserDraft(name={self.name!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDraft:
    """Create or change a role."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationCredentialDraft:
    """Create an application credential of the caller, for the project of his token."""

    name: str
    description: str = ""
    secret: str | None = None
    """None: one that nobody can guess is made."""
    roles: tuple[str, ...] | None = None
    """Ids or names; None: all that the token has."""
    expires_at: float | None = None
    unrestricted: bool = False

    def __repr__(self) -> str:
        """Show the name, never the secret."""
        return f"ApplicationCredentialDraft(name={self.name!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeyDraft:
    """Create an access key."""

    user_id: UserId
    project_id: ProjectId
    access: str | None = None
    secret: str | None = None
    """None: made here, as the access."""

    def __repr__(self) -> str:
        """Show whose it is, never the secret."""
        return f"AccessKeyDraft(user_id={self.user_id!r}, project_id={self.project_id!r})"
