"""What every draft has in common: names, owners, revisions.

Pure: identifiers, numbers and the time are arguments.
"""

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from portlight.core.drafts import Unset
from portlight.core.errors import InvalidRequestError
from portlight.core.meta import Meta
from portlight.values.addresses import IpPrefix
from portlight.values.ids import ProjectId

MAX_TEXT = 255
MAX_TAGS = 50

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
        """All tags asked for."""


def given(value: T | Unset, default: T) -> T:
    """Return what the draft says, or the default when it says nothing."""
    return default if isinstance(value, Unset) else value


def required(value: T | Unset, field: str) -> T:
    """Return what the draft says; raise InvalidRequestError when it says nothing."""
    if isinstance(value, Unset):
        raise InvalidRequestError(field, "it is required")
    return value


def required_prefix(value: IpPrefix | Unset, field: str) -> IpPrefix:
    """Do the same for a prefix, whose two families type checkers take for any object there."""
    if isinstance(value, Unset):
        raise InvalidRequestError(field, "it is required")
    return value


def first_meta(draft: Described, birth: Birth) -> Meta:
    """Return the common facts of a new entity."""
    return Meta(
        project_id=birth.project_id,
        name=_text("name", given(draft.name, "")),
        description=_text("description", given(draft.description, "")),
        tags=_tags(given(draft.tags, frozenset())),
        revision_number=1,
        created_at=birth.now,
        updated_at=birth.now,
    )


def next_meta(meta: Meta, draft: Described | None, now: float) -> Meta:
    """Return the common facts after a change; the draft may name, describe and tag anew."""
    risen = replace(meta, revision_number=meta.revision_number + 1, updated_at=now)
    if draft is None:
        return risen
    return replace(
        risen,
        name=_text("name", given(draft.name, meta.name)),
        description=_text("description", given(draft.description, meta.description)),
        tags=_tags(given(draft.tags, meta.tags)),
    )


def check_text(field: str, value: str) -> None:
    """Raise InvalidRequestError when the text is longer than MAX_TEXT characters."""
    if len(value) > MAX_TEXT:
        raise InvalidRequestError(field, f"it is longer than {MAX_TEXT} characters")


def _text(field: str, value: str) -> str:
    check_text(field, value)
    return value


def _tags(tags: frozenset[str]) -> frozenset[str]:
    if len(tags) > MAX_TAGS:
        raise InvalidRequestError("tags", f"more than {MAX_TAGS} of them")
    for tag in tags:
        check_text("tags", tag)
    return tags
