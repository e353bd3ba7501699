"""Where time and identifiers come from. Nothing else makes them."""

import secrets
import uuid

from portlight.values.addresses import MacAddress

_OUR_PREFIX = 0xFA163E << 24


class RandomIds:
    """Implements `IdSource` with the system's random numbers."""

    def uuid(self) -> str:
        """Return a random UUID (RFC 9562, version 4)."""
        return str(uuid.uuid4())

    def mac(self) -> MacAddress:
        """Return a random address below fa:16:3e, as clouds use."""
        return MacAddress(_OUR_PREFIX | secrets.randbits(24))

    def secret(self) -> str:
        """Return 256 random bits as URL-safe text."""
        return secrets.token_urlsafe(32)
