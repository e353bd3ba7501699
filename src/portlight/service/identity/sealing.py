"""Encryption of the secrets that must be read again: those of access keys."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from portlight.core.errors_identity import KeyDoesNotFitError


class Sealer:
    """Encrypts and decrypts short texts (Fernet: AES-128-CBC with HMAC-SHA-256)."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Encrypt with the first key; decrypt with any, so that keys can be changed."""
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def fresh(cls) -> "Sealer":
        """Return a sealer whose key lives as long as the process: for a store that does, too."""
        return cls([new_key()])

    def seal(self, secret: str) -> str:
        """Return what may be kept."""
        return self._fernet.encrypt(secret.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """Return the secret; raise KeyDoesNotFitError when it was sealed with another key."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise KeyDoesNotFitError from error


def new_key() -> bytes:
    """Return a random key, as text that fits into a line."""
    return Fernet.generate_key()
