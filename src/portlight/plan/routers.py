"""The routers of one host: namespaces, what is in them, and how they reach the host itself."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from portlight.values.addresses import IpAddress, IpPrefix, MacAddress

RouteKey = tuple[int, int, IpPrefix]
"""Router number, table, destination."""
PublicAddressKey = tuple[int, IPv4Address]
"""Number of the router that answers for it, and the address."""

OUTSIDE_TABLE = 1
"""The way out through the gateway, for what has a public address of its own."""
INSIDE_TABLE = 2
"""The router's own subnets and nothing else."""
NOWHERE_TABLE = 3
"""Everything leads to the unreachable device."""
FIRST_TABLE = 1000
"""A route table of number n is table FIRST_TABLE + n."""
UNREACHABLE = "unreachable"
"""A device of every router: what is routed there has no route, and its sender is told so."""
BLACKHOLE = "blackhole"
"""The other end: what is routed there vanishes. Both are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertisedPrefix:
    """An IPv6 subnet in the router's advertisements."""

    cidr: IpPrefix
    mode: str
    """`slaac`, `dhcpv6-stateful`, `dhcpv6-stateless`."""
    dns_nameservers: tuple[IpAddress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LegPlan:
    """An interface of a router in the bridge of a network."""

    port_number: int
    network: int
    ifname: str
    """Inside the router's namespace."""
    mac: MacAddress
    mtu: int
    addresses: tuple[tuple[IpAddress, int], ...]
    """Each with its prefix length."""
    up: bool = True
    is_outside: bool = False
    """On an external network."""
    advertised: tuple[AdvertisedPrefix, ...] = ()
    """What router advertisements say here; nothing: there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePlan:
    """Which table the packets from an interface follow; the lowest priority is asked first."""

    priority: int
    version: int
    """4 or 6."""
    table: int
    ifname: str = ""
    """Where they came in; empty: anywhere."""
    source: IpPrefix | None = None
    is_marked: bool = False
    """Only packets that have a way out of their own (a public address)."""
    only_specific: bool = False
    """A route to everything does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterPlan:
    """One router; its key is its number."""

    legs: tuple[LegPlan, ...]
    """Sorted by port number."""
    rules: tuple[RulePlan, ...]
    """Sorted by version, priority and what they match."""
    peers: tuple[str, ...] = ()
    """Sorted names of its ends of peerings."""
    snat: IPv4Address | None = None
    """The source of what leaves by the gateway without a public address of its own."""
    public: IPv4Address | None = None
    """The gateway's address: the source of what is turned around, with and without `snat`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeeringPlan:
    """A link between two routers; its key is the peering's number."""

    routers: tuple[int, int]
    """The requester's first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HopPlan:
    """Where packets go next."""

    ifname: str
    address: IpAddress | None = None
    """None: the destination itself is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan:
    """One route; its key is a RouteKey."""

    hops: tuple[HopPlan, ...] = ()
    """Several: by flow. None: a blackhole."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ForwardingPlan:
    """One port of a public address that leads to a port of a private one."""

    protocol: int
    external_port: int
    address: IPv4Address
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicAddressPlan:
    """A public address that a router answers for; its key is a PublicAddressKey."""

    ifname: str
    """The leg on the external network."""
    private: IPv4Address | None = None
    """What it stands for."""
    forwardings: frozenset[ForwardingPlan] = frozenset()
    cuts: int = 0
    """Established flows end when it grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIpPlan:
    """By which a floating IP is in place; its key is the floating IP's number."""

    key: PublicAddressKey | None
    """None: its router has nothing to do on this host."""
    revision: int
    """Of the floating IP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkPlan:
    """A link from a network's bridge to the host itself; its key is the network's number."""

    mtu: int
    addresses: tuple[tuple[IpAddress, int], ...]
    """Of the host's end, each with its prefix length."""


def leg_ifname(port_number: int) -> str:
    """Return what a router's interface is called inside it."""
    return f"p{port_number}"


def leg_number(ifname: str) -> int | None:
    """Return the port number of a router's interface; None for anything else in it."""
    digits = ifname.removeprefix("p")
    return int(digits) if digits != ifname and digits.isdecimal() else None


def peer_ifname(peering_number: int) -> str:
    """Return what an end of a peering is called inside the router."""
    return f"peer{peering_number}"


def peer_mac(peering_number: int, side: int) -> MacAddress:
    """Return the MAC of one end of a peering: side 0 is the requester's, 1 the other's."""
    return MacAddress(0x02_50_00_00_00_00 + (peering_number << 1) + side)
