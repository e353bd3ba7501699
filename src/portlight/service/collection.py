"""One mechanism for the use cases that every kind has: create, get, find, update, delete.

A `Kind` is a row of facts about one kind of entity; a `Collection` runs its use cases, each in one
transaction. Verbs that only one kind has (attach, move, ...) stay beside it in `Cloud`.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Values
from dataclasses import dataclass
from typing import Generic, TypeVar

from portlight.service.caller import Caller
from portlight.service.policy import check_action
from portlight.service.sharing import O
from portlight.service.transactions import Transactions
from portlight.service.work import Work, check_revision, load, search
from portlight.store.protocol import Window

I = TypeVar("I", bound=str)  # noqa: E741 -- an identifier, beside O
D = TypeVar("D")
C = TypeVar("C")

Where = Mapping[str, Values[str]]
ANY: Where = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[O, I, D, C]):
    """The use cases of a kind: entity, identifier, draft to create, draft to change."""

    entity: type[O]
    name: str
    """As in the actions of the policy: `get_<name>`."""
    create: Callable[[Work, Sequence[D]], list[O]]
    """All or none."""
    update: Callable[[Work, I, C, int | None], O]
    delete: Callable[[Work, I], None]


def one_by_one(create: Callable[[Work, D], O]) -> Callable[[Work, Sequence[D]], list[O]]:
    """Return the creation of several from that of one."""
    return lambda work, drafts: [create(work, draft) for draft in drafts]


class Collection(Generic[O, I, D, C]):
    """Every entity of a kind that a caller may see. Thread-safe."""

    def __init__(self, do: Transactions, kind: Kind[O, I, D, C]) -> None:
        self._do = do
        self._kind = kind

    def create(self, caller: Caller, draft: D) -> O:
        """Make one."""
        return self.create_many(caller, [draft])[0]

    def create_many(self, caller: Caller, drafts: Sequence[D]) -> list[O]:
        """Make several, all or none."""
        return self._do.run(caller, lambda work: self._create(work, drafts))

    def get(self, caller: Caller, identifier: I) -> O:
        """Return it; raise NotFoundError when the caller may not see it."""
        check_action(caller, f"get_{self._kind.name}")
        return self._do.view(caller, lambda view: load(view, self._kind.entity, identifier))

    def find(self, caller: Caller, where: Where = ANY, window: Window | None = None) -> list[O]:
        """Return those that the caller may see, by time of creation; a window of them by id.

        `where`: the keys of the kind's shape (`store/shapes.py`), each with the values it may have.
        """
        check_action(caller, f"get_{self._kind.name}")
        return self._do.view(caller, lambda view: search(view, self._kind.entity, where, window))

    def update(
        self, caller: Caller, identifier: I, change: C, *, if_revision: int | None = None
    ) -> O:
        """Change what the draft names, if the entity still has this revision."""
        return self._do.run(
            caller, lambda work: self._kind.update(work, identifier, change, if_revision)
        )

    def delete(self, caller: Caller, identifier: I, *, if_revision: int | None = None) -> None:
        """Remove it; raise a ConflictError that names its users when it has some."""

        def delete(work: Work) -> None:
            if if_revision is not None:
                present = load(work, self._kind.entity, identifier)
                check_revision(present, identifier, if_revision)
            self._kind.delete(work, identifier)

        self._do.run(caller, delete)

    def _create(self, work: Work, drafts: Sequence[D]) -> list[O]:
        made = self._kind.create(work, drafts)
        work.claims.update((self._kind.entity, entity.meta.project_id) for entity in made)
        return made
