"""What a request for a token says: who, by what proof, and for which scope."""

from dataclasses import dataclass, field
from enum import Enum

from portlight.service.identity.lookup import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLogin:
    """A user and his password."""

    user: Reference
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogin:
    """A token that is to be exchanged for one of another scope."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialLogin:
    """An application credential, by its id or by its user and name."""

    id: str | None = None
    name: str = ""
    user: Reference | None = None
    secret: str = field(repr=False)


Login = PasswordLogin | TokenLogin | CredentialLogin


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectScope:
    """For the things of a project."""

    project: Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainScope:
    """For the projects and users of a domain."""

    domain: Reference


class NoScope(Enum):
    """For neither."""

    DEFAULT = "the user's own project, if he has one"
    UNSCOPED = "nothing, said explicitly"


Scope = ProjectScope | DomainScope | NoScope
