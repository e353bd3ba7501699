"""Where a packet of a port comes out when it is sent to its subnet's gateway.

Read off what the sender's program may route by itself (compiler/shortcuts.py): what only the router
can decide has no answer here.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from portlight.compiler.legs import inside_leg
from portlight.compiler.shortcuts import HostShortcuts
from portlight.compiler.view import HostView
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.plan.shortcuts import ShortcutPlan
from portlight.values.addresses import MacAddress
from portlight.values.ids import RouterId, SubnetId


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOutside:
    """How a packet is given to the router that is a subnet's gateway."""

    port_number: int
    """Of the router's interface."""
    mac: MacAddress
    mtu: int
    """Of its network and of the external network behind the router, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysOut:
    """Questions about the routers of one host."""

    view: HostView
    shortcuts: HostShortcuts

    def of(
        self, network: Network, subnet: SubnetId, destination: IPv4Address
    ) -> ShortcutPlan | None:
        """Return the network where it comes out, and the router's MAC there; None: not known."""
        port = self._gateway_of(network, subnet)
        table = self.shortcuts.legs.get((network.number, port.mac)) if port is not None else None
        if table is None:
            return None
        for length in range(destination.max_prefixlen, -1, -1):
            prefix = IPv4Network((destination, length), strict=False)
            found = self.shortcuts.shortcuts.get((table, prefix))
            if found is not None:
                return found if found.network else None
        return None

    def outside(self, network: Network, subnet: SubnetId, to: IPv4Address) -> WayOutside | None:
        """Return the way to an address that the router leads to, if it is no floating IP.

        What a floating IP stands for may be copied itself: its copies would come round for ever.
        """
        port = self._gateway_of(network, subnet)
        if port is None or self.view.floating_ips_at(to):
            return None
        leg = inside_leg(self.view, port)
        gateway = self.view.routers[RouterId(port.device_id)].gateway
        beyond = self.view.networks.get(gateway.network_id) if gateway is not None else None
        mtu = min(leg.mtu, beyond.mtu) if beyond is not None else leg.mtu
        return WayOutside(port_number=port.number, mac=leg.mac, mtu=mtu) if leg.up else None

    def _gateway_of(self, network: Network, subnet: SubnetId) -> Port | None:
        gateway = self.view.topology.subnets[subnet].gateway_ip
        for interface in self.view.routers_in(network.id):
            if any(one.address == gateway for one in interface.fixed_ips):
                return interface
        return None
