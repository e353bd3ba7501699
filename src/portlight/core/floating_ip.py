"""Public addresses, what they lead to, and who held them. Meaning: docs/design/routing.md, 4."""

from dataclasses import dataclass

from portlight.core.meta import Meta
from portlight.core.router import PathStatus
from portlight.values.addresses import IpAddress
from portlight.values.ids import (
    AddressUseId,
    FloatingIpId,
    NetworkId,
    PortForwardingId,
    PortId,
    ProjectId,
    RouterId,
)
from portlight.values.ranges import PortRange


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIp:
    """An address of an external network that stands for an address of a port."""

    id: FloatingIpId
    number: int
    """1..2^31-1, unique for ever within a deployment."""
    meta: Meta
    floating_network_id: NetworkId
    address: IpAddress
    floating_port_id: PortId
    """The port (owner `network:floatingip`) that keeps the address from others."""
    port_id: PortId | None = None
    """Whose address it stands for; also the port of a virtual IP. None: free."""
    fixed_ip_address: IpAddress | None = None
    """Which of the port's addresses; set exactly when `port_id` is."""
    router_id: RouterId | None = None
    """The router that translates; set when it is associated or has forwardings."""
    label: str = ""
    delete_protection: bool = False
    draining_router_id: RouterId | None = None
    """The router through which flows of before go on, after the address was taken off."""
    drains: bool = False
    """Whether flows that were there go on after it was taken off or moved (else they are cut)."""
    cuts: int = 0
    """Grows when the flows of the address must end; hosts cut when they see it grow."""
    status: PathStatus = PathStatus.DOWN
    """DOWN while it leads nowhere, BUILD until the host says that it leads where it shall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortForwarding:
    """Ports of a floating IP that is not associated, led to ports of a guest."""

    id: PortForwardingId
    meta: Meta
    floating_ip_id: FloatingIpId
    protocol: int
    """6 or 17."""
    external_ports: PortRange
    internal_ports: PortRange
    """As many as outside, or one for all of them."""
    internal_port_id: PortId
    internal_address: IpAddress

    def internal_port(self, place: int) -> int:
        """Return where the external port at this place (from 0) leads."""
        return self.internal_ports.first + (place if len(self.internal_ports) > 1 else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressUse:
    """A time in which a project held a public address, all of it in use or all of it idle."""

    id: AddressUseId
    floating_ip_id: FloatingIpId
    address: IpAddress
    project_id: ProjectId
    allocated_from: float
    """When the project got the address; in seconds since the epoch, UTC, as are the others."""
    since: float
    until: float | None = None
    """None: it lasts."""
    in_use: bool = False
