"""Where identifiers, MAC addresses and secrets come from."""

from typing import Protocol

from portlight.values.addresses import MacAddress


class IdSource(Protocol):
    """Makes what must never be made twice."""

    def uuid(self) -> str:
        """Return a fresh UUID as text."""

    def mac(self) -> MacAddress:
        """Return a random address below fa:16:3e."""

    def secret(self) -> str:
        """Return a URL-safe text that nobody can guess."""
