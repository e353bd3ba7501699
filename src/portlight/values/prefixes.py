"""Sets of prefixes of one family. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from portlight.values.addresses import IpAddress, IpPrefix


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixSet:
    """Prefixes of one family, rising, none within another. `prefix_set` makes it so."""

    prefixes: tuple[IpPrefix, ...] = field(repr=False, compare=False)
    digest: bytes = field(init=False)
    """Of the content: it stands for the prefixes, so that comparing costs the same for 10,000."""

    def __post_init__(self) -> None:
        size = 4 if isinstance(self.prefixes[0], IPv4Network) else 16
        content = b"".join(
            [
                int(prefix.network_address).to_bytes(size, "big") + bytes((prefix.prefixlen,))
                for prefix in self.prefixes
            ]
        )
        object.__setattr__(self, "digest", hashlib.blake2b(content, digest_size=16).digest())

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
