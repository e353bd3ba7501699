"""What is routed without asking the router: between networks of one router, on this host.

A table here is a route table as far as its own networks go: the router itself decides everything
that these values leave open (docs/design/routing.md, section 2).
"""

from dataclasses import dataclass

from portlight.values.addresses import IpAddress, IpPrefix, MacAddress

RouterLegKey = tuple[int, MacAddress]
"""Network number, and the MAC of a router in that network."""
ShortcutKey = tuple[int, IpPrefix]
"""Table and destination; the longest prefix counts."""
VirtualMacKey = tuple[int, MacAddress]
"""Network number, and the MAC that a virtual IP has of its own."""
StationKey = tuple[int, IpAddress]
"""Network number and address."""
NO_MAC = MacAddress(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortcutPlan:
    """Where packets to a prefix come out."""

    network: int = 0
    """0: the router decides."""
    router_mac: MacAddress = NO_MAC
    """The router's own in that network."""
    hop: IpAddress | None = None
    """A virtual IP of that network whose owner is the next hop; None: the destination is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationPlan:
    """Who has an address of a network."""

    port: int
    """Port number, on this host."""
    mac: MacAddress
