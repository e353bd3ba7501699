"""What every entity carries: a name, an owner, a revision and its times."""

from dataclasses import dataclass

from portlight.values.ids import ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Common facts of an entity."""

    project_id: ProjectId
    name: str = ""
    description: str = ""
    tags: frozenset[str] = frozenset()
    revision_number: int = 0
    """Grows by one with every change; the value for `If-Match` (row P19)."""
    created_at: float = 0.0
    """Seconds since the epoch, UTC."""
    updated_at: float = 0.0
