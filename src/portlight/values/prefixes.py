"""Sets of prefixes of one family. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from portlight.values.addresses import IpAddress, IpPrefix


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixSet:
    """Prefixes of one family, rising, none within another. `prefix_set` makes it so."""

    prefixes: tuple[IpPrefix, ...] = field(repr=False, compare=False)
    digest: bytes = field(init=False)
    """Of the content: it stands for the prefixes, so that comparing costs the same for 10,000."""
    spans: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)
    """First and last address of each prefix, as numbers."""

    def __post_init__(self) -> None:
        sizes = [1 << length for length in range(self.prefixes[0].max_prefixlen, -1, -1)]
        firsts = [int(prefix.network_address) for prefix in self.prefixes]
        spans = [
            (first, first + sizes[prefix.prefixlen] - 1)
            for first, prefix in zip(firsts, self.prefixes, strict=True)
        ]
        digest = hashlib.blake2b(repr((len(sizes), spans)).encode(), digest_size=16).digest()
        object.__setattr__(self, "digest", digest)
        object.__setattr__(self, "spans", tuple(spans))

    def __contains__(self, address: IpAddress) -> bool:
        return any(address in prefix for prefix in self.prefixes)

    def __str__(self) -> str:
        first, more = self.prefixes[0], len(self.prefixes) - 1
        return f"{first}+{more}#{self.digest.hex()}" if more else str(first)


def prefix_set(prefixes: Iterable[IpPrefix]) -> PrefixSet | None:
    """Return the set of the prefixes, which are of one family; None when there is none."""
    rising = sorted(
        (int(prefix.network_address), prefix.prefixlen, prefix.max_prefixlen, prefix)
        for prefix in prefixes
    )
    kept: list[IpPrefix] = []
    end = 0
    for first, length, width, prefix in rising:
        if kept and first < end:
            continue  # within the one before: prefixes never overlap in part
        kept.append(prefix)
        end = first + (1 << width - length)
    return PrefixSet(prefixes=tuple(kept)) if kept else None
