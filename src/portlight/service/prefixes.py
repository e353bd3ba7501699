"""Giving out prefixes of subnet pools and taking them back, in the transaction of whoever asks.

The free prefixes of a pool are kept compact (`core/prefixes.py`), those of each length as a space
of their own among the free ranges. So each step touches at most two rows for each length there is,
however many subnets the pool has.
"""

from portlight.core.errors_subnet_pool import NoFreePrefixError
from portlight.core.prefixes import ancestors, first_part, rest, sibling
from portlight.core.subnet_pool import SubnetPool
from portlight.store.protocol import Reading, Writing
from portlight.values.addresses import AddressRange, IpPrefix, parse_prefix
from portlight.values.ids import SubnetPoolId


def open_pool(tx: Writing, pool: SubnetPool) -> None:
    """Make every prefix of a new pool free."""
    for prefix in pool.prefixes:
        _put(tx, pool.id, prefix)


def close_pool(tx: Writing, pool: SubnetPool) -> None:
    """Forget a pool of which nothing is taken."""
    for prefix in pool.prefixes:
        _drop(tx, pool.id, prefix)


def take_any(tx: Writing, pool: SubnetPool, length: int) -> IpPrefix:
    """Take the first prefix of this length from the smallest free one that holds such.

    Raise NoFreePrefixError when none does.
    """
    widest = min((prefix.prefixlen for prefix in pool.prefixes), default=length + 1)
    for present in range(length, widest - 1, -1):
        free = tx.lowest_free(_space(pool.id, present))
        if free is not None:
            whole = parse_prefix(f"{free.first}/{present}")
            taken = first_part(whole, length)
            _cut(tx, pool.id, whole, taken)
            return taken
    raise NoFreePrefixError(pool.id, length)


def take_exact(tx: Writing, pool: SubnetPool, prefix: IpPrefix) -> None:
    """Take this very prefix; raise NoFreePrefixError when some of it is not free in the pool."""
    for whole in ancestors(prefix):
        if _is_free(tx, pool.id, whole):
            _cut(tx, pool.id, whole, prefix)
            return
    raise NoFreePrefixError(pool.id, prefix)


def give(tx: Writing, pool_id: SubnetPoolId, prefix: IpPrefix) -> None:
    """Make a prefix free; it becomes one with its free neighbours."""
    whole = prefix
    while whole.prefixlen and _is_free(tx, pool_id, sibling(whole)):
        _drop(tx, pool_id, sibling(whole))
        whole = whole.supernet()
    _put(tx, pool_id, whole)


def _cut(tx: Writing, pool_id: SubnetPoolId, whole: IpPrefix, taken: IpPrefix) -> None:
    _drop(tx, pool_id, whole)
    for part in rest(whole, taken):
        _put(tx, pool_id, part)


def _is_free(tx: Reading, pool_id: SubnetPoolId, prefix: IpPrefix) -> bool:
    return tx.free_from(_space(pool_id, prefix.prefixlen), prefix.network_address) is not None


def _put(tx: Writing, pool_id: SubnetPoolId, prefix: IpPrefix) -> None:
    tx.replace_free(_space(pool_id, prefix.prefixlen), (), (_range(prefix),))


def _drop(tx: Writing, pool_id: SubnetPoolId, prefix: IpPrefix) -> None:
    tx.replace_free(_space(pool_id, prefix.prefixlen), (_range(prefix),), ())


def _space(pool_id: SubnetPoolId, length: int) -> str:
    return f"{pool_id}/{length}"


def _range(prefix: IpPrefix) -> AddressRange:
    return AddressRange(first=prefix.network_address, last=prefix.broadcast_address)
