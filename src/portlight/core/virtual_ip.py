"""Virtual IPs: an address that several ports may hold, one at a time (rows N23-N32, X1-X3)."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.meta import Meta
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.ids import NetworkId, PortId, SubnetId, VirtualIpId

HISTORY_LENGTH = 100
RECENT_CLAIMS = 32


class ClaimPolicy(StrEnum):
    """Who owns the address when a second member announces it."""

    LATEST = "latest"
    """The newest announcement wins (what ARP does)."""
    FIRST = "first"
    """The owner keeps it for as long as it goes on announcing."""
    PRIORITY = "priority"
    """The higher VRRP priority wins; announcements without one lose against it."""
    FROZEN = "frozen"
    """Only the API moves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpMember:
    """A port that may hold the address."""

    port_id: PortId
    virtual_router_id: int | None = None
    """When set, the member may also send from the VRRP virtual MAC of this group (row P15)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIp:
    """A reserved address with its members. It is a member of no security group (row N32)."""

    id: VirtualIpId
    meta: Meta
    network_id: NetworkId
    subnet_id: SubnetId
    port_id: PortId
    """The port (device owner `network:virtual_ip`) that keeps the address from others."""
    address: IpAddress
    members: tuple[VirtualIpMember, ...] = ()
    """Sorted by port id."""
    claim_policy: ClaimPolicy = ClaimPolicy.LATEST
    pinned_owner: PortId | None = None
    """The owner set by API; with `frozen` it is the only possible one."""


class AnnouncementKind(StrEnum):
    """What told us who owns the address."""

    ARP = "arp"
    NEIGHBOUR_ADVERTISEMENT = "neighbour_advertisement"
    VRRP = "vrrp"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One claim of a member, as a host saw it."""

    port_id: PortId
    mac: MacAddress
    kind: AnnouncementKind
    accepted: bool
    """Whether the data plane let it take the address."""
    at: float
    """Seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpMove:
    """One change of owner."""

    at: float
    """Seconds since the epoch, UTC."""
    from_port_id: PortId | None
    to_port_id: PortId
    mac: MacAddress
    kind: AnnouncementKind


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpState:
    """What the hosts have seen of a virtual IP. Observed, never desired."""

    virtual_ip_id: VirtualIpId
    owner_port_id: PortId | None = None
    owner_mac: MacAddress | None = None
    last_announced_at: float | None = None
    split_brain: bool = False
    split_brain_since: float | None = None
    contenders: tuple[PortId, ...] = ()
    moves: tuple[VirtualIpMove, ...] = ()
    """Newest last, at most HISTORY_LENGTH."""
    recent: tuple[Announcement, ...] = ()
    """The latest claims that moved it or were refused, newest last: at most RECENT_CLAIMS."""
