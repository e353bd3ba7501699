"""Finding domains, projects, users and roles, by id or by name."""

from dataclasses import dataclass

from portlight.core.identity import (
    DEFAULT_DOMAIN,
    FIXED_ROLES,
    Domain,
    Project,
    Role,
    RoleAssignment,
    User,
)
from portlight.store.protocol import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Which domain, project or user a client means: by its id, or by name and domain."""

    id: str | None = None
    name: str = ""
    domain: "Reference | None" = None
    """None for a domain itself."""


def domain_of(tx: Reading, identifier: str) -> Domain | None:
    """Return a domain by id."""
    return DEFAULT_DOMAIN if identifier == DEFAULT_DOMAIN.id else tx.get(Domain, identifier)


def find_domain(tx: Reading, reference: Reference) -> Domain | None:
    """Return the domain that is meant."""
    if reference.id is not None:
        return domain_of(tx, reference.id)
    if reference.name.casefold() == DEFAULT_DOMAIN.name.casefold():
        return DEFAULT_DOMAIN
    found = tx.find(Domain, {"name": [reference.name]})
    return found[0] if found else None


def find_user(tx: Reading, reference: Reference) -> User | None:
    """Return the user who is meant."""
    if reference.id is not None:
        return tx.get(User, reference.id)
    where = _named(tx, reference)
    found = tx.find(User, where) if where else []
    return found[0] if found else None


def find_project(tx: Reading, reference: Reference) -> Project | None:
    """Return the project that is meant."""
    if reference.id is not None:
        return tx.get(Project, reference.id)
    where = _named(tx, reference)
    found = tx.find(Project, where) if where else []
    return found[0] if found else None


def role_of(tx: Reading, identifier: str) -> Role | None:
    """Return a role by id."""
    return FIXED_ROLES.get(identifier) or tx.get(Role, identifier)


def all_roles(tx: Reading) -> list[Role]:
    """Return the roles of the policy table, and those that were made."""
    return [*FIXED_ROLES.values(), *tx.find(Role)]


def assignments_on(tx: Reading, user_id: str, target_id: str) -> list[RoleAssignment]:
    """Return the assignments of a user on a project or domain."""
    return tx.find(RoleAssignment, {"user_id": [user_id], "target_id": [target_id]})


def roles_on(tx: Reading, user_id: str, target_id: str | None) -> tuple[Role, ...]:
    """Return the roles of a user on a project or domain, with those they imply, by name."""
    if target_id is None:
        return ()
    given = {one.role for one in assignments_on(tx, user_id, target_id)}
    chain = list(FIXED_ROLES)
    highest = min((chain.index(role) for role in given if role in FIXED_ROLES), default=len(chain))
    found = (role_of(tx, role) for role in given | set(chain[highest:]))
    return tuple(sorted((role for role in found if role), key=lambda role: role.name))


def _named(tx: Reading, reference: Reference) -> dict[str, list[str]] | None:
    domain = None if reference.domain is None else find_domain(tx, reference.domain)
    return None if domain is None else {"name": [reference.name], "domain_id": [domain.id]}
