"""Use cases of role assignments: who has which role on which project or domain."""

from collections.abc import Mapping
from dataclasses import dataclass

from portlight.core.errors import ForbiddenError, NotFoundError
from portlight.core.identity import (
    MANAGER,
    MEMBER,
    READER,
    Domain,
    Project,
    Role,
    RoleAssignment,
    User,
    assignment_id,
)
from portlight.service.identity.lookup import domain_of, role_of
from portlight.service.identity.work import (
    AnyView,
    IdentityWork,
    Where,
    check_unrestricted,
    end_membership,
)
from portlight.service.policy import check_action
from portlight.values.ids import DomainId, ProjectId, UserId

MANAGED_ROLES = frozenset({MEMBER, READER})
"""What a manager gives and takes in his own project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role of a user on a project, or on a domain."""

    user_id: UserId
    role: str
    """Id."""
    project_id: ProjectId | None = None
    domain_id: DomainId | None = None

    @property
    def target_id(self) -> str:
        """The project or domain."""
        return self.project_id or self.domain_id or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAssignment:
    """An assignment with what it speaks of."""

    assignment: RoleAssignment
    user: User | None
    role: Role | None
    project: Project | None
    domain_names: Mapping[str, str]
    """By id: the domains of the user, of the project, and the one that is the target."""


def give(work: IdentityWork, grant: Grant) -> None:
    """Give a user a role; giving it again changes nothing."""
    _check_allowed(work, "create_grant", grant)
    _check_there(work, grant)
    identifier = assignment_id(grant.user_id, grant.target_id, grant.role)
    if work.tx.get(RoleAssignment, identifier) is None:
        work.tx.insert(
            RoleAssignment(
                id=identifier,
                user_id=grant.user_id,
                role=grant.role,
                project_id=grant.project_id,
                domain_id=grant.domain_id,
            )
        )


def take(work: IdentityWork, grant: Grant) -> None:
    """Take a role away; the user's tokens and credentials that stood on it end."""
    _check_allowed(work, "delete_grant", grant)
    check(work, grant)
    end_membership(work.tx, grant.user_id, grant.target_id, grant.role)


def check(view: AnyView, grant: Grant) -> None:
    """Raise NotFoundError when the user has not got the role, or the holder may not know."""
    identifier = assignment_id(grant.user_id, grant.target_id, grant.role)
    found = view.tx.get(RoleAssignment, identifier)
    if found is None or not _may_know(view, found):
        raise NotFoundError("RoleAssignment", grant.role)


def search(view: AnyView, where: Where) -> list[RoleAssignment]:
    """Return all assignments to an admin; to a manager those of his project; to others theirs."""
    return [one for one in view.tx.find(RoleAssignment, where) if _may_know(view, one)]


def search_named(view: AnyView, where: Where) -> list[NamedAssignment]:
    """Return assignments with what they speak of."""
    return [_named(view, one) for one in search(view, where)]


def domains_of(view: AnyView, user_id: str) -> list[Domain]:
    """Return the domains on which a user has a role."""
    found = view.tx.find(RoleAssignment, {"user_id": [user_id]})
    identifiers = sorted({grant.domain_id for grant in found if grant.domain_id is not None})
    domains = (domain_of(view.tx, identifier) for identifier in identifiers)
    return [domain for domain in domains if domain is not None]


def _named(view: AnyView, assignment: RoleAssignment) -> NamedAssignment:
    user = view.tx.get(User, assignment.user_id)
    target = assignment.project_id
    project = None if target is None else view.tx.get(Project, target)
    domain_ids = (
        assignment.domain_id,
        None if project is None else project.domain_id,
        None if user is None else user.domain_id,
    )
    domains = [domain_of(view.tx, one) for one in domain_ids if one is not None]
    return NamedAssignment(
        assignment=assignment,
        user=user,
        role=role_of(view.tx, assignment.role),
        project=project,
        domain_names={domain.id: domain.name for domain in domains if domain is not None},
    )


def _may_know(view: AnyView, assignment: RoleAssignment) -> bool:
    by = view.by
    if by.is_admin or assignment.user_id == by.user.id:
        return True
    in_own_project = by.project is not None and assignment.project_id == by.project.id
    return in_own_project and MANAGER in by.roles


def _check_allowed(work: IdentityWork, action: str, grant: Grant) -> None:
    check_unrestricted(work.by, action)
    check_action(work.by, action)
    if work.by.is_admin:
        return
    own = work.by.project is not None and grant.project_id == work.by.project.id
    if not own or grant.role not in MANAGED_ROLES:
        raise ForbiddenError(action)


def _check_there(work: IdentityWork, grant: Grant) -> None:
    if role_of(work.tx, grant.role) is None:
        raise NotFoundError("Role", grant.role)
    if work.tx.get(User, grant.user_id) is None:
        raise NotFoundError("User", grant.user_id)
    if grant.project_id is not None and work.tx.get(Project, grant.project_id) is None:
        raise NotFoundError("Project", grant.project_id)
    if grant.domain_id is not None and domain_of(work.tx, grant.domain_id) is None:
        raise NotFoundError("Domain", grant.domain_id)
