"""The same rules for every firewall: many that do not match the load, and two that do, last."""

from collections.abc import Iterator
from dataclasses import dataclass

GUESTS = "192.168.77.0/24"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowRule:
    """Allow ingress from a prefix to a range of destination ports."""

    protocol: str
    prefix: str
    first_port: int
    last_port: int


def allow_rules(count: int) -> tuple[AllowRule, ...]:
    """Return `count` ingress rules; only the last two match what the guests send.

    The others differ in prefix, prefix length, protocol and port, as the rules of many tenants do.
    """
    if count < 2:
        raise ValueError("the load itself needs two rules")
    return (
        *_others(count - 2),
        AllowRule(protocol="udp", prefix=GUESTS, first_port=1024, last_port=65535),
        AllowRule(protocol="tcp", prefix=GUESTS, first_port=1024, last_port=65535),
    )


def _others(count: int) -> Iterator[AllowRule]:
    lengths = (24, 28, 32, 20)
    for number in range(count):
        length = lengths[number % len(lengths)]
        base = (10 << 24 | number << 8) & ~((1 << 32 - length) - 1) & 0xFFFFFFFF
        port = 1024 + number * 7 % 60000
        yield AllowRule(
            protocol="tcp" if number % 3 else "udp",
            prefix=f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/{length}",
            first_port=port,
            last_port=port + (number % 5) * 10,
        )
