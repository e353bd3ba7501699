"""Every refusal of the domain has a name, and carries the facts it is made of.

HTTP status numbers and wire names live in `api/errors.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_NAMED = 20
"""How many users the words of a refusal name; the others are counted, and listed beside them."""


class DomainError(Exception):
    """Something asked of the domain cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """One thing that stands in the way."""

    kind: str
    """As in NotFoundError: Port, SecurityGroupRule, ..."""
    id: str
    note: str = ""
    """What helps to find it: the group of a rule, the project of a port."""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" + (f" ({self.note})" if self.note else "")


def named(users: Sequence[object]) -> str:
    """Return the users for a message: the first MAX_NAMED, and how many more there are."""
    more = len(users) - MAX_NAMED
    words = ", ".join(str(user) for user in users[:MAX_NAMED])
    return words + (f" and {more} more" if more > 0 else "")


class InvalidRequestError(DomainError):
    """The request itself is wrong: a field breaks a rule, whatever the state."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"Invalid input for {field}. Reason: {rule}.")
        self.field = field
        self.rule = rule


class MalformedValueError(InvalidRequestError):
    """A field's value is not of the kind that it has to be."""


class NotFoundError(DomainError):
    """The thing does not exist, or the caller may not know that it does."""

    def __init__(self, kind: str, identifier: str, message: str = "") -> None:
        super().__init__(message or f"{kind} {identifier} could not be found.")
        self.kind = kind
        self.identifier = identifier


class ConflictError(DomainError):
    """The request is right, but not in this state."""


class InUseError(ConflictError):
    """Others need the thing: it stays until each of the blockers is gone (row H145)."""

    def __init__(self, message: str, blockers: Sequence[Blocker]) -> None:
        super().__init__(message)
        self.blockers = tuple(blockers)


class ForbiddenError(DomainError):
    """The caller's roles do not allow the action."""

    def __init__(self, action: str, needed: Sequence[str] = ()) -> None:
        roles = f" It needs the role {' or '.join(needed)}." if needed else ""
        super().__init__(f"Not allowed: {action}.{roles}")
        self.action = action
        self.needed = tuple(needed)
        """One of these roles would do."""


class UnauthenticatedError(DomainError):
    """No valid token or password came with the request."""


class QuotaExceededError(ConflictError):
    """The project has no room for more of this kind."""

    def __init__(self, resource: str, limit: int) -> None:
        super().__init__(f"Quota exceeded for resources: ['{resource}'] (limit {limit}).")
        self.resource = resource
        self.limit = limit


class QuotaBelowUsageError(InvalidRequestError):
    """The new limit is less than what the project has."""

    def __init__(self, resource: str, limit: int, used: int) -> None:
        super().__init__(
            resource,
            f"Quota limit {limit} for {resource} must be greater than or equal to already used "
            f"{used}",
        )
        self.limit = limit
        self.used = used


class PreconditionFailedError(DomainError):
    """`If-Match` named another revision than the current one."""

    def __init__(self, identifier: str, revision: int) -> None:
        super().__init__(f"{identifier} has revision {revision}, not the one of the request.")
        self.identifier = identifier
        self.revision = revision


class UnavailableError(DomainError):
    """Something that the answer needs is away for now; the same request may succeed later.

    The details are for the log: they name hosts and files of ours.
    """

    def __init__(self, details: str) -> None:
        super().__init__("The service cannot reach its database now. Try again later.")
        self.details = details
