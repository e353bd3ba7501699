"""The first users and projects. Running it again changes nothing that fits."""

from dataclasses import dataclass, replace

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from portlight.core.identity import (
    ADMIN,
    MANAGER,
    MEMBER,
    READER,
    Project,
    RoleAssignment,
    User,
    assignment_id,
)
from portlight.service.ids import IdSource
from portlight.store.protocol import Store, Writing
from portlight.values.ids import ProjectId, UserId

ADMIN_NAME = "admin"
USER_NAME = "portlight"
_USER_ROLES = (MANAGER, MEMBER, READER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to log in as someone."""

    username: str
    password: str
    user_id: UserId
    project_id: ProjectId
    project_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The two first logins."""

    admin: Login
    user: Login


@dataclass(frozen=True, slots=True, kw_only=True)
class _Makers:
    ids: IdSource
    hasher: PasswordHasher


def bootstrap(
    store: Store,
    *,
    ids: IdSource,
    admin_password: str,
    user_password: str,
    hasher: PasswordHasher | None = None,
) -> Credentials:
    """Make sure that both users exist with these passwords, projects and roles."""
    makers = _Makers(ids=ids, hasher=hasher or PasswordHasher())
    with store.writing() as tx:
        admin = _login(tx, makers, ADMIN_NAME, admin_password)
        user = _login(tx, makers, USER_NAME, user_password)
        for project_id in (admin.project_id, user.project_id):
            _assign(tx, admin.user_id, project_id, ADMIN)
        for role in _USER_ROLES:
            _assign(tx, user.user_id, user.project_id, role)
    return Credentials(admin=admin, user=user)


def _login(tx: Writing, makers: _Makers, name: str, password: str) -> Login:
    projects = tx.find(Project, {"name": [name]})
    project = projects[0] if projects else Project(id=ProjectId(makers.ids.uuid()), name=name)
    if not projects:
        tx.insert(project)
    users = tx.find(User, {"name": [name]})
    if users:
        _set_password(tx, makers, users[0], password)
    user = users[0] if users else _new_user(makers, name, password, project.id)
    if not users:
        tx.insert(user)
    return Login(
        username=name,
        password=password,
        user_id=user.id,
        project_id=project.id,
        project_name=name,
    )


def _new_user(makers: _Makers, name: str, password: str, project_id: ProjectId) -> User:
    return User(
        id=UserId(makers.ids.uuid()),
        name=name,
        password_hash=makers.hasher.hash(password),
        default_project_id=project_id,
    )


def _set_password(tx: Writing, makers: _Makers, user: User, password: str) -> None:
    try:
        makers.hasher.verify(user.password_hash, password)
    except (VerificationError, InvalidHashError):
        tx.update(user, replace(user, password_hash=makers.hasher.hash(password)))


def _assign(tx: Writing, user_id: UserId, project_id: ProjectId, role: str) -> None:
    wanted = RoleAssignment(
        id=assignment_id(user_id, project_id, role),
        user_id=user_id,
        project_id=project_id,
        role=role,
    )
    if tx.get(RoleAssignment, wanted.id) is None:
        tx.insert(wanted)
