"""The server's changes, and the topology that they make. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from portlight.core.codec import decode_entity
from portlight.core.topology import KIND_OF, Entity, Topology
from portlight.plan.delta import Delta, edition_of

_CLASS_OF: Mapping[str, type[Entity]] = {kind: one for one, kind in KIND_OF.items()}
_GONE = b"null"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entity as it is now; `entity` None: it is gone."""

    kind: str
    id: str
    entity: Entity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the server says happened."""

    sequence: int
    snapshot: bool
    """The changes are all entities that there are."""
    changes: tuple[Change, ...]


class _WireChange(msgspec.Struct):
    kind: str
    id: str
    entity: msgspec.Raw


class _WireBatch(msgspec.Struct):
    sequence: int
    snapshot: bool
    changes: list[_WireChange]


def parse_batch(raw: bytes) -> Batch:
    """Read the answer of the change stream; raise msgspec.ValidationError when it is none.

    Kinds that this agent does not know are left out: the server may be newer.
    """
    wire = msgspec.json.decode(raw, type=_WireBatch)
    return Batch(
        sequence=wire.sequence,
        snapshot=wire.snapshot,
        changes=tuple(
            Change(kind=one.kind, id=one.id, entity=_entity(one))
            for one in wire.changes
            if one.kind in _CLASS_OF
        ),
    )


def apply_batch(topology: Topology, batch: Batch) -> Topology:
    """Return the topology after the batch. Mappings without a change stay the same objects."""
    if batch.snapshot:
        topology = Topology()
    latest: dict[str, dict[str, Entity | None]] = {}
    for change in batch.changes:
        latest.setdefault(change.kind, {})[change.id] = change.entity
    tables: dict[str, Any] = {
        kind: _next_edition(getattr(topology, kind), entities) for kind, entities in latest.items()
    }
    return replace(topology, **tables)


def _next_edition(
    table: Mapping[Any, Entity], latest: Mapping[str, Entity | None]
) -> Mapping[Any, Entity]:
    news = {key: entity for key, entity in latest.items() if table.get(key) != entity}
    change: Delta[Any, Entity] = Delta(
        put={key: entity for key, entity in news.items() if entity is not None},
        remove=frozenset(key for key, entity in news.items() if entity is None),
    )
    return edition_of(table).with_change(change)


def _entity(change: _WireChange) -> Entity | None:
    raw = bytes(change.entity)
    return None if raw == _GONE else decode_entity(_CLASS_OF[change.kind], raw)
