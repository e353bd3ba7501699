"""Plain veth and Linux bridge, no rules: the line that enforcement is compared with."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.pair import Pair, add_bridge, wired


@contextmanager
def bridge_pair(prefix: str, rules: int) -> Iterator[Pair]:  # noqa: ARG001 - one shape for all peers
    """Yield a pair on a bridge; it has no rules, whatever was asked for."""
    with wired("bridge", prefix) as wiring:
        add_bridge(wiring)
        yield wiring.pair
