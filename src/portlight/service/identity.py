"""Who is who: passwords, tokens, projects and users.

Passwords are kept as Argon2id hashes, tokens as SHA-256 of random text: neither can be read back.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from portlight.core.changes import check_text
from portlight.core.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
)
from portlight.core.identity import (
    DEFAULT_DOMAIN_ID,
    DEFAULT_DOMAIN_NAME,
    ROLES,
    Project,
    RoleAssignment,
    TokenRecord,
    User,
    assignment_id,
)
from portlight.service.caller import Caller
from portlight.service.ids import IdSource
from portlight.service.policy import check_action
from portlight.store.protocol import AlreadyExistsError, Reading, Store
from portlight.values.ids import ProjectId, UserId

TOKEN_SECONDS = 12 * 3600.0
CACHE_SECONDS = 10.0
"""How long another server process may go on honouring a token that was revoked here."""
CACHE_SIZE = 10_000
_DECOY = (
    "$argon2id$v=19$m=65536,t=3,p=4$4kKo+bWeXbB1IK0KtQZ87g$"
    "IMVjj8NLtrZJtrGQhYtzbuDHxUKwUOuCAHqHx2kduio"
)
"""The hash of a text that nobody knows, with the costs of a real one."""
_REFUSED = "The request you have made requires authentication."


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token with everything that is said about it when it is given out or shown."""

    secret: str
    """The value of `X-Auth-Token`."""
    user: User
    project: Project
    roles: tuple[str, ...]
    """Sorted."""
    issued_at: float
    """Seconds since the epoch, UTC."""
    expires_at: float
    audit_id: str
    methods: tuple[str, ...]


class Identity:
    """Checks passwords and tokens, and looks users and projects up. Thread-safe."""

    def __init__(
        self,
        *,
        store: Store,
        ids: IdSource,
        clock: Callable[[], float],
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[Caller, Token, float]] = {}

    def authenticate_password(
        self, user_name: str, domain: str, password: str, scope_project: str | None
    ) -> Token:
        """Return a new token for a project (by name or id; None: the user's default one).

        `user_name` is a name or an id, `domain` likewise. Raise UnauthenticatedError on any
        mismatch, without saying which.
        """
        with self._store.reading() as tx:
            user = _by_name_or_id(tx, User, user_name)
        known = user is not None and user.enabled and _is_default_domain(domain)
        # A hash is checked in any case: the time must not tell whether the user exists.
        matches = self._verify(user.password_hash if user and known else _DECOY, password)
        if user is None or not known or not matches:
            raise UnauthenticatedError(_REFUSED)
        return self._issue(user, scope_project, ("password",))

    def rescope(self, secret: str, scope_project: str | None) -> Token:
        """Return a new token of the same user for another project, no longer valid than the old."""
        _, old = self.authenticate_token(secret)
        methods = (*(method for method in old.methods if method != "token"), "token")
        return self._issue(old.user, scope_project or old.project.id, methods, old.expires_at)

    def authenticate_token(self, secret: str) -> tuple[Caller, Token]:
        """Return who holds the token; raise UnauthenticatedError when it is not valid."""
        now = self._clock()
        digest = _digest(secret)
        with self._lock:
            cached = self._cache.get(digest)
        if cached is not None and now < min(cached[2], cached[1].expires_at):
            return cached[0], cached[1]
        with self._store.reading() as tx:
            record = tx.get(TokenRecord, digest)
            token = None if record is None else _token(tx, secret, record)
        if token is None or now >= token.expires_at:
            raise UnauthenticatedError(_REFUSED)
        caller = _caller(token)
        with self._lock:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[digest] = (caller, token, now + CACHE_SECONDS)
        return caller, token

    def revoke(self, secret: str) -> None:
        """End a token."""
        digest = _digest(secret)
        with self._store.writing() as tx:
            record = tx.get(TokenRecord, digest)
            if record is not None:
                tx.delete(record)
        with self._lock:
            self._cache.pop(digest, None)

    def forget_expired(self) -> None:
        """Remove the records of tokens that are over."""
        now = self._clock()
        with self._store.writing() as tx:
            for record in tx.find(TokenRecord):
                if record.expires_at <= now:
                    tx.delete(record)

    def list_projects(self, caller: Caller) -> list[Project]:
        """Return all projects for an admin, for others those in which they have a role."""
        with self._store.reading() as tx:
            if caller.is_admin:
                return tx.find(Project)
            own = tx.find(RoleAssignment, {"user_id": [caller.user_id]})
            return tx.find(Project, {"id": [assignment.project_id for assignment in own]})

    def get_project(self, caller: Caller, identifier: str) -> Project:
        """Return a project by id or name, if the caller may know it."""
        for project in self.list_projects(caller):
            if identifier in (project.id, project.name):
                return project
        raise NotFoundError("Project", identifier)

    def list_users(self, caller: Caller) -> list[User]:
        """Return all users for an admin, for others themselves."""
        with self._store.reading() as tx:
            return tx.find(User, None if caller.is_admin else {"id": [caller.user_id]})

    def get_user(self, caller: Caller, identifier: str) -> User:
        """Return a user by id or name, if the caller may know him."""
        for user in self.list_users(caller):
            if identifier in (user.id, user.name):
                return user
        raise NotFoundError("User", identifier)

    def list_role_assignments(self, caller: Caller) -> list[RoleAssignment]:
        """Return all assignments for an admin, for others their own."""
        with self._store.reading() as tx:
            return tx.find(
                RoleAssignment, None if caller.is_admin else {"user_id": [caller.user_id]}
            )

    def create_project(self, caller: Caller, name: str, description: str = "") -> Project:
        """Make a project."""
        check_action(caller, "create_project")
        _check_name(name)
        check_text("description", description)
        project = Project(id=ProjectId(self._ids.uuid()), name=name, description=description)
        self._insert(project, f"project {name}")
        return project

    def create_user(
        self, caller: Caller, name: str, password: str, default_project: ProjectId | None = None
    ) -> User:
        """Make a user."""
        check_action(caller, "create_user")
        _check_name(name)
        user = User(
            id=UserId(self._ids.uuid()),
            name=name,
            password_hash=self._hasher.hash(password),
            default_project_id=default_project,
        )
        self._insert(user, f"user {name}")
        return user

    def assign_role(
        self, caller: Caller, user_id: UserId, project_id: ProjectId, role: str
    ) -> RoleAssignment:
        """Give a user a role on a project; giving it again changes nothing."""
        check_action(caller, "assign_role")
        if role not in ROLES:
            raise NotFoundError("Role", role)
        self.get_user(caller, user_id)
        self.get_project(caller, project_id)
        wanted = RoleAssignment(
            id=assignment_id(user_id, project_id, role),
            user_id=user_id,
            project_id=project_id,
            role=role,
        )
        with self._store.writing() as tx:
            if tx.get(RoleAssignment, wanted.id) is None:
                tx.insert(wanted)
        self._forget_cached()
        return wanted

    def unassign_role(
        self, caller: Caller, user_id: UserId, project_id: ProjectId, role: str
    ) -> None:
        """Take a role away; tokens lose it at once (in other processes within CACHE_SECONDS)."""
        check_action(caller, "assign_role")
        with self._store.writing() as tx:
            assignment = tx.get(RoleAssignment, assignment_id(user_id, project_id, role))
            if assignment is None:
                raise NotFoundError("RoleAssignment", role)
            tx.delete(assignment)
        self._forget_cached()

    def set_password(self, caller: Caller, user_id: UserId, password: str) -> None:
        """Give a user another password; his tokens end."""
        if user_id != caller.user_id:
            check_action(caller, "update_user")
        fresh = self._hasher.hash(password)
        with self._store.writing() as tx:
            user = tx.get(User, user_id)
            if user is None:
                raise NotFoundError("User", user_id)
            tx.update(user, replace(user, password_hash=fresh))
            for record in tx.find(TokenRecord, {"user_id": [user_id]}):
                tx.delete(record)
        self._forget_cached()

    def _issue(
        self,
        user: User,
        scope: str | None,
        methods: tuple[str, ...],
        not_after: float | None = None,
    ) -> Token:
        now = self._clock()
        secret = self._ids.secret()
        with self._store.writing() as tx:
            record = TokenRecord(
                id=_digest(secret),
                user_id=user.id,
                project_id=_scope(tx, user, scope),
                issued_at=now,
                expires_at=min(now + TOKEN_SECONDS, not_after or now + TOKEN_SECONDS),
                audit_id=self._ids.uuid(),
                methods=methods,
            )
            token = _token(tx, secret, record)
            if token is None:
                raise UnauthenticatedError(_REFUSED)
            tx.insert(record)
        return token

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def _insert(self, entity: object, what: str) -> None:
        try:
            with self._store.writing() as tx:
                tx.insert(entity)
        except AlreadyExistsError as error:
            raise ConflictError(f"There is a {what} already.") from error

    def _forget_cached(self) -> None:
        with self._lock:
            self._cache.clear()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_default_domain(domain: str) -> bool:
    return domain in (DEFAULT_DOMAIN_ID, DEFAULT_DOMAIN_NAME)


def _by_name_or_id(tx: Reading, kind: Any, text: str) -> Any:  # noqa: ANN401 -- User or Project
    found = tx.find(kind, {"name": [text]})
    return found[0] if found else tx.get(kind, text)


def _scope(tx: Reading, user: User, scope: str | None) -> ProjectId:
    if scope is None:
        own = tx.find(RoleAssignment, {"user_id": [user.id]})
        project_id = user.default_project_id or (own[0].project_id if own else None)
        if project_id is None:
            raise UnauthenticatedError(_REFUSED)
        return project_id
    project = _by_name_or_id(tx, Project, scope)
    if project is None:
        raise UnauthenticatedError(_REFUSED)
    return ProjectId(project.id)


def _token(tx: Reading, secret: str, record: TokenRecord) -> Token | None:
    """Return the token as it is now; None when its user or project may not act any more."""
    user, project = tx.get(User, record.user_id), tx.get(Project, record.project_id)
    if user is None or project is None or not (user.enabled and project.enabled):
        return None
    assignments = tx.find(
        RoleAssignment, {"user_id": [record.user_id], "project_id": [record.project_id]}
    )
    roles = tuple(sorted({assignment.role for assignment in assignments}))
    if not roles:
        return None
    return Token(
        secret=secret,
        user=user,
        project=project,
        roles=roles,
        issued_at=record.issued_at,
        expires_at=record.expires_at,
        audit_id=record.audit_id,
        methods=record.methods,
    )


def _caller(token: Token) -> Caller:
    return Caller(
        user_id=token.user.id,
        user_name=token.user.name,
        project_id=token.project.id,
        project_name=token.project.name,
        roles=frozenset(token.roles),
    )


def _check_name(name: str) -> None:
    check_text("name", name)
    if not name:
        raise InvalidRequestError("name", "it is empty")
