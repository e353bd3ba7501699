"""The difference between what is wanted and what is there, and the order of applying it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta(Generic[K, V]):
    """What to put and what to remove; applying it makes actual equal to desired."""

    put: Mapping[K, V]
    remove: frozenset[K]

    def __bool__(self) -> bool:
        return bool(self.put or self.remove)


def delta(desired: Mapping[K, V], actual: Mapping[K, V]) -> Delta[K, V]:
    """Return the smallest change that makes `actual` equal to `desired`."""
    missing = object()
    return Delta(
        put={key: value for key, value in desired.items() if actual.get(key, missing) != value},
        remove=frozenset(key for key in actual if key not in desired),
    )


APPLY_ORDER = (
    "classifiers",
    "members",
    "bindings",
    "ports",
    "virtual_ips",
    "bridges",
    "links",
    "dhcp",
    "instances",
)
"""Policy first, links last: a link that comes up finds its rules. Removal goes backwards."""
