"""Refusals of identity."""

from collections.abc import Mapping

from portlight.core.errors import ConflictError, DomainError


class NameTakenError(ConflictError):
    """Another one of this kind has the name, in the same domain or of the same user."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"Conflict occurred attempting to store {kind} - duplicate name '{name}'.")
        self.kind = kind
        self.name = name


class ProjectInUseError(ConflictError):
    """The project still has things, which would have no owner."""

    def __init__(self, project: str, counts: Mapping[str, int]) -> None:
        listed = ", ".join(f"{kind}: {number}" for kind, number in sorted(counts.items()))
        super().__init__(f"Project {project} still has things ({listed}). Delete them first.")
        self.project = project
        self.counts = dict(counts)


class ProtectedError(DomainError):
    """The thing belongs to Portlight itself, or must be disabled first."""


class NotInScopeError(DomainError):
    """The action needs a token of another scope."""


class TooManyAttemptsError(DomainError):
    """Too many wrong passwords for one user or from one address."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            f"Too many failed attempts to authenticate. Try again in {retry_after_seconds} s."
        )
        self.retry_after_seconds = retry_after_seconds


class KeyDoesNotFitError(ConflictError):
    """The secret of an access key was encrypted with a key that the server has not got."""

    def __init__(self) -> None:
        super().__init__(
            "The secret cannot be read: the server's credential.key is not the one that sealed it."
        )


class IdentityUnavailableError(DomainError):
    """The Keystone that knows the tokens does not answer. What was seen is for the log."""

    def __init__(self) -> None:
        super().__init__("The identity service cannot be reached now. Try again later.")
