"""What every rendered resource carries, and batched look-ups for rendering."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from portlight.api.wire import Json, timestamp
from portlight.core.meta import Meta
from portlight.service.caller import Caller
from portlight.service.collection import C, Collection, D, I
from portlight.service.sharing import O

E = TypeVar("E")

_MAX_LISTED_IDS = 500


def render_standard(identifier: str, meta: Meta) -> Json:
    """Render the attributes that every resource has."""
    return {
        "id": identifier,
        "name": meta.name,
        "description": meta.description,
        "project_id": meta.project_id,
        "tenant_id": meta.project_id,
        "tags": sorted(meta.tags),
        "revision_number": meta.revision_number,
        "created_at": timestamp(meta.created_at),
        "updated_at": timestamp(meta.updated_at),
    }


def related(
    collection: Collection[O, I, D, C], caller: Caller, key: str, ids: Sequence[str]
) -> list[O]:
    """Return what belongs to these ids in one look-up; perhaps more, when the ids are many."""
    if not ids:
        return []
    where = {key: list(ids)} if len(ids) <= _MAX_LISTED_IDS else {}
    return collection.find(caller, where)


def grouped(entities: Iterable[E], owner: Callable[[E], str]) -> dict[str, list[E]]:
    """Group entities by the id of their owner."""
    groups: dict[str, list[E]] = {}
    for entity in entities:
        groups.setdefault(owner(entity), []).append(entity)
    return groups
