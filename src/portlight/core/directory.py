"""What is valid in identity: names, what can change, and what never does.

Pure: identifiers and the time are arguments.
"""

from dataclasses import replace
from typing import NoReturn, TypeVar

from portlight.core.changes import check_text, given, required
from portlight.core.drafts import Unset
from portlight.core.drafts_identity import DomainDraft, ProjectDraft, RoleDraft, UserDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_identity import NameTakenError, ProtectedError
from portlight.core.identity import (
    DEFAULT_DOMAIN_ID,
    DEFAULT_DOMAIN_NAME,
    FIXED_ROLES,
    Domain,
    Project,
    Role,
    User,
)
from portlight.values.ids import DomainId, ProjectId, UserId

MAX_PASSWORD = 4096
MAX_TAGS = 80
MAX_DESCRIPTION = 4_096

T = TypeVar("T", DomainId, str)


def build_domain(draft: DomainDraft, identifier: DomainId) -> Domain:
    """Return the new domain of a draft."""
    return change_domain(Domain(id=identifier, name=required(draft.name, "name")), draft)


def change_domain(domain: Domain, draft: DomainDraft) -> Domain:
    """Return the domain as the draft wants it; raise ProtectedError for the default one."""
    if domain.id == DEFAULT_DOMAIN_ID:
        raise ProtectedError("The default domain cannot be changed.")
    name = check_name(given(draft.name, domain.name))
    if name.casefold() == DEFAULT_DOMAIN_NAME.casefold():
        raise NameTakenError("domain", name)
    return replace(
        domain,
        name=name,
        description=_description(given(draft.description, domain.description)),
        enabled=given(draft.enabled, domain.enabled),
        tags=check_tags(given(draft.tags, domain.tags)),
    )


def check_domain_deletable(domain: Domain) -> None:
    """Raise ProtectedError for the default domain and for one that is still enabled."""
    if domain.id == DEFAULT_DOMAIN_ID:
        raise ProtectedError("The default domain cannot be deleted.")
    if domain.enabled:
        raise ProtectedError(
            "Cannot delete a domain that is enabled, please disable it first:"
            f" domain {domain.name} is enabled."
        )


def build_project(draft: ProjectDraft, identifier: ProjectId) -> Project:
    """Return the new project of a draft."""
    blank = Project(
        id=identifier,
        name=required(draft.name, "name"),
        domain_id=given(draft.domain_id, DEFAULT_DOMAIN_ID),
    )
    return change_project(blank, draft)


def change_project(project: Project, draft: ProjectDraft) -> Project:
    """Return the project as the draft wants it."""
    _check_same("domain_id", draft.domain_id, project.domain_id)
    if given(draft.parent_id, None) not in (None, project.domain_id):
        raise InvalidRequestError("parent_id", "projects have no parent but their domain")
    return replace(
        project,
        name=check_name(given(draft.name, project.name)),
        description=_description(given(draft.description, project.description)),
        enabled=given(draft.enabled, project.enabled),
        tags=check_tags(given(draft.tags, project.tags)),
    )


def build_user(draft: UserDraft, identifier: UserId) -> User:
    """Return the new user of a draft."""
    blank = User(
        id=identifier,
        name=required(draft.name, "name"),
        password_hash="",
        domain_id=given(draft.domain_id, DEFAULT_DOMAIN_ID),
    )
    return change_user(blank, draft)


def change_user(user: User, draft: UserDraft) -> User:
    """Return the user as the draft wants him."""
    _check_same("domain_id", draft.domain_id, user.domain_id)
    email = given(draft.email, user.email)
    if email is not None:
        check_text("email", email)
    return replace(
        user,
        name=check_name(given(draft.name, user.name)),
        description=_description(given(draft.description, user.description)),
        email=email,
        default_project_id=given(draft.default_project_id, user.default_project_id),
        enabled=given(draft.enabled, user.enabled),
        password_hash=given(draft.password_hash, user.password_hash),
    )


def build_role(draft: RoleDraft, identifier: str) -> Role:
    """Return the new role of a draft."""
    return change_role(Role(id=identifier, name=required(draft.name, "name")), draft)


def change_role(role: Role, draft: RoleDraft) -> Role:
    """Return the role as the draft wants it; raise ProtectedError for a fixed one."""
    check_role_changeable(role)
    name = check_name(given(draft.name, role.name))
    if name.casefold() in FIXED_ROLES:
        raise NameTakenError("role", name)
    description = _description(given(draft.description, role.description))
    return replace(role, name=name, description=description)


def check_role_changeable(role: Role) -> None:
    """Raise ProtectedError for a role of the policy table."""
    if role.id in FIXED_ROLES:
        raise ProtectedError(f"Role {role.name} belongs to the policy; it cannot be changed.")


def check_name(name: str, field: str = "name") -> str:
    """Return the name; raise InvalidRequestError when it is blank or too long."""
    check_text(field, name)
    if not name.strip():
        raise InvalidRequestError(field, "it is empty")
    return name


def check_password(password: str, field: str = "password") -> str:
    """Return a password for a user, or a secret; raise InvalidRequestError, never showing it."""
    if not password:
        raise InvalidRequestError(field, "it is empty")
    if len(password) > MAX_PASSWORD:
        raise InvalidRequestError(field, f"it is longer than {MAX_PASSWORD} characters")
    return password


def check_tags(tags: frozenset[str]) -> frozenset[str]:
    """Return the tags; raise InvalidRequestError for too many, or one that breaks a list."""
    if len(tags) > MAX_TAGS:
        raise InvalidRequestError("tags", f"more than {MAX_TAGS} of them")
    for tag in tags:
        check_name(tag, "tags")
        if "/" in tag or "," in tag:
            raise InvalidRequestError("tags", "a tag holds neither a slash nor a comma")
    return tags


def _description(wanted: str | None) -> str:
    text = wanted or ""
    if len(text) > MAX_DESCRIPTION:
        raise InvalidRequestError("description", f"longer than {MAX_DESCRIPTION} characters")
    return text


def _check_same(field: str, wanted: T | Unset, present: T) -> None:
    if not isinstance(wanted, Unset) and wanted != present:
        _refuse_move(field)


def _refuse_move(field: str) -> NoReturn:
    raise InvalidRequestError(field, "it cannot be changed")
