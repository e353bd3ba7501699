"""What a store promises: transactions over entities, addresses, numbers and the change log.

A write transaction sees its own writes, is alone (no other writer's work in between), and is
either wholly kept or wholly gone. What was committed survives the death of the process. A read
transaction sees one moment. A memory and an SQL store pass one contract suite.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from portlight.core.errors import UnavailableError
from portlight.values.addresses import AddressRange, IpAddress
from portlight.values.ids import PortId, ProjectId, SubnetId

E = TypeVar("E")

Where = Mapping[str, Collection[str]]
"""Conditions of a search: an entity has one of the values under every key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The values that a key has among the entities of another kind: a condition by a look-up."""

    kind: type
    key: str
    """A column of its shape, or `id`."""
    where: Where


Alternative = Mapping[str, Collection[str] | Chosen]
"""One of several ways to be found: conditions on keys, with at least one and few values each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How many entities of a counted kind a project has."""

    kind: type
    project_id: ProjectId
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of what a search finds, in the order of the ids."""

    limit: int | None = None
    """At most so many; None: all."""
    after: str | None = None
    """The id after which it begins, in this order; an entity of this id need not be there."""
    descending: bool = False


class AlreadyExistsError(Exception):
    """An entity breaks a uniqueness of its kind, or an address is held by another port.

    The transaction is over with it: there are databases that take no further statement.
    """


class StoreBusyError(UnavailableError):
    """Others did not let this transaction in; nothing of it is kept, and it may be tried again."""


class StoreUnavailableError(UnavailableError):
    """The database went away, or has no room; what was not acknowledged may not be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedChange:
    """An entity that was made, changed or deleted; its present form is read from the store."""

    sequence: int
    kind: str
    """A value of `core.topology.KIND_OF`."""
    id: str


def cut(identifiers: Iterable[str], window: Window | None) -> list[str]:
    """Return the ids of a window, in its order: what every store's `find` means by it."""
    if window is None:
        return sorted(identifiers)
    ordered = sorted(identifiers, reverse=window.descending)
    after = window.after
    if after is not None:
        ordered = [one for one in ordered if (one < after if window.descending else one > after)]
    return ordered if window.limit is None else ordered[: window.limit]


class Reading(Protocol):
    """A moment of the store."""

    def get(self, kind: type[E], identifier: str) -> E | None:
        """Return the entity, or None."""

    def find(
        self,
        kind: type[E],
        where: Where | None = None,
        any_of: Sequence[Alternative] = (),
        window: Window | None = None,
    ) -> list[E]:
        """Return the entities that have one of the values under every key, by id.

        The keys of a kind are those of its shape (`store/shapes.py`), and `id`. With `any_of`, only
        those that also meet at least one of the alternatives; with `window`, only that part.
        """

    def count(self, kind: type[object], where: Where | None = None) -> int:
        """Return how many entities `find` would give."""

    def values(self, kind: type[object], key: str) -> frozenset[str]:
        """Return every value that entities of a kind have under a key of its shape."""

    def used(self, kind: type[object], project_id: ProjectId) -> int:
        """Return how many entities of a counted kind a project has, at the same cost for any."""

    def usages(self, project_id: ProjectId | None = None) -> list[Usage]:
        """Return what a project has of each counted kind, or what every project has."""

    def changes(self, after: int) -> list[LoggedChange]:
        """Return the logged changes after a sequence number, oldest first."""

    def sequence_span(self) -> tuple[int, int]:
        """Return the oldest number after which `changes` is complete, and the newest number."""

    def lowest_free(self, space: str) -> AddressRange | None:
        """Return the free range with the lowest addresses.

        A space is anything that has free ranges of its own: a subnet, by its id, or the free
        prefixes of one length of a subnet pool.
        """

    def free_around(self, space: str, address: IpAddress) -> AddressRange | None:
        """Return the free range with the highest first address that is not above this one."""

    def free_from(self, space: str, address: IpAddress) -> AddressRange | None:
        """Return the free range that starts at exactly this address."""

    def free_ranges(self, space: str) -> Sequence[AddressRange]:
        """Return all free ranges, lowest first."""

    def holders(self, subnet_id: SubnetId) -> Mapping[IpAddress, PortId]:
        """Return who holds which address of a subnet."""

    def count_held(self, subnet_id: SubnetId) -> int:
        """Return how many addresses of a subnet are held."""

    def holder(self, subnet_id: SubnetId, address: IpAddress) -> PortId | None:
        """Return the port that holds the address."""


class Writing(Reading, Protocol):
    """A write transaction."""

    def insert(self, *entities: object) -> None:
        """Add entities at once; raise AlreadyExistsError when one is not unique."""

    def update(self, old: E, new: E, *, logged: bool = True) -> None:
        """Replace an entity; `logged=False` for what hosts reported, which no host waits for."""

    def delete(self, entity: object) -> None:
        """Remove an entity."""

    def next_number(self, sequence: str, count: int = 1) -> int:
        """Take the next `count` numbers of a sequence, which begins at 1; return the first."""

    def hold_addresses(self, subnet_id: SubnetId, holders: Mapping[IpAddress, PortId]) -> None:
        """Note who holds which address; raise AlreadyExistsError when one is held already.

        Ranges stay as they are.
        """

    def drop_address(self, subnet_id: SubnetId, address: IpAddress) -> None:
        """Forget the holder. Ranges stay as they are."""

    def replace_free(
        self, space: str, gone: Iterable[AddressRange], new: Iterable[AddressRange]
    ) -> None:
        """Replace free ranges of a space by others."""

    def prune_changes(self, keep: int) -> None:
        """Forget all but the newest `keep` logged changes."""


class Store(Protocol):
    """Where everything is kept."""

    @property
    def is_near(self) -> bool:
        """Whether a read of a few rows waits for no other process and no network."""

    def reading(self) -> AbstractContextManager[Reading]:
        """Begin a read transaction."""

    def writing(self) -> AbstractContextManager[Writing]:
        """Begin a write transaction: committed at the end, undone by any exception."""

    def close(self) -> None:
        """Let go of files and connections."""
