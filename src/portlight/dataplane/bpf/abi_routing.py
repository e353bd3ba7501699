"""The records of routing without the router; see `abi`."""

from dataclasses import dataclass
from typing import ClassVar

SHORTCUT_BITS = 32
"""Of a `ShortcutKey` before its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterLeg:
    """A value of `router_legs`; the key is a ForwardingKey."""

    FORMAT: ClassVar[str] = "=I"
    table: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortcutKey:
    """A key of `routed`."""

    FORMAT: ClassVar[str] = "=II16s"
    prefixlen: int
    table: int
    address: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """A value of `routed`."""

    FORMAT: ClassVar[str] = "=I6s2x16s"
    network: int
    router_mac: bytes
    hop: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A value of `stations`; the key is a VirtualIpKey."""

    FORMAT: ClassVar[str] = "=I6s2x"
    ifindex: int
    mac: bytes
