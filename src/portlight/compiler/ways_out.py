"""Where a packet of a port comes out when it is sent to its subnet's gateway.

Read off what the sender's program may route by itself (compiler/shortcuts.py): what only the router
can decide has no answer here.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from portlight.compiler.shortcuts import HostShortcuts
from portlight.compiler.view import HostView
from portlight.core.network import Network
from portlight.plan.shortcuts import RouterLegKey, ShortcutPlan
from portlight.values.ids import SubnetId


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysOut:
    """Questions about the routers of one host."""

    view: HostView
    shortcuts: HostShortcuts

    def of(
        self, network: Network, subnet: SubnetId, destination: IPv4Address
    ) -> ShortcutPlan | None:
        """Return the network where it comes out, and the router's MAC there; None: not known."""
        leg = self._gateway_of(network, subnet)
        table = self.shortcuts.legs.get(leg) if leg is not None else None
        if table is None:
            return None
        for length in range(destination.max_prefixlen, -1, -1):
            prefix = IPv4Network((destination, length), strict=False)
            found = self.shortcuts.shortcuts.get((table, prefix))
            if found is not None:
                return found if found.network else None
        return None

    def _gateway_of(self, network: Network, subnet: SubnetId) -> RouterLegKey | None:
        gateway = self.view.topology.subnets[subnet].gateway_ip
        for interface in self.view.routers_in(network.id):
            if any(one.address == gateway for one in interface.fixed_ips):
                return network.number, interface.mac
        return None
