"""Where a packet of a port comes out when it is sent to its subnet's gateway.

Read off what the sender's program may route by itself (compiler/shortcuts.py), and off the routes
across peerings: whatever else only the router can decide has no answer here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from portlight.compiler.legs import inside_leg
from portlight.compiler.routers import HostRouters
from portlight.compiler.shortcuts import HostShortcuts
from portlight.compiler.view import HostView
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.plan.routers import peer_ifname
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


def compile_ways_out(view: HostView, shortcuts: HostShortcuts, routing: HostRouters) -> "WaysOut":
    """Return who can be asked about the routers of this host."""
    peers: dict[int, dict[str, int]] = {}
    for number, peering in routing.peerings.items():
        one, other = peering.routers
        peers.setdefault(one, {})[peer_ifname(number)] = other
        peers.setdefault(other, {})[peer_ifname(number)] = one
    return WaysOut(view=view, shortcuts=shortcuts, routing=routing, peers=peers)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysOut:
    """Questions about the routers of one host."""

    view: HostView
    shortcuts: HostShortcuts
    routing: HostRouters
    peers: Mapping[int, Mapping[str, int]]
    """By router number: the ends of its peerings, and the number of the router at the other end."""

    def of(
        self, network: Network, subnet: SubnetId, destination: IPv4Address
    ) -> ShortcutPlan | None:
        """Return the network where it comes out, and the router's MAC there; None: not known."""
        table = self._table_of(network, self._gateway_of(network, subnet))
        if table is None:
            return None
        for prefix in self._prefixes(destination):
            found = self.shortcuts.shortcuts.get((table, prefix))
            if found is not None:
                return found if found.network and found.hop is None else None
        return None

    def across(
        self, network: Network, subnet: SubnetId, to: IPv4Address, beyond: Network
    ) -> WayOutside | None:
        """Return the way to an address in a network of a peer of the subnet's router."""
        port = self._gateway_of(network, subnet)
        table = self._table_of(network, port)
        if port is None or table is None:
            return None
        number = self.view.routers[RouterId(port.device_id)].number
        routes = (self.routing.routes.get((number, table, prefix)) for prefix in self._prefixes(to))
        route = next((one for one in routes if one is not None), None)
        hops = {hop.ifname for hop in route.hops} if route is not None else set()
        behind = {self.peers.get(number, {}).get(ifname) for ifname in hops}
        if not behind or not behind <= self._routers_of(beyond):
            return None
        leg = inside_leg(self.view, port)
        return WayOutside(port_number=port.number, mac=leg.mac, mtu=min(leg.mtu, beyond.mtu))

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

    def _table_of(self, network: Network, gateway: Port | None) -> int | None:
        """Return the table that packets to a gateway follow, if it is the same for all of them."""
        if gateway is None:
            return None
        return self.shortcuts.legs.get((network.number, gateway.mac))

    def _prefixes(self, address: IPv4Address) -> tuple[IPv4Network, ...]:
        return self.view.memo.recall(("prefixes", address), _prefixes, address)

    def _routers_of(self, network: Network) -> set[int | None]:
        return {
            self.view.routers[RouterId(port.device_id)].number
            for port in self.view.routers_in(network.id)
        }

    def _gateway_of(self, network: Network, subnet: SubnetId) -> Port | None:
        gateway = self.view.topology.subnets[subnet].gateway_ip
        for interface in self.view.routers_in(network.id):
            if any(one.address == gateway for one in interface.fixed_ips):
                return interface
        return None


def _prefixes(address: IPv4Address) -> tuple[IPv4Network, ...]:
    """Return every prefix that holds an address, the longest first."""
    lengths = range(address.max_prefixlen, -1, -1)
    return tuple(IPv4Network((address, length), strict=False) for length in lengths)
