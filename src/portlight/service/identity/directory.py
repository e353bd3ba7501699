"""One mechanism for what can be listed, shown, made, changed and deleted in identity."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from portlight.core.errors import ConflictError
from portlight.service.identity.token import Token
from portlight.service.identity.work import (
    AnyView,
    IdentityView,
    IdentityWork,
    Where,
    epoch_of,
    raise_epoch,
)
from portlight.service.ids import IdSource
from portlight.service.policy import check_action
from portlight.store.protocol import AlreadyExistsError, Store

ATTEMPTS = 3
ANY: Where = {}

E = TypeVar("E")
D = TypeVar("D")
R = TypeVar("R")


class Registry:
    """Runs use cases of identity, each in one transaction. Thread-safe."""

    def __init__(self, *, store: Store, ids: IdSource, clock: Callable[[], float]) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._lock = threading.Lock()
        self._changes = 0

    @property
    def changes(self) -> int:
        """How often this process changed anything: a cheap sign that memory is old."""
        return self._changes

    def epoch(self) -> int:
        """Return how often any process changed anything."""
        with self._store.reading() as tx:
            return epoch_of(tx)

    def read(self, by: Token, use: Callable[[IdentityView], R]) -> R:
        """Return what a reading use case says."""
        with self._store.reading() as tx:
            return use(IdentityView(tx=tx, by=by))

    def change(self, by: Token, use: Callable[[IdentityWork], R]) -> R:
        """Return what a writing use case says, once it is kept."""
        for _ in range(ATTEMPTS - 1):
            # When someone else took the same thing between two of our looks, look again.
            with suppress(AlreadyExistsError):
                return self._once(by, use)
        try:
            return self._once(by, use)
        except AlreadyExistsError as error:
            raise ConflictError(f"The request lost against another one: {error}") from error

    def _once(self, by: Token, use: Callable[[IdentityWork], R]) -> R:
        with self._store.writing() as tx:
            result = use(IdentityWork(tx=tx, by=by, ids=self._ids, now=self._clock()))
            raise_epoch(tx)
        with self._lock:
            self._changes += 1
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryKind(Generic[E, D]):
    """The use cases of a kind. `load` and `search` say what the holder of a token may know."""

    name: str
    """As in the actions of the policy: `create_<name>`."""
    load: Callable[[AnyView, str], E]
    search: Callable[[AnyView, Where], list[E]]
    create: Callable[[IdentityWork, D], E]
    update: Callable[[IdentityWork, E, D], E]
    delete: Callable[[IdentityWork, E], None]
    prepare: Callable[[D], D] = lambda draft: draft
    """What takes too long for a transaction."""


class Directory(Generic[E, D]):
    """Every entity of a kind that the holder of a token may know."""

    def __init__(self, registry: Registry, kind: DirectoryKind[E, D]) -> None:
        self._registry = registry
        self._kind = kind

    def get(self, by: Token, identifier: str) -> E:
        """Return it; raise NotFoundError when the holder may not know it."""
        return self._registry.read(by, lambda view: self._kind.load(view, identifier))

    def find(self, by: Token, where: Where = ANY) -> list[E]:
        """Return those that the holder may know."""
        return self._registry.read(by, lambda view: self._kind.search(view, where))

    def create(self, by: Token, draft: D) -> E:
        """Make one; raise NameTakenError when there is one of that name."""
        check_action(by, f"create_{self._kind.name}")
        ready = self._kind.prepare(draft)
        return self._registry.change(by, lambda work: self._kind.create(work, ready))

    def update(self, by: Token, identifier: str, draft: D) -> E:
        """Change what the draft names."""
        check_action(by, f"update_{self._kind.name}")
        ready = self._kind.prepare(draft)
        return self._registry.change(
            by, lambda work: self._kind.update(work, self._kind.load(work, identifier), ready)
        )

    def delete(self, by: Token, identifier: str) -> None:
        """Remove it, and end what stands on it."""
        check_action(by, f"delete_{self._kind.name}")
        self._registry.change(
            by, lambda work: self._kind.delete(work, self._kind.load(work, identifier))
        )
