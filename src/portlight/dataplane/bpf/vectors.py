"""Bit vectors over rules; each distinct block and vector of a dimension is stored once.

Pure. A vector has one bit per rule of a family, cut into blocks of 512 bits (one image element).
Its record is a summary (bit i: block i is not empty) and the element number of every block.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ELEMENT_BYTES = 64
BLOCK_BITS = 512
BLOCK_SHIFT = 9
MAX_BLOCKS = 64
"""Bits of a summary."""
WORD_BYTES = 8
_WORDS = ELEMENT_BYTES // WORD_BYTES
_WORD_BITS = 64
_ODD = np.uint64(0x9E3779B97F4A7C15)

Words = NDArray[np.uint64]
Numbers = NDArray[np.int64]


class VectorPool:
    """Blocks and records of one image; grows while the image is built."""

    def __init__(self, *, first_block: int) -> None:
        self.empty_block = first_block
        """Element number of the block without any rule."""
        self._blocks = [np.zeros((1, _WORDS), dtype=np.uint64)]
        self._next_block = first_block + 1
        self._records: list[Words] = []
        self._next_word = 0

    @property
    def block_elements(self) -> int:
        """How many elements the blocks take."""
        return self._next_block - self.empty_block

    def add_blocks(self, rows: Words) -> NDArray[np.uint32]:
        """Store the rows of eight words; return the element number of each."""
        firsts, inverse = _distinct(rows)
        self._blocks.append(rows[firsts])
        elements = self._next_block + inverse
        self._next_block += len(firsts)
        elements[~rows.any(axis=1)] = self.empty_block
        return elements.astype(np.uint32)

    def add_records(self, rows: Words) -> Numbers:
        """Store records; return the place of each in words from the start of all records."""
        firsts, inverse = _distinct(rows)
        self._records.append(rows[firsts].reshape(-1))
        places: Numbers = self._next_word + inverse * rows.shape[1]
        self._next_word += len(firsts) * rows.shape[1]
        return places

    def encode_blocks(self) -> bytes:
        """Return all blocks in the order of their element numbers."""
        return np.concatenate(self._blocks).tobytes()

    def encode_records(self) -> bytes:
        """Return all records, each a whole number of words."""
        return b"".join([rows.tobytes() for rows in self._records])


@dataclass(frozen=True, slots=True, kw_only=True)
class Toggles:
    """At its step, the bits enter a block of the vector or, those that are there, leave it."""

    steps: Numbers
    blocks: Numbers
    bits: Words


def toggles_of(steps: Numbers, places: Numbers, holders: Sequence[Sequence[int]] | None) -> Toggles:
    """Return the toggles of all rules of `holders[place]` (of the rule `place`) at each step.

    The rules of a place take one toggle for each block, so a thousand rules with the same ranges
    cost little more than one.
    """
    if holders is None:
        bits = np.zeros((len(places), _WORDS), dtype=np.uint64)
        bits[np.arange(len(places)), _word(places)] = _mask(places)
        return Toggles(steps=steps, blocks=places >> BLOCK_SHIFT, bits=bits)
    sizes = np.array([len(held) for held in holders], dtype=np.int64)
    rules = np.array([rule for held in holders for rule in held], dtype=np.int64)
    owners = np.repeat(np.arange(len(holders)), sizes)
    kinds, rows = np.unique(owners * MAX_BLOCKS + (rules >> BLOCK_SHIFT), return_inverse=True)
    bits = np.zeros((len(kinds), _WORDS), dtype=np.uint64)
    np.bitwise_or.at(bits, (rows, _word(rules)), _mask(rules))
    begins = np.searchsorted(kinds, np.arange(len(holders) + 1) * MAX_BLOCKS)
    counts = np.diff(begins)[places]
    # Row by row: where a place's rows begin, and how far into them.
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    taken = np.repeat(begins[places], counts) + within
    return Toggles(
        steps=np.repeat(steps, counts), blocks=kinds[taken] % MAX_BLOCKS, bits=bits[taken]
    )


def sweep(
    pool: VectorPool, *, rules: int, always: Numbers, toggles: Toggles, steps: int
) -> Numbers:
    """Return the place of the vector's record at each step from 0 to `steps - 1`.

    The vector begins with the rules `always`.
    """
    count = -(-rules // BLOCK_BITS)
    begin = _bits_of(always, count)
    changed = _changes(toggles, begin)
    contents = pool.add_blocks(np.concatenate((begin, changed.contents)))
    elements = np.tile(contents[:count], (steps, 1))
    edges = np.flatnonzero(np.diff(changed.indexes)) + 1
    for part in np.split(np.arange(len(changed.indexes)), edges):
        if not len(part):
            continue
        # Each content holds until the next one comes; before the first one, that of the begin.
        at = changed.steps[part]
        spans = np.diff(np.append(at, steps))
        elements[at[0] :, changed.indexes[part[0]]] = np.repeat(contents[count + part], spans)
    return pool.add_records(_records(elements, pool.empty_block))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What blocks become: ordered by block, then by step."""

    indexes: Numbers
    steps: Numbers
    contents: Words


def _changes(toggles: Toggles, begin: Words) -> _Changes:
    order = np.argsort((toggles.blocks << 32) + toggles.steps)
    steps, indexes = toggles.steps[order], toggles.blocks[order]
    bits = np.concatenate((np.zeros((1, _WORDS), dtype=np.uint64), toggles.bits[order]))
    # Toggles add up over all blocks; what the blocks before have left behind is taken out again.
    sums = np.bitwise_xor.accumulate(bits, axis=0)
    begins = np.flatnonzero(np.append([True], indexes[1:] != indexes[:-1])[: len(steps)])
    before = np.repeat(sums[begins], np.diff(np.append(begins, len(steps))), axis=0)
    contents = sums[1:] ^ before ^ begin[indexes]
    is_last = np.ones(len(steps), dtype=bool)
    is_last[:-1] = (indexes[1:] != indexes[:-1]) | (steps[1:] != steps[:-1])
    return _Changes(indexes=indexes[is_last], steps=steps[is_last], contents=contents[is_last])


def _bits_of(rules: Numbers, count: int) -> Words:
    """Return `count` blocks in which just these rules are set."""
    bits = np.zeros((count, _WORDS), dtype=np.uint64)
    np.bitwise_or.at(bits, (rules >> BLOCK_SHIFT, _word(rules)), _mask(rules))
    return bits


def _word(rules: Numbers) -> Numbers:
    return (rules & BLOCK_BITS - 1) // _WORD_BITS


def _mask(rules: Numbers) -> Words:
    return np.left_shift(np.uint64(1), (rules % _WORD_BITS).astype(np.uint64))


def _records(elements: NDArray[np.uint32], empty: int) -> Words:
    """Return a record for each row of block elements: summary, elements, filler."""
    steps, count = elements.shape
    rows = np.zeros((steps, 2 + count + (count & 1)), dtype=np.uint32)
    summary = np.zeros((steps, MAX_BLOCKS), dtype=bool)
    summary[:, :count] = elements != empty
    rows[:, :2] = np.packbits(summary, axis=1, bitorder="little").view(np.uint32)
    rows[:, 2 : 2 + count] = elements
    return rows.view(np.uint64)


def _distinct(rows: Words) -> tuple[Numbers, Numbers]:
    """Return the index of one row of each kind, and for each row the place of its kind in it.

    Rows are told apart by a 64-bit mix of their words; the check after it makes this exact.
    """
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for word in rows.T:
        # Twice over, since a product carries a word's high bits nowhere.
        spread = word * _ODD
        spread ^= spread >> np.uint64(32)
        mixed = (mixed ^ spread) * _ODD
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed)
    in_order = mixed[order]
    is_first = np.append([True], in_order[1:] != in_order[:-1])
    firsts = order[is_first]
    inverse = np.empty(len(rows), dtype=np.int64)
    inverse[order] = np.cumsum(is_first) - 1
    if not np.array_equal(rows[firsts][inverse], rows):
        _, firsts, found = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        inverse = found.reshape(-1)
    return firsts, inverse
