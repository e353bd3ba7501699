"""What a server's network is at one moment: interfaces, routes, rules, neighbours. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Final

IpAddress = IPv4Address | IPv6Address
IpInterface = IPv4Interface | IPv6Interface
IpNetwork = IPv4Network | IPv6Network
Command = tuple[str, ...]
"""The words of one command of the system."""

FAMILIES: Final = (4, 6)
MAIN_TABLE: Final = 254
LOCAL_TABLE: Final = 255
IPV6_METRIC: Final = 1024
"""What the kernel gives a route of IPv6 that asks for none."""
NO_HOP_KINDS: Final = frozenset({"blackhole", "unreachable", "prohibit"})


class RoutesError(Exception):
    """Something cannot be done, and the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of an interface, with the length of its subnet."""

    value: IpInterface
    scope: str = "global"
    dynamic: bool = False
    """It came from DHCP or a router advertisement: it has an end."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.value.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One network interface of the server."""

    name: str
    index: int = 0
    mac: str = ""
    mtu: int = 1500
    up: bool = True
    """Switched on by the administrator."""
    carrier: bool = True
    """There is something at the other end of the cable."""
    loopback: bool = False
    master: str = ""
    """The bridge or bond that it is part of."""
    addresses: tuple[Address, ...] = ()
    settings: Mapping[str, int] = field(default_factory=dict)
    """Kernel settings by `ipv4/rp_filter`, ...; what counts, so with that of `all` put in."""
    own_settings: Mapping[str, int] = field(default_factory=dict)
    """The same as they are written for this interface alone."""

    def of(self, family: int) -> tuple[Address, ...]:
        """Return the addresses of a family that are seen by others."""
        return tuple(a for a in self.addresses if a.family == family and a.scope == "global")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """Where a route leads: an interface, and the gateway behind it unless it is on the link."""

    interface: str
    gateway: IpAddress | None = None
    onlink: bool = False
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route; a route of IPv4 may have several hops."""

    destination: IpNetwork
    hops: tuple[Hop, ...] = ()
    table: int = MAIN_TABLE
    kind: str = "unicast"
    metric: int = 0
    protocol: int = 3
    """Who made it: a number of rtnetlink, 2 the kernel, 9 a router advertisement, 16 DHCP."""
    scope: str = ""
    source: IpAddress | None = None
    """The address that packets without one get."""
    mtu: int = 0
    """0: that of the interface."""
    dead: bool = False
    """Its interface is down: the kernel does not use it."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.destination.version

    @property
    def is_default(self) -> bool:
        """Whether it leads everywhere."""
        return self.destination.prefixlen == 0

    def by(self, interface: str) -> Hop | None:
        """Return its hop over an interface."""
        return next((hop for hop in self.hops if hop.interface == interface), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of policy routing: which table a packet is looked up in."""

    family: int
    priority: int
    table: int | None = None
    """None: the rule has another action, `goto` or a refusal."""
    source: IpNetwork | None = None
    destination: IpNetwork | None = None
    in_interface: str = ""
    protocol: int = 0
    suppressed_length: int | None = None
    """Routes whose prefix is this short or shorter are not taken."""
    opaque: bool = False
    """It asks for more than addresses and interface, such as a mark: taken as not matching."""
    refuses: bool = False
    """It drops what it matches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """What is known of one neighbour on a link."""

    address: IpAddress
    interface: str
    mac: str = ""
    states: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """A DNS server, and which interface brought it; empty when it is the server's own."""

    address: IpAddress
    interface: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a gateway answered."""

    gateway: IpAddress
    interface: str
    answers: bool
    """To a short packet."""
    answers_long: bool
    """To a packet as long as the MTU, not to be fragmented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole network of a server, read once."""

    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwarding: Mapping[int, bool] = field(default_factory=dict)
    """By family, for the server as a whole."""
    shared_settings: Mapping[str, int] = field(default_factory=dict)
    """Kernel settings of `all`, where the larger of these and an interface's own counts."""
    resolvers: tuple[Resolver, ...] = ()
    virtual_ips: tuple[IpInterface, ...] = ()
    """Addresses that the server holds only while it is the master (keepalived)."""
    probes: tuple[Probe, ...] = ()

    def interface(self, name: str) -> Interface | None:
        """Return an interface by name."""
        return next((one for one in self.interfaces if one.name == name), None)

    def cards(self) -> tuple[Interface, ...]:
        """Return the interfaces that stand for themselves: no loopback, no part of another."""
        return tuple(one for one in self.interfaces if not one.loopback and not one.master)

    def defaults(self, family: int, table: int = MAIN_TABLE) -> tuple[Route, ...]:
        """Return the routes that lead everywhere, in the kernel's order."""
        return tuple(
            route
            for route in self.routes
            if route.family == family
            and route.table == table
            and route.is_default
            and route.kind == "unicast"
        )

    def gateway(self, interface: str, family: int) -> Hop | None:
        """Return the best way everywhere over an interface, in the main table."""
        ways = [r for r in self.defaults(family) if r.by(interface) is not None]
        return min(ways, key=lambda route: route.metric).by(interface) if ways else None
