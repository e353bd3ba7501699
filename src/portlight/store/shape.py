"""What a shape is: how one kind of entity is kept and found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Key = Callable[[Any], str | None]
Keys = Callable[[Any], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one kind of entity is kept."""

    table: str
    identifier: Callable[[Any], str] = lambda entity: entity.id
    columns: Mapping[str, Key] = field(default_factory=dict)
    """Keys with at most one value: indexed columns."""
    lookups: Mapping[str, Keys] = field(default_factory=dict)
    """Keys with several values: rows of the table `lookups`."""
    unique: tuple[tuple[str, ...], ...] = ()
    """Columns that no two entities share (those with a missing value do)."""
    is_counted: bool = False
    """Whether the store keeps count of what each project has of it (key `project_id`)."""
