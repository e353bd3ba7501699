"""Bridges of networks, and the links of ports into their instances."""

from portlight.compiler.view import HostView
from portlight.plan.host import BridgePlan, LinkPlan


def compile_bridges(view: HostView) -> dict[int, BridgePlan]:
    """Return one bridge for each network with a port on this host."""
    return {network.number: BridgePlan(mtu=network.mtu) for network in view.networks.values()}


def compile_links(view: HostView) -> dict[int, LinkPlan]:
    """Return one link for each port of an instance of this host."""
    return {
        port.number: LinkPlan(
            port_id=port.id,
            network=view.networks[port.network_id].number,
            instance=instance,
            guest_ifname=f"eth{port.device_index}",
            mac=port.mac,
            mtu=view.networks[port.network_id].mtu,
        )
        for instance, ports in view.ports.items()
        for port in ports
    }
