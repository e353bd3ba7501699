"""Tokens of another identity service: asked for there, remembered here for a short time."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from portlight.core.errors import UnauthenticatedError
from portlight.core.errors_identity import NotInScopeError
from portlight.service.caller import Caller
from portlight.service.identity.passwords import REFUSED
from portlight.values.ids import ProjectId

REMEMBER_SECONDS = 5.0
"""How long a token that was revoked there may still be honoured here."""
CACHE_SIZE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignToken:
    """What the other service says of a token."""

    caller: Caller
    """With the project "" when the token is of none."""
    expires_at: float
    """Seconds since the epoch, UTC."""


class ForeignIdentity:
    """Who calls, by the word of another identity service. Thread-safe."""

    def __init__(
        self,
        *,
        url: str,
        validate: Callable[[str], ForeignToken | None],
        clock: Callable[[], float],
    ) -> None:
        """Ask `validate`, which gives None for a token that is not valid."""
        self.url = url
        self._validate = validate
        self._clock = clock
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[ForeignToken | None, float]] = {}

    def authenticate_token(self, secret: str) -> Caller:
        """Return who calls; raise UnauthenticatedError when the token is not valid there."""
        token = self._token(secret)
        if token is None or self._clock() >= token.expires_at:
            raise UnauthenticatedError(REFUSED)
        if token.caller.project_id == ProjectId(""):
            raise NotInScopeError(
                "The token is of no project; ask for one with a project as scope."
            )
        return token.caller

    def _token(self, secret: str) -> ForeignToken | None:
        if not secret:
            return None
        now, key = self._clock(), hashlib.sha256(secret.encode()).hexdigest()
        with self._lock:
            known = self._cache.get(key)
        if known is not None and now < known[1]:
            return known[0]
        token = self._validate(secret)
        with self._lock:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[key] = (token, now + REMEMBER_SECONDS)
        return token
