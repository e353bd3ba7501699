"""One dimension of a classifier: which rules hold for which key.

Pure. Ranges of keys become elementary intervals, each with the vector of the rules that hold in
it, and a static search tree over the interval bounds. The tree is an implicit one (no pointers):
a node is one image element with `fanout - 1` separators; child i of node n is node
`n * fanout + i` of the next level, and below the lowest level it is the interval's number.
A separator is the last key before its child, so that descending is counting `key > separator`.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from portlight.dataplane.bpf.vectors import ELEMENT_BYTES, Numbers, VectorPool, sweep, toggles_of


@dataclass(frozen=True, slots=True)
class KeySpace:
    """What a key is: its width decides how many separators fit into a node."""

    bits: int
    fanout: int

    @property
    def last(self) -> int:
        """The highest key."""
        return (1 << self.bits) - 1

    def encode(self, keys: list[int]) -> bytes:
        """Return the keys in the data plane's own (little-endian) order."""
        if self.fanout == NARROW.fanout:
            return array("I", keys).tobytes()
        return b"".join([key.to_bytes(16, "little") for key in keys])


NARROW = KeySpace(32, 17)
"""IPv4 addresses, group numbers, ports: 16 separators of 4 bytes."""
WIDE = KeySpace(128, 5)
"""IPv6 addresses: 4 separators of 16 bytes (low half first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRanges:
    """For which keys rules hold: three equally long columns. Ranges of one place never overlap."""

    firsts: list[int]
    lasts: list[int]
    places: list[int]
    """The rule of each range, or which of `holders` the range is for."""
    holders: Sequence[Sequence[int]] | None = None
    """Rules that share their ranges."""

    def __bool__(self) -> bool:
        return bool(self.places)

    @property
    def rules(self) -> set[int]:
        """Every rule that has a range."""
        if self.holders is None:
            return set(self.places)
        return {rule for held in self.holders for rule in held}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """Elementary intervals of a key space with the vector of each."""

    space: KeySpace
    bounds: list[int]
    """First key of each interval, rising; the first is 0."""
    records: Numbers
    """Place of each interval's vector record, in words from the start of all records."""


def build_dimension(
    pool: VectorPool, space: KeySpace, ranges: KeyRanges, *, rules: int, always: Sequence[int]
) -> Dimension:
    """Cut the key space at the ranges' ends; `always` are the rules that hold for every key."""
    edges = ranges.firsts + [last + 1 for last in ranges.lasts]
    bounds, steps = _number(edges, space)
    toggled = np.array(ranges.places * 2, dtype=np.int64)
    if bounds[-1] > space.last:
        # What holds to the end of the key space never leaves the vector.
        bounds.pop()
        is_inside = steps < len(bounds)
        steps, toggled = steps[is_inside], toggled[is_inside]
    records = sweep(
        pool,
        rules=rules,
        always=np.array(always, dtype=np.int64),
        toggles=toggles_of(steps, toggled, ranges.holders),
        steps=len(bounds),
    )
    return Dimension(space=space, bounds=bounds, records=records)


def _number(edges: list[int], space: KeySpace) -> tuple[list[int], Numbers]:
    """Return 0 and the distinct edges, rising, and for each edge its place among them."""
    if space is NARROW:
        keys = np.array(edges, dtype=np.int64)
        bounds = np.unique(np.append(keys, 0))
        return bounds.tolist(), np.searchsorted(bounds, keys)
    distinct = sorted({0, *edges})
    place_of = {edge: place for place, edge in enumerate(distinct)}
    return distinct, np.array([place_of[edge] for edge in edges], dtype=np.int64)


def encode_levels(dimension: Dimension) -> list[bytes]:
    """Return the levels of the search tree, the root's first; none for a single interval."""
    space = dimension.space
    separators = [bound - 1 for bound in dimension.bounds]
    stride = 1
    levels: list[bytes] = []
    while stride < len(separators):
        keys = separators[::stride]
        nodes = -(-len(keys) // space.fanout)
        del keys[:: space.fanout]
        keys += [space.last] * (nodes * (space.fanout - 1) - len(keys))
        levels.append(space.encode(keys))
        stride *= space.fanout
    levels.reverse()
    return levels


def encode_records(dimension: Dimension, *, first_word: int) -> bytes:
    """Return the word number of each interval's record, filled up to whole elements."""
    raw = (dimension.records + first_word).astype(np.uint32).tobytes()
    return raw + bytes(-len(raw) % ELEMENT_BYTES)
