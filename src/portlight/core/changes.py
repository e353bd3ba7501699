"""What every draft has in common: names, tags, owners, revisions.

Pure: identifiers, numbers and the time are arguments.
"""

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from portlight.core.drafts import Unset
from portlight.core.errors import InvalidRequestError
from portlight.core.meta import Meta
from portlight.values.ids import ProjectId

MAX_TEXT = 255

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What an entity gets from outside when it is made."""

    id: str
    project_id: ProjectId
    now: float
    """Seconds since the epoch, UTC."""
    number: int = 0
    """For kinds that the data plane knows by number."""


class Described(Protocol):
    """A draft with a name, a description and tags."""

    @property
    def name(self) -> str | Unset:
        """The name asked for."""

    @property
    def description(self) -> str | Unset:
        """The description asked for."""

    @property
    def tags(self) -> frozenset[str] | Unset:
        """The tags asked for."""


def given(value: T | Unset, default: T) -> T:
    """Return what the draft says, or the default when it says nothing."""
    return default if isinstance(value, Unset) else value


def required(value: T | Unset, field: str) -> T:
    """Return what the draft says; raise InvalidRequestError when it says nothing."""
    if isinstance(value, Unset):
        raise InvalidRequestError(field, "it is required")
    return value


def first_meta(draft: Described, birth: Birth) -> Meta:
    """Return the common facts of a new entity."""
    return Meta(
        project_id=birth.project_id,
        name=_text("name", given(draft.name, "")),
        description=_text("description", given(draft.description, "")),
        tags=given(draft.tags, frozenset()),
        revision_number=1,
        created_at=birth.now,
        updated_at=birth.now,
    )


def next_meta(meta: Meta, draft: Described | None, now: float) -> Meta:
    """Return the common facts after a change; the draft may name, describe and tag anew."""
    return replace(
        meta,
        name=meta.name if draft is None else _text("name", given(draft.name, meta.name)),
        description=meta.description
        if draft is None
        else _text("description", given(draft.description, meta.description)),
        tags=meta.tags if draft is None else given(draft.tags, meta.tags),
        revision_number=meta.revision_number + 1,
        updated_at=now,
    )


def check_text(field: str, value: str) -> None:
    """Raise InvalidRequestError when the text is longer than MAX_TEXT characters."""
    if len(value) > MAX_TEXT:
        raise InvalidRequestError(field, f"it is longer than {MAX_TEXT} characters")


def _text(field: str, value: str) -> str:
    check_text(field, value)
    return value
