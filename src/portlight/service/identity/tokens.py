"""Giving out, recognising and ending tokens."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from portlight.core.errors import ForbiddenError, UnauthenticatedError
from portlight.core.identity import ApplicationCredential, TokenRecord, User
from portlight.service.identity.directory import Registry
from portlight.service.identity.logins import DomainScope, NoScope, ProjectScope, Scope
from portlight.service.identity.lookup import find_domain, find_project
from portlight.service.identity.passwords import REFUSED
from portlight.service.identity.token import Token, read_token
from portlight.service.ids import IdSource
from portlight.store.protocol import Reading, Store
from portlight.values.ids import DomainId, ProjectId, UserId

TOKEN_SECONDS = 12 * 3600.0
LOOK_SECONDS = 1.0
"""How long this process may go on honouring a token that was revoked in another one."""
CACHE_SIZE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Who has proven to be whom, and how."""

    user: User
    methods: tuple[str, ...]
    not_after: float | None = None
    parent: Token | None = None
    """The token that is exchanged."""
    credential: ApplicationCredential | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    project_id: ProjectId | None = None
    domain_id: DomainId | None = None


class Tokens:
    """Every token there is. Thread-safe; remembers those that were used lately."""

    def __init__(
        self, *, store: Store, ids: IdSource, clock: Callable[[], float], registry: Registry
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._registry = registry
        self._lock = threading.Lock()
        self._cache: dict[str, Token] = {}
        self._generation = 0
        """Grows whenever everything is forgotten."""
        self._epoch = -1
        self._changes = 0
        self._looked_at = float("-inf")

    def issue(self, proof: Proof, scope: Scope) -> Token:
        """Return a new token; raise UnauthenticatedError when the user has no role in the scope."""
        now, secret = self._clock(), self._ids.secret()
        credential = proof.credential
        ends = (proof.not_after, None if credential is None else credential.expires_at)
        last = now + TOKEN_SECONDS
        with self._store.writing() as tx:
            target = _target(tx, proof, scope, now)
            record = TokenRecord(
                id=digest(secret),
                user_id=proof.user.id,
                project_id=target.project_id,
                domain_id=target.domain_id,
                issued_at=now,
                expires_at=min([last, *(end for end in ends if end is not None)]),
                audit_id=self._ids.uuid(),
                parent_audit_id=None if proof.parent is None else proof.parent.audit_ids[0],
                methods=proof.methods,
                application_credential_id=None if credential is None else credential.id,
            )
            token = read_token(tx, secret, record, now)
            if token is None:
                raise UnauthenticatedError(REFUSED)
            tx.insert(record)
        return token

    def recognise(self, secret: str) -> Token:
        """Return the token with this secret; raise UnauthenticatedError when it is not valid."""
        now, key = self._clock(), digest(secret)
        self._forget_what_is_old(now)
        with self._lock:
            generation = self._generation
            cached = self._cache.get(key)
        if cached is not None and now < cached.expires_at:
            return cached
        with self._store.reading() as tx:
            record = tx.get(TokenRecord, key)
            token = None if record is None else read_token(tx, secret, record, now)
        if token is None:
            raise UnauthenticatedError(REFUSED)
        with self._lock:
            # what was read before a change must not be remembered after it
            if generation == self._generation:
                if len(self._cache) >= CACHE_SIZE:
                    self._cache.clear()
                self._cache[key] = token
        return token

    def forget_expired(self) -> None:
        """Remove the records of tokens that are over."""
        now = self._clock()
        with self._store.writing() as tx:
            for record in tx.find(TokenRecord):
                if record.expires_at <= now:
                    tx.delete(record)

    def standing_for(self, user_id: UserId, project_id: ProjectId | None) -> Token:
        """Return a token that nobody holds, for one who proved himself without one.

        Raise UnauthenticatedError when the user may not act (there).
        """
        now = self._clock()
        with self._store.reading() as tx:
            token = read_token(tx, "", _record(user_id, project_id, now), now)
        if token is None:
            raise UnauthenticatedError(REFUSED)
        return token

    def _forget_what_is_old(self, now: float) -> None:
        """Drop what is remembered when identity changed, here or in another process."""
        changes, epoch = self._registry.changes, self._epoch
        if abs(now - self._looked_at) >= LOOK_SECONDS:
            self._looked_at = now
            epoch = self._registry.epoch()
        if (changes, epoch) != (self._changes, self._epoch):
            with self._lock:
                self._changes, self._epoch = changes, epoch
                self._generation += 1
                self._cache.clear()


def digest(secret: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _target(tx: Reading, proof: Proof, scope: Scope, now: float) -> _Target:
    """Return what the token is for; raise UnauthenticatedError when that is not there."""
    if proof.credential is not None:
        return _credential_target(tx, proof.credential, scope)
    match scope:
        case ProjectScope():
            project = find_project(tx, scope.project)
            if project is None:
                raise UnauthenticatedError(REFUSED)
            return _Target(project_id=project.id)
        case DomainScope():
            domain = find_domain(tx, scope.domain)
            if domain is None:
                raise UnauthenticatedError(REFUSED)
            return _Target(domain_id=domain.id)
        case NoScope.DEFAULT:
            return _default_target(tx, proof.user, now)
        case NoScope.UNSCOPED:
            return _Target()


def _credential_target(tx: Reading, credential: ApplicationCredential, scope: Scope) -> _Target:
    if isinstance(scope, ProjectScope):
        wanted = find_project(tx, scope.project)
        if wanted is None or wanted.id != credential.project_id:
            raise ForbiddenError("rescope_token")
    elif scope is not NoScope.DEFAULT:
        raise ForbiddenError("rescope_token")
    return _Target(project_id=credential.project_id)


def _default_target(tx: Reading, user: User, now: float) -> _Target:
    """Return the user's default project if he can work there, else no scope at all."""
    usable = read_token(tx, "", _record(user.id, user.default_project_id, now), now) is not None
    return _Target(project_id=user.default_project_id if usable else None)


def _record(user_id: UserId, project_id: ProjectId | None, now: float) -> TokenRecord:
    """Return the record of a token that is given to nobody."""
    return TokenRecord(
        id="",
        user_id=user_id,
        project_id=project_id,
        issued_at=now,
        expires_at=now + TOKEN_SECONDS,
        audit_id="",
    )
