"""Entities that were read before: the same document is not decoded again.

Never wrong, whoever else writes: an entity is remembered with its document, and used only for that.
"""

from typing import TypeVar, cast

from portlight.core.codec import decode_entity

E = TypeVar("E")

REMEMBERED_ENTITIES = 20_000
"""A port with its document takes some 3 kB."""


class DecodedEntities:
    """The entities decoded last, of every kind. Thread-safe: each step is one of a dictionary."""

    def __init__(self, limit: int = REMEMBERED_ENTITIES) -> None:
        self._limit = limit
        self._known: dict[tuple[type, str], tuple[str, object]] = {}

    def entity(self, kind: type[E], identifier: str, document: str) -> E:
        """Return the entity of a document."""
        known = self._known.get((kind, identifier))
        if known is not None and known[0] == document:
            return cast("E", known[1])
        entity = decode_entity(kind, document.encode())
        if len(self._known) >= self._limit:
            # a list longer than the limit would only push out its own beginning
            self._known.clear()
        self._known[kind, identifier] = (document, entity)
        return entity
