"""Use cases of users."""

from portlight.core.directory import build_user, change_user
from portlight.core.drafts_identity import UserDraft
from portlight.core.errors import NotFoundError
from portlight.core.errors_identity import NameTakenError
from portlight.core.identity import MANAGER, Project, RoleAssignment, User
from portlight.service.identity.lookup import domain_of
from portlight.service.identity.work import (
    AnyView,
    IdentityWork,
    Where,
    end_tokens,
    end_what_user_has,
)
from portlight.store.protocol import Reading
from portlight.values.ids import UserId


def load(view: AnyView, identifier: str) -> User:
    """Return a user that the holder may know: a manager knows those whose id he has."""
    user = view.tx.get(User, identifier)
    known = user is not None and (
        view.by.is_admin or identifier == view.by.user.id or _is_manager(view)
    )
    if user is None or not known:
        raise NotFoundError("User", identifier)
    return user


def search(view: AnyView, where: Where) -> list[User]:
    """Return all users to an admin, to others themselves.

    A manager also sees who has a role in his project, and anyone whose name he gives: to take in a
    colleague he must be able to say who that is, but not to read the whole register.
    """
    found = view.tx.find(User, where)
    if view.by.is_admin or (_is_manager(view) and "name" in where):
        return found
    known = {view.by.user.id}
    if _is_manager(view) and view.by.project is not None:
        grants = view.tx.find(RoleAssignment, {"target_id": [view.by.project.id]})
        known |= {grant.user_id for grant in grants}
    return [user for user in found if user.id in known]


def create(work: IdentityWork, draft: UserDraft) -> User:
    """Make a user."""
    user = build_user(draft, UserId(work.ids.uuid()))
    if domain_of(work.tx, user.domain_id) is None:
        raise NotFoundError("Domain", user.domain_id)
    _check_default_project(work.tx, user)
    _check_name_free(work.tx, user)
    work.tx.insert(user)
    return user


def update(work: IdentityWork, user: User, draft: UserDraft) -> User:
    """Change a user; another password, or disabling him, ends his tokens."""
    changed = change_user(user, draft)
    if changed.name != user.name:
        _check_name_free(work.tx, changed)
    if changed.default_project_id != user.default_project_id:
        _check_default_project(work.tx, changed)
    work.tx.update(user, changed)
    if changed.password_hash != user.password_hash or (user.enabled and not changed.enabled):
        end_tokens(work.tx, {"user_id": [user.id]})
    return changed


def delete(work: IdentityWork, user: User) -> None:
    """Remove a user with his roles, tokens and credentials."""
    end_what_user_has(work.tx, user.id)
    for grant in work.tx.find(RoleAssignment, {"user_id": [user.id]}):
        work.tx.delete(grant)
    work.tx.delete(user)


def _is_manager(view: AnyView) -> bool:
    return MANAGER in view.by.roles


def _check_default_project(tx: Reading, user: User) -> None:
    wanted = user.default_project_id
    if wanted is not None and tx.get(Project, wanted) is None:
        raise NotFoundError("Project", wanted)


def _check_name_free(tx: Reading, user: User) -> None:
    if tx.find(User, {"name": [user.name], "domain_id": [user.domain_id]}):
        raise NameTakenError("user", user.name)
