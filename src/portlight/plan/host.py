"""The whole of one host, as values keyed by what the kernel knows them by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from portlight.plan.classifier import Classifier
from portlight.plan.mirror import MirrorSourcePlan, MirrorWayPlan, WayKey
from portlight.plan.routers import (
    FloatingIpPlan,
    PeeringPlan,
    PublicAddressKey,
    PublicAddressPlan,
    RouteKey,
    RoutePlan,
    RouterPlan,
    UplinkPlan,
)
from portlight.plan.shortcuts import (
    RouterLegKey,
    ShortcutKey,
    ShortcutPlan,
    StationKey,
    StationPlan,
    VirtualMacKey,
)
from portlight.values.addresses import IpAddress, IpPrefix, MacAddress
from portlight.values.ids import InstanceId, PortId


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpOption:
    """One DHCP option: `name` is a number or a dnsmasq option name, `value` as dnsmasq takes it."""

    name: str
    value: str
    ip_version: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpSubnet:
    """A subnet that the network's DHCP server answers for."""

    cidr: IpPrefix
    gateway_ip: IpAddress | None = None
    dns_nameservers: tuple[IpAddress, ...] = ()
    host_routes: tuple[tuple[IpPrefix, IpAddress], ...] = ()
    ipv6_mode: str | None = None
    """`slaac`, `dhcpv6-stateful`, `dhcpv6-stateless`; None: guests learn no IPv6 address here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpHost:
    """A port that the DHCP server answers. Bound to the port, never to the clock."""

    port_number: int
    mac: MacAddress
    hostname: str
    """What the guest is told that it is called."""
    addresses: tuple[IpAddress, ...]
    options: tuple[DhcpOption, ...] = ()
    names: tuple[tuple[IpAddress, str], ...] = ()
    """How each address is called in the domain; a name that ends with a dot is a whole one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpPlan:
    """The DHCP, DNS and RA server of one network, with an interface of its own on the bridge."""

    port_number: int
    mac: MacAddress
    addresses: tuple[tuple[IpAddress, int], ...]
    """Each own address with its prefix length."""
    subnets: tuple[DhcpSubnet, ...]
    hosts: tuple[DhcpHost, ...]
    """Sorted by port number."""
    mtu: int = 1500
    domain: str = ""
    """What guests put behind names without a dot; empty: nothing."""
    advertises: bool = True
    """Whether router advertisements come from here: no router does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePlan:
    """The bridge of one network; its key is the network's number."""

    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """The link of one port into its instance; its key is the port's number."""

    port_id: PortId
    network: int
    """Network number, which names the bridge."""
    instance: InstanceId
    guest_ifname: str
    """`eth0` for device index 0."""
    mac: MacAddress
    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPlan:
    """How the data plane treats the packets of one port; its key is the port's number."""

    network: int
    scope: int
    """Routing domain in which remote groups are looked up; today the network's number."""
    mac: MacAddress
    mtu: int
    up: bool
    secured: bool
    """Port security: source binding and groups."""
    egress: int
    """Key of a Classifier; 0 matches nothing."""
    ingress: int
    checked: bool = True
    """Source and destination check: it neither sends from nor receives for foreign addresses."""
    mirrored: bool = False
    """It is a key of `HostPlan.mirror_sources`: without it mirroring costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBinding:
    """A source that a port may use: this MAC with an address of this prefix."""

    port: int
    mac: MacAddress
    prefix: IpPrefix


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpMemberPlan:
    """A port that may announce a virtual IP."""

    port: int
    virtual_mac: MacAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpPlan:
    """A virtual IP; its key is (network number, address)."""

    members: tuple[VirtualIpMemberPlan, ...]
    """Sorted by port number."""
    claim_policy: str
    """`latest`, `first`, `priority` or `frozen`."""
    pinned_owner: int = 0
    """Port number, 0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePlan:
    """A guest that must run (or be there, stopped)."""

    hostname: str
    running: bool
    boot: int
    """Restart the guest when it grows."""
    renewals: int = 0
    """Make the guest's DHCP clients renew when it grows."""
    policy_routing: bool = True
    """With several interfaces, the guest routes by source."""
    ports: tuple[int, ...]
    """Port numbers in interface order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """Everything that one host must be. Equal plans mean equal hosts."""

    bridges: Mapping[int, BridgePlan] = field(default_factory=dict)
    links: Mapping[int, LinkPlan] = field(default_factory=dict)
    ports: Mapping[int, PortPlan] = field(default_factory=dict)
    bindings: frozenset[SourceBinding] = frozenset()
    members: Mapping[tuple[int, IpAddress], tuple[int, ...]] = field(default_factory=dict)
    """(scope, address) -> sorted numbers of its groups; only groups that a rule refers to."""
    classifiers: Mapping[int, Classifier] = field(default_factory=dict)
    virtual_ips: Mapping[tuple[int, IpAddress], VirtualIpPlan] = field(default_factory=dict)
    virtual_macs: Mapping[VirtualMacKey, StationKey] = field(default_factory=dict)
    """The virtual IP that a MAC of its own leads to: its owner is the next hop of routers."""
    mirror_sources: Mapping[int, MirrorSourcePlan] = field(default_factory=dict)
    mirror_ways: Mapping[WayKey, MirrorWayPlan] = field(default_factory=dict)
    router_legs: Mapping[RouterLegKey, int] = field(default_factory=dict)
    """The table that packets to a router's MAC follow."""
    shortcuts: Mapping[ShortcutKey, ShortcutPlan] = field(default_factory=dict)
    stations: Mapping[StationKey, StationPlan] = field(default_factory=dict)
    dhcp: Mapping[int, DhcpPlan] = field(default_factory=dict)
    """By network number."""
    instances: Mapping[InstanceId, InstancePlan] = field(default_factory=dict)
    uplinks: Mapping[int, UplinkPlan] = field(default_factory=dict)
    routers: Mapping[int, RouterPlan] = field(default_factory=dict)
    router_revisions: Mapping[int, int] = field(default_factory=dict)
    """Of every router that users made, here or not; the others of `routers` are NAT gateways."""
    peerings: Mapping[int, PeeringPlan] = field(default_factory=dict)
    routes: Mapping[RouteKey, RoutePlan] = field(default_factory=dict)
    public_addresses: Mapping[PublicAddressKey, PublicAddressPlan] = field(default_factory=dict)
    floating_ips: Mapping[int, FloatingIpPlan] = field(default_factory=dict)
