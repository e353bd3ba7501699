"""The first users, projects and access keys. What was changed since is left alone."""

from dataclasses import dataclass, field, replace

from argon2 import PasswordHasher

from portlight.core.identity import (
    ADMIN,
    DEFAULT_DOMAIN_ID,
    MANAGER,
    MEMBER,
    READER,
    AccessKey,
    Project,
    RoleAssignment,
    User,
    assignment_id,
)
from portlight.service.identity.access_keys import key_id
from portlight.service.identity.sealing import Sealer
from portlight.service.identity.work import Where, end_tokens, raise_epoch
from portlight.service.ids import IdSource
from portlight.store.protocol import Store, Writing
from portlight.values.ids import ProjectId, UserId

ADMIN_NAME = "admin"
USER_NAME = "portlight"
_USER_ROLES = (MANAGER, MEMBER, READER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the credentials file of a user says, or what it will say."""

    password: str = field(repr=False)
    is_new: bool = False
    """Whether the password was made just now: it replaces the user's, with his roles restored.

    This is the way back in for who lost the file, or locked himself out.
    """
    access_key: str = ""
    """Empty: a key has to be made."""
    secret_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to log in as someone."""

    username: str
    password: str = field(repr=False)
    user_id: UserId
    project_id: ProjectId
    project_name: str
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The two first logins."""

    admin: Login
    user: Login


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """The transaction, and what comes from outside."""

    tx: Writing
    ids: IdSource
    sealer: Sealer
    hasher: PasswordHasher


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A first user with his project."""

    user: User
    project: Project
    is_restored: bool
    """Whether he is new, came back with a new password, or his project had to be made again."""


def bootstrap(
    store: Store,
    *,
    ids: IdSource,
    admin: Secrets,
    user: Secrets,
    makers: tuple[Sealer, PasswordHasher],
) -> Credentials:
    """Make sure that both users exist, and return how to log in as them."""
    sealer, hasher = makers
    with store.writing() as tx:
        desk = _Desk(tx=tx, ids=ids, sealer=sealer, hasher=hasher)
        first = _ensure(desk, ADMIN_NAME, admin)
        second = _ensure(desk, USER_NAME, user)
        if first.is_restored or second.is_restored:
            for project in (first.project, second.project):
                _assign(tx, first.user.id, project.id, ADMIN)
        if second.is_restored:
            for role in _USER_ROLES:
                _assign(tx, second.user.id, second.project.id, role)
        raise_epoch(tx)
        return Credentials(admin=_login(desk, first, admin), user=_login(desk, second, user))


def _ensure(desk: _Desk, name: str, secrets: Secrets) -> _Known:
    named: Where = {"name": [name], "domain_id": [DEFAULT_DOMAIN_ID]}
    projects, users = desk.tx.find(Project, named), desk.tx.find(User, named)
    project = projects[0] if projects else Project(id=ProjectId(desk.ids.uuid()), name=name)
    if not projects:
        desk.tx.insert(project)
    present = users[0] if users else None
    if present is not None and projects and not secrets.is_new:
        return _Known(user=present, project=project, is_restored=False)
    user = replace(
        present or User(id=UserId(desk.ids.uuid()), name=name, password_hash=""),
        default_project_id=project.id,
    )
    if present is None or secrets.is_new:
        fresh = desk.hasher.hash(secrets.password)
        user = replace(user, password_hash=fresh, enabled=True)
        end_tokens(desk.tx, {"user_id": [user.id]})
    if present is None:
        desk.tx.insert(user)
    else:
        desk.tx.update(present, user)
    return _Known(user=user, project=project, is_restored=True)


def _login(desk: _Desk, known: _Known, secrets: Secrets) -> Login:
    access = secrets.access_key or desk.ids.uuid().replace("-", "")
    secret = secrets.secret_key or desk.ids.secret()
    # A key that the file names and nobody knows any more was deleted on purpose, unless its user
    # is new as well.
    wanted = not secrets.access_key or known.is_restored
    if wanted and desk.tx.get(AccessKey, key_id(access)) is None:
        desk.tx.insert(
            AccessKey(
                id=key_id(access),
                access=access,
                sealed_secret=desk.sealer.seal(secret),
                user_id=known.user.id,
                project_id=known.project.id,
            )
        )
    return Login(
        username=known.user.name,
        password=secrets.password,
        user_id=known.user.id,
        project_id=known.project.id,
        project_name=known.project.name,
        access_key=access,
        secret_key=secret,
    )


def _assign(tx: Writing, user_id: UserId, project_id: ProjectId, role: str) -> None:
    identifier = assignment_id(user_id, project_id, role)
    if tx.get(RoleAssignment, identifier) is None:
        tx.insert(RoleAssignment(id=identifier, user_id=user_id, project_id=project_id, role=role))
