"""Driver of bridges: one per network, in the fabric, named by the network's number."""

from collections.abc import Mapping

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.links.fabric import Fabric, FabricLink
from portlight.plan.delta import Delta
from portlight.plan.host import BridgePlan

_WRONG = BridgePlan(mtu=0)
"""Read for a bridge of our name that is down or not as we make it; equals no wanted plan."""


class BridgeDriver:
    """Reads and writes the bridges of the fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    def read(self) -> Mapping[int, BridgePlan]:
        """Return the bridges of ours by network number."""
        names = self._fabric.names
        return {
            number: _bridge_plan(link)
            for link in self._fabric.links().values()
            if (number := names.network_of(link.name)) is not None
        }

    def apply(self, delta: Delta[int, BridgePlan]) -> Mapping[int, Exception]:
        """Make, correct and remove bridges; return the failures by network number."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _put(self, number: int, plan: BridgePlan) -> None:
        netlink, name = self._fabric.netlink, self._fabric.names.bridge(number)
        there = self._fabric.links().get(name)
        if there is not None and there.kind != "bridge":
            netlink.link("del", index=there.index)
            there = None
        if there is None:
            netlink.link("add", ifname=name, kind="bridge")
            there = self._fabric.links()[name]
        netlink.link(
            "set",
            index=there.index,
            kind="bridge",
            br_stp_state=0,
            br_forward_delay=0,
            br_mcast_snooping=0,
        )
        netlink.link("set", index=there.index, mtu=plan.mtu, state="up")

    def _remove(self, number: int) -> None:
        there = self._fabric.links().get(self._fabric.names.bridge(number))
        if there is not None:
            self._fabric.netlink.link("del", index=there.index)


def _bridge_plan(link: FabricLink) -> BridgePlan:
    as_made = (
        link.kind == "bridge"
        and link.up
        and not link.stp
        and not link.forward_delay
        and not link.multicast_snooping
    )
    return BridgePlan(mtu=link.mtu) if as_made else _WRONG
