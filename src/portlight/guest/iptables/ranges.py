"""Sets of whole numbers as sorted, disjoint, non-touching ranges.

Pure. What a field of a packet may be is such a set: addresses, ports, flags, states.
"""

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]
"""Each with its first and its last number."""


def ranges(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Return the set that these ranges make up."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(pairs):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def contains(numbers: Ranges, number: int) -> bool:
    """Return whether a number is in the set."""
    return any(first <= number <= last for first, last in numbers)


def complement(numbers: Ranges, last_of_all: int) -> Ranges:
    """Return what is not in the set, of 0 to `last_of_all`."""
    found: list[tuple[int, int]] = []
    start = 0
    for first, last in numbers:
        if start < first:
            found.append((start, first - 1))
        start = last + 1
    if start <= last_of_all:
        found.append((start, last_of_all))
    return tuple(found)


def intersection(one: Ranges, other: Ranges) -> Ranges:
    """Return what is in both sets."""
    return ranges(
        (max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) <= min(b, d)
    )


def difference(one: Ranges, other: Ranges) -> Ranges:
    """Return what is in the first set only."""
    if not one:
        return ()
    return intersection(one, complement(other, max(last for _, last in one)))
