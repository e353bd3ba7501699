"""Proving who one is: passwords and secrets, checked slowly and without telling who exists."""

from collections.abc import Callable
from dataclasses import replace

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from portlight.core.directory import MAX_PASSWORD, check_password
from portlight.core.drafts import UNSET, Unset
from portlight.core.drafts_identity import UserDraft
from portlight.core.errors import UnauthenticatedError
from portlight.core.identity import ApplicationCredential, User
from portlight.service.identity.logins import CredentialLogin
from portlight.service.identity.lookup import Reference, domain_of, find_user
from portlight.service.identity.throttle import Throttle
from portlight.service.identity.token import is_over
from portlight.store.protocol import Reading, Store

FREE_FAILURES_PER_NAME = 5
FREE_FAILURES_PER_ADDRESS = 50
"""More: behind one address may be an office."""
REFUSED = "The request you have made requires authentication."
_DECOY = (
    "$argon2id$v=19$m=65536,t=3,p=4$4kKo+bWeXbB1IK0KtQZ87g$"
    "IMVjj8NLtrZJtrGQhYtzbuDHxUKwUOuCAHqHx2kduio"
)
"""The hash of a text that nobody knows, with the costs of a real one by default."""


class Passwords:
    """Hashes and checks. Thread-safe."""

    def __init__(
        self, *, store: Store, clock: Callable[[], float], hasher: PasswordHasher | None
    ) -> None:
        self._store = store
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._decoy = _DECOY if hasher is None else hasher.hash(_DECOY)
        self._names = Throttle(FREE_FAILURES_PER_NAME)
        self._addresses = Throttle(FREE_FAILURES_PER_ADDRESS)

    def hash(self, password: str) -> str:
        """Return what may be kept of a password."""
        return self._hasher.hash(check_password(password))

    def hashed(self, draft: UserDraft) -> UserDraft:
        """Return the draft with a hash in the place of its password."""
        if isinstance(draft.password, Unset):
            return draft
        fresh = "" if draft.password is None else self.hash(draft.password)
        return replace(draft, password=UNSET, password_hash=fresh)

    def prove_user(self, reference: Reference, password: str, address: str) -> User:
        """Return the user whose password this is; raise UnauthenticatedError or TooManyAttempts."""
        with self._store.reading() as tx:
            user = find_user(tx, reference)
            active = user if user is not None and _is_active(tx, user) else None
        # The same user has one count, by whatever name he is called; so has one who is not there.
        key = user.id if user is not None else _spelling(reference)
        fits = self._prove(active.password_hash if active else "", password, (key, address))
        if active is None or not fits:
            raise UnauthenticatedError(REFUSED)
        return active

    def prove_credential(
        self, login: CredentialLogin, address: str
    ) -> tuple[User, ApplicationCredential]:
        """Return the credential whose secret this is, with its user."""
        with self._store.reading() as tx:
            credential = _find_credential(tx, login)
            user = None if credential is None else tx.get(User, credential.user_id)
            is_good = (
                credential is not None
                and not is_over(credential, self._clock())
                and user is not None
                and _is_active(tx, user)
            )
        named = f"{_spelling(login.user)}/{login.name}" if login.user else str(login.id)
        key = credential.id if credential is not None else f"credential {named}"
        secret_hash = credential.secret_hash if credential is not None and is_good else ""
        fits = self._prove(secret_hash, login.secret, (key, address))
        if credential is None or user is None or not (is_good and fits):
            raise UnauthenticatedError(REFUSED)
        return user, credential

    def _prove(self, secret_hash: str, secret: str, keys: tuple[str, str]) -> bool:
        """Check a secret, counting failures for the name and for the address."""
        name, address = keys
        now = self._clock()
        self._names.check(name, now)
        self._addresses.check(address, now)
        # A hash is checked in any case: the time must not tell whether the user exists.
        fits = self._verify(secret_hash or self._decoy, secret)
        if fits:
            self._names.succeed(name)
        else:
            self._names.fail(name, now)
            self._addresses.fail(address, now)
        return fits

    def _verify(self, secret_hash: str, secret: str) -> bool:
        try:
            return self._hasher.verify(secret_hash, secret[: MAX_PASSWORD + 1])
        except (VerificationError, InvalidHashError):
            return False


def _is_active(tx: Reading, user: User) -> bool:
    domain = domain_of(tx, user.domain_id)
    return user.enabled and domain is not None and domain.enabled


def _find_credential(tx: Reading, login: CredentialLogin) -> ApplicationCredential | None:
    if login.id is not None:
        return tx.get(ApplicationCredential, login.id)
    user = None if login.user is None else find_user(tx, login.user)
    if user is None:
        return None
    found = tx.find(ApplicationCredential, {"user_id": [user.id], "name": [login.name]})
    return found[0] if found else None


def _spelling(reference: Reference) -> str:
    domain = reference.domain
    of = "" if domain is None else domain.id or domain.name
    return reference.id or f"{of}/{reference.name}"
