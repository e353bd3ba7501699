"""Documents of entities, remembered where nothing but the entity decides what is in them."""

from collections.abc import Callable, Sequence
from typing import Generic, cast

from portlight.api.wire import Json
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.sharing import O
from portlight.store.shapes import shape_of

KEPT_DOCUMENTS = 20_000
"""A port's takes some 2 kB."""


class Documents(Generic[O]):
    """Renders the entities of one kind. Thread-safe: each step is one of a dictionary.

    Never wrong: a document is remembered with the very entity that it shows, and entities do not
    change. Nobody may change a document either.
    """

    def __init__(
        self, render: Callable[[Cloud, Caller, Sequence[O]], list[Json]], *, is_kept: bool
    ) -> None:
        self._render = render
        self._is_kept = is_kept
        self._known: dict[tuple[str, bool], tuple[O, Json]] = {}

    def of(self, cloud: Cloud, caller: Caller, entities: Sequence[O]) -> list[Json]:
        """Return the documents of these entities, as this caller may see them."""
        if not self._is_kept or not entities:
            return self._render(cloud, caller, entities)
        identifier = shape_of(entities[0]).identifier
        keys = [(identifier(entity), caller.is_admin) for entity in entities]
        documents = [
            known[1] if known is not None and known[0] is entity else None
            for entity, known in zip(entities, map(self._known.get, keys), strict=True)
        ]
        missing = [place for place, document in enumerate(documents) if document is None]
        if len(self._known) + len(missing) > KEPT_DOCUMENTS:
            self._known.clear()
        rendered = self._render(cloud, caller, [entities[place] for place in missing])
        for place, document in zip(missing, rendered, strict=True):
            documents[place] = document
            self._known[keys[place]] = (entities[place], document)
        return cast("list[Json]", documents)
