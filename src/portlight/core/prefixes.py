"""Arithmetic on sets of prefixes, and on the free prefixes of a pool.

Pure. A set is *compact* when it is sorted and disjoint and no two of its prefixes make up a third.
The free prefixes of a pool are kept compact: so each free prefix lies within one of them.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from portlight.values.addresses import IpPrefix


def compact(prefixes: Iterable[IpPrefix]) -> tuple[IpPrefix, ...]:
    """Return the compact set of the same addresses; all prefixes are of one family."""
    known = list(prefixes)
    if not all(isinstance(prefix, IPv4Network) for prefix in known):
        return tuple(collapse_addresses([p for p in known if isinstance(p, IPv6Network)]))
    return tuple(collapse_addresses([p for p in known if isinstance(p, IPv4Network)]))


def common(some: Iterable[IpPrefix], others: Iterable[IpPrefix]) -> tuple[IpPrefix, ...]:
    """Return what two sets of one family share."""
    against = tuple(others)
    return compact(
        min(one, other, key=lambda prefix: -prefix.prefixlen)
        for one in some
        for other in against
        if one.overlaps(other)
    )


def difference(some: Iterable[IpPrefix], gone: Iterable[IpPrefix]) -> tuple[IpPrefix, ...]:
    """Return what is left of a set without another one of the same family."""
    left = list(some)
    for prefix in gone:
        left = [part for one in left for part in _without(one, prefix)]
    return compact(left)


def ancestors(prefix: IpPrefix) -> Iterator[IpPrefix]:
    """Yield the prefix itself and every prefix that holds it, the longest first."""
    yield prefix
    for length in range(prefix.prefixlen - 1, -1, -1):
        yield prefix.supernet(new_prefix=length)


def sibling(prefix: IpPrefix) -> IpPrefix:
    """Return the other half of the prefix that holds it; not for length 0."""
    halves: tuple[IpPrefix, ...] = tuple(prefix.supernet().subnets())
    return halves[1] if halves[0] == prefix else halves[0]


def rest(whole: IpPrefix, taken: IpPrefix) -> tuple[IpPrefix, ...]:
    """Return what is left of a free prefix when a part of it is taken: one of each length."""
    return tuple(sibling(part) for part in ancestors(taken) if whole.prefixlen < part.prefixlen)


def first_part(whole: IpPrefix, length: int) -> IpPrefix:
    """Return the first prefix of this length within another one."""
    parts: Iterator[IpPrefix] = whole.subnets(new_prefix=length)
    return next(parts)


def _without(one: IpPrefix, gone: IpPrefix) -> Iterator[IpPrefix]:
    if not one.overlaps(gone):
        yield one
    elif one.prefixlen < gone.prefixlen:
        yield from rest(one, gone)
