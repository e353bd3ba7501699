"""Drivers of links: veth pairs between the fabric and the guests' namespaces.

The order inside `apply` is the safety: pair made (both ends down), programs attached, bridge
joined, label written last. Who dies in between leaves a link without label, which is down and is
made anew. `GateDriver` sets a host end up, after the port's entry is written.
"""

import errno
from collections.abc import Mapping
from dataclasses import replace

from pyroute2.netlink.exceptions import NetlinkError

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.links.fabric import Fabric, FabricLink
from portlight.dataplane.links.programs import ProgramHooks
from portlight.dataplane.links.values import VethLink, parse_label
from portlight.dataplane.namespaces import create_namespace
from portlight.dataplane.netlink import BoundedNetNS
from portlight.plan.delta import Delta
from portlight.values.addresses import MacAddress

_UNKNOWN = VethLink(network=0, namespace="", ifname="", mac=MacAddress(0), mtu=0, intact=False)
"""Read for a link of our name without a label: half made, or made by somebody else."""


class LinkDriver:
    """Reads and writes the links of all ports of this host, by port number."""

    def __init__(self, fabric: Fabric, hooks: ProgramHooks) -> None:
        self._fabric = fabric
        self._hooks = hooks

    def read(self) -> Mapping[int, VethLink]:
        """Return the links that are there; `intact` is False where one needs repair."""
        return {number: self._veth_link(link) for number, link in self._ours()}

    def indexes(self) -> Mapping[int, int]:
        """Return the interface index of each host end by port number."""
        return {number: link.index for number, link in self._ours()}

    def apply(self, delta: Delta[int, VethLink]) -> Mapping[int, Exception]:
        """Make, repair and remove links; return the failures by port number."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _ours(self) -> list[tuple[int, FabricLink]]:
        port_of = self._fabric.names.port_of
        return [
            (number, link)
            for link in self._fabric.links().values()
            if (number := port_of(link.name)) is not None
        ]

    def _veth_link(self, link: FabricLink) -> VethLink:
        labelled = parse_label(link.label)
        if labelled is None or link.kind != "veth":
            return _UNKNOWN
        bridge = self._fabric.links().get(self._fabric.names.bridge(labelled.network))
        whole = (
            bridge is not None
            and link.master == bridge.index
            and link.mtu == labelled.mtu
            and self._hooks.attached(link.index)
        )
        return labelled if whole else replace(labelled, intact=False)

    def _put(self, number: int, wanted: VethLink) -> None:
        there = self._there(number)
        if there is not None and not wanted.same_pair(parse_label(there.label)):
            self._remove(number)
            there = None
        if there is None:
            self._make_pair(number, wanted)
            there = self._fabric.links()[self._fabric.names.port(number)]
            self._hooks.attach(there.index, is_new=True)
        else:
            self._repair(there, wanted)
        self._finish(there, wanted)

    def _repair(self, there: FabricLink, wanted: VethLink) -> None:
        if there.mtu != wanted.mtu:
            self._set_guest_mtu(wanted)
        if not self._hooks.attached(there.index):
            self._hooks.attach(there.index)

    def _make_pair(self, number: int, wanted: VethLink) -> None:
        """Make both ends in one request, so that no half of a pair is ever left somewhere."""
        create_namespace(wanted.namespace)
        self._fabric.netlink.link(
            "add",
            ifname=self._fabric.names.port(number),
            kind="veth",
            mtu=wanted.mtu,
            peer={
                "ifname": wanted.ifname,
                "address": str(wanted.mac),
                "mtu": wanted.mtu,
                "net_ns_fd": wanted.namespace,
            },
        )

    def _finish(self, there: FabricLink, wanted: VethLink) -> None:
        netlink = self._fabric.netlink
        bridge = self._fabric.links().get(self._fabric.names.bridge(wanted.network))
        if bridge is None:
            raise LookupError(f"network {wanted.network} has no bridge yet")
        netlink.link("set", index=there.index, mtu=wanted.mtu, master=bridge.index)
        netlink.link("set", index=there.index, ifalias=wanted.label)

    def _set_guest_mtu(self, wanted: VethLink) -> None:
        with BoundedNetNS(wanted.namespace, flags=0) as inside:
            index = inside.link_lookup(ifname=wanted.ifname)
            inside.link("set", index=index[0], mtu=wanted.mtu)

    def _remove(self, number: int) -> None:
        there = self._there(number)
        if there is None:
            return
        try:
            self._fabric.netlink.link("del", index=there.index)
        except NetlinkError as error:
            # The guest's namespace ended in between, and its link with it.
            if error.code != errno.ENODEV:
                raise

    def _there(self, number: int) -> FabricLink | None:
        return self._fabric.links().get(self._fabric.names.port(number))


class GateDriver:
    """Sets host ends up: a port that is in the mapping (as True) has its gate open."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    def read(self) -> Mapping[int, bool]:
        """Return True for each host end that is up, by port number."""
        port_of = self._fabric.names.port_of
        return {
            number: True
            for link in self._fabric.links().values()
            if link.up and (number := port_of(link.name)) is not None
        }

    def apply(self, delta: Delta[int, bool]) -> Mapping[int, Exception]:
        """Open and shut gates; return the failures by port number."""
        return attempt_delta(delta, put=self._open, remove=self._shut)

    def _open(self, number: int, _is_open: bool) -> None:  # noqa: FBT001 -- a driver's signature
        link = self._fabric.links().get(self._fabric.names.port(number))
        if link is None:
            raise LookupError(f"port {number} has no link")
        self._fabric.netlink.link("set", index=link.index, state="up")

    def _shut(self, number: int) -> None:
        link = self._fabric.links().get(self._fabric.names.port(number))
        if link is not None:
            self._fabric.netlink.link("set", index=link.index, state="down")
