"""A number for the content of a map, whatever its order: equal contents have equal numbers.

So that a look at 10,000 entries needs no Python object for each. It guards against changes by
others, not against forgers: who can write our maps needs no collision.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MODULUS = 1 << 64


class ContentDigest:
    """Digests entries of one map; sizes of keys and values are multiples of 4 bytes."""

    def __init__(self, key_bytes: int, value_bytes: int) -> None:
        self._key_words, self._value_words = key_bytes // 4, value_bytes // 4
        odd = np.random.default_rng(0).integers(
            1 << 63, size=self._key_words + self._value_words, dtype=np.uint64
        )
        self._weights = odd * np.uint64(2) + np.uint64(1)

    def of_joined(self, keys: bytes, values: bytes, count: int) -> int:
        """Return the digest of entries whose keys and values are each joined, 0 for none."""
        if not count:
            return 0
        mixed = self._weighted(keys, self._weights[: self._key_words], count)
        mixed += self._weighted(values, self._weights[self._key_words :], count)
        # Entries are mixed before they are added up: two that swap their values differ.
        mixed ^= mixed >> np.uint64(29)
        mixed *= _MULTIPLIER
        mixed ^= mixed >> np.uint64(32)
        return int(mixed.sum(dtype=np.uint64))

    def of(self, entries: Mapping[bytes, bytes]) -> int:
        """Return the digest of entries."""
        return self.of_joined(b"".join(entries), b"".join(entries.values()), len(entries))

    @staticmethod
    def total(*digests: int) -> int:
        """Add up digests; subtract one by giving its negative."""
        return sum(digests) % _MODULUS

    @staticmethod
    def _weighted(raw: bytes, weights: Words, count: int) -> Words:
        words = np.frombuffer(raw, dtype=np.uint32).reshape(count, len(weights))
        weighted: Words = words.astype(np.uint64) @ weights
        return weighted
