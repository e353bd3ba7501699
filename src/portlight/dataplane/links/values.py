"""What the drivers of links read and write. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from portlight.dataplane.names import HostNames
from portlight.plan.host import HostPlan
from portlight.values.addresses import MacAddress, parse_mac

DHCP_IFNAME = "dhcp0"
_LABEL = re.compile(r"portlight1 n=(\d+) ns=(\S+) if=(\S+) mac=(\S+) mtu=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class VethLink:
    """A veth pair: host end on the network's bridge, guest end in a namespace.

    Its key is the port number.
    """

    network: int
    namespace: str
    ifname: str
    """Name of the guest end inside its namespace."""
    mac: MacAddress
    """Of the guest end."""
    mtu: int
    intact: bool = True
    """False when something of it was found missing: bridge, programs, size. Never wanted."""

    @property
    def label(self) -> str:
        """The text on the host end (ifalias) from which a fresh agent reads the link."""
        return (
            f"portlight1 n={self.network} ns={self.namespace} if={self.ifname} "
            f"mac={self.mac} mtu={self.mtu}"
        )

    def same_pair(self, other: "VethLink | None") -> bool:
        """Whether the other link is this one up to things that can be changed in place."""
        return other is not None and replace(other, mtu=self.mtu, intact=self.intact) == self


def parse_label(text: str) -> VethLink | None:
    """Read a link's label; None for a text that is none."""
    match = _LABEL.fullmatch(text)
    if not match:
        return None
    network, namespace, ifname, mac, mtu = match.groups()
    return VethLink(
        network=int(network), namespace=namespace, ifname=ifname, mac=parse_mac(mac), mtu=int(mtu)
    )


def veth_links(plan: HostPlan, names: HostNames) -> Mapping[int, VethLink]:
    """Return every link of a plan: those of instances, DHCP servers and routers."""
    guests = {
        number: VethLink(
            network=link.network,
            namespace=names.instance(link.instance),
            ifname=link.guest_ifname,
            mac=link.mac,
            mtu=link.mtu,
        )
        for number, link in plan.links.items()
    }
    servers = {
        server.port_number: VethLink(
            network=network,
            namespace=names.dhcp(network),
            ifname=DHCP_IFNAME,
            mac=server.mac,
            mtu=server.mtu,
        )
        for network, server in plan.dhcp.items()
    }
    legs = {
        leg.port_number: VethLink(
            network=leg.network,
            namespace=names.router(number),
            ifname=leg.ifname,
            mac=leg.mac,
            mtu=leg.mtu,
        )
        for number, router in plan.routers.items()
        for leg in router.legs
    }
    return guests | servers | legs
