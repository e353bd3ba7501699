"""Bit vectors over rules, each distinct block and each distinct vector stored once.

Pure. A vector has one bit per rule of a family, cut into blocks of 512 bits (one image element).
Its record is a summary (bit i: block i is not empty) and the element number of every block.
"""

import struct
from collections.abc import Iterable, Sequence

ELEMENT_BYTES = 64
BLOCK_BITS = 512
BLOCK_SHIFT = 9
MAX_BLOCKS = 64
"""Bits of a summary."""
WORD_BYTES = 8
_SUMMARY = struct.Struct("<Q")
_ELEMENT = struct.Struct("<I")
_BIT = [1 << place for place in range(BLOCK_BITS)]


class VectorPool:
    """Blocks and records of one image; grows while the image is built."""

    def __init__(self, *, first_block: int) -> None:
        self._first_block = first_block
        self._blocks: dict[int, int] = {0: first_block}
        self._records: dict[bytes, int] = {}
        self._record_bytes = 0

    @property
    def empty_block(self) -> int:
        """Element number of the block without any rule."""
        return self._first_block

    @property
    def block_elements(self) -> int:
        """How many elements the blocks take."""
        return len(self._blocks)

    def block(self, bits: int) -> int:
        """Return the element number of this block, stored now if it is new."""
        known = self._blocks.get(bits)
        if known is None:
            known = self._blocks[bits] = self._first_block + len(self._blocks)
        return known

    def record(self, packed: bytes) -> int:
        """Return the place of this record in 8-byte words from the start of all records."""
        place = self._records.get(packed)
        if place is None:
            place = self._records[packed] = self._record_bytes // WORD_BYTES
            self._record_bytes += len(packed)
        return place

    def encode_blocks(self) -> bytes:
        """Return all blocks in the order of their element numbers."""
        return b"".join([bits.to_bytes(ELEMENT_BYTES, "little") for bits in self._blocks])

    def encode_records(self) -> bytes:
        """Return all records, each a whole number of words."""
        return b"".join(self._records)


class MovingVector:
    """The rules that hold at one point of a dimension, while the point moves over it."""

    def __init__(self, pool: VectorPool, *, rules: int, always: Sequence[int]) -> None:
        count = -(-rules // BLOCK_BITS)
        filler = count & 1
        self._pool = pool
        self._bits = [0] * count
        self._summary = 0
        self._record = bytearray(_SUMMARY.pack(0) + _ELEMENT.pack(pool.empty_block) * count)
        self._record += bytes(filler * _ELEMENT.size)
        self._toggle(always)

    def records(self, steps: Iterable[Sequence[int]]) -> list[int]:
        """Return the place of the vector's record (see `VectorPool.record`) after each step.

        A step enters every rule that was not in the vector, and takes out every one that was. Most
        steps take back exactly what the step before them did (a range ends, and nothing else
        begins or ends inside it or there): then nothing is packed or looked up again.
        """
        places: list[int] = []
        undo: list[tuple[int, int]] = []
        last: Sequence[int] | None = None
        now = before = bytes(self._record)
        place = place_before = self._pool.record(now)
        for rules in steps:
            if rules == last:
                for index, bits in undo:
                    self._bits[index] = bits
                self._record[:] = before
                (self._summary,) = _SUMMARY.unpack_from(before)
                now, before = before, now
                place, place_before, last = place_before, place, None
            else:
                undo, last = self._toggle(rules), rules
                before, now = now, bytes(self._record)
                place_before, place = place, self._pool.record(now)
            places.append(place)
        return places

    def _toggle(self, rules: Sequence[int]) -> list[tuple[int, int]]:
        """Return the blocks that changed, each with its bits before."""
        undo: list[tuple[int, int]] = []
        for index, change in _changes(rules):
            old = self._bits[index]
            undo.append((index, old))
            new = self._bits[index] = old ^ change
            place = _SUMMARY.size + _ELEMENT.size * index
            _ELEMENT.pack_into(self._record, place, self._pool.block(new))
            if not (old and new) and change:
                self._summary ^= 1 << index
                _SUMMARY.pack_into(self._record, 0, self._summary)
        return undo


def _changes(rules: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Return the bits to toggle in each block."""
    if len(rules) == 1:
        rule = rules[0]
        return ((rule >> BLOCK_SHIFT, _BIT[rule & BLOCK_BITS - 1]),)
    changes: dict[int, int] = {}
    for rule in rules:
        index = rule >> BLOCK_SHIFT
        changes[index] = changes.get(index, 0) ^ _BIT[rule & BLOCK_BITS - 1]
    return changes.items()
