"""Ports: the network interfaces of guests and of the network's own services."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.meta import Meta
from portlight.values.addresses import IpAddress, IpPrefix, MacAddress
from portlight.values.ids import HostName, NetworkId, PortId, ProjectId, SecurityGroupId, SubnetId

SERVICE_OWNERS = "network:"
"""Prefix of the owners of ports without a guest: servers, virtual IPs, router interfaces."""
OWNER_DHCP = "network:dhcp"
OWNER_VIRTUAL_IP = "network:virtual_ip"
OWNER_ROUTER_INTERFACE = "network:router_interface"
OWNER_ROUTER_GATEWAY = "network:router_gateway"
OWNER_FLOATING_IP = "network:floatingip"
OWNER_NAT_GATEWAY = "network:nat_gateway"
OWNERS_OF_OURS = (
    OWNER_DHCP,
    OWNER_ROUTER_INTERFACE,
    OWNER_ROUTER_GATEWAY,
    OWNER_FLOATING_IP,
    OWNER_NAT_GATEWAY,
)
"""Of ports that only we send from: no guest is behind them, and none ever can be."""
OWNER_INSTANCE = "compute:portlight"


class PortStatus(StrEnum):
    """Whether the host has reported the data path of a port in place."""

    ACTIVE = "ACTIVE"
    BUILD = "BUILD"
    DOWN = "DOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIp:
    """An address of a port, taken from one subnet."""

    subnet_id: SubnetId
    address: IpAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPair:
    """A further source that a port may use: a prefix, and a MAC when it is not the port's own."""

    prefix: IpPrefix
    mac: MacAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredIp:
    """A former fixed address, still allowed (and still held) until the guest renews (row N19)."""

    fixed_ip: FixedIp
    until: float
    """Seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOpening:
    """Why the security of a port is off, and until when (row N9)."""

    reason: str = ""
    since: float
    """Seconds since the epoch, UTC."""
    until: float | None = None
    """When it comes on again by itself; None: never."""
    groups: tuple[SecurityGroupId, ...] = ()
    """Those that the port was in, and will be in again then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraDhcpOption:
    """A DHCP option for one port only (Neutron's `extra_dhcp_opts`)."""

    name: str
    value: str
    ip_version: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A network interface, with or without a guest behind it."""

    id: PortId
    number: int
    """1..2^31-1, unique for ever within a deployment; names the port in the data plane."""
    network_id: NetworkId
    meta: Meta
    mac: MacAddress
    network_owner: ProjectId | None = None
    """The project of the network, when it is another one than the port's."""
    fixed_ips: tuple[FixedIp, ...] = ()
    retired_ips: tuple[RetiredIp, ...] = ()
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    security_groups: tuple[SecurityGroupId, ...] = ()
    """Sorted, without repetition."""
    port_security_enabled: bool = True
    source_destination_check: bool = True
    """Whether it neither sends from nor receives for addresses that are not its own (row N21)."""
    opening: PortOpening | None = None
    """Only while port security is off."""
    admin_state_up: bool = True
    device_id: str = ""
    """The instance (or service) that holds the port; empty when it is free."""
    device_owner: str = ""
    device_index: int | None = None
    """The place among the interfaces of the instance: 0 is eth0."""
    delete_on_termination: bool = False
    extra_dhcp_options: tuple[ExtraDhcpOption, ...] = ()
    propagate_uplink_status: bool = True
    """Kept for clients: a link of ours has no uplink whose state it could follow."""
    binding_profile: str = "{}"
    """What an administrator notes for whoever binds the port; the text of a JSON object."""
    dns_name: str = ""
    """Its name in the network's domain; empty: it is called by its addresses."""
    dns_domain: str = ""
    """That of the network, so that a document of the port needs nothing else."""
    host: HostName | None = None
    status: PortStatus = PortStatus.DOWN
