"""The maps `links` and `forwarding`: how a link's packets are treated, and where a MAC lives.

The plan knows a port by its number, the kernel by the link's interface index; a `PortAttachment`
holds both. A link without entry passes nothing.
"""

import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import Enum

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.bpf.abi import (
    ForwardingEntry,
    ForwardingFlag,
    ForwardingKey,
    PortEntry,
    PortFlag,
    decode_record,
    encode_record,
)
from portlight.dataplane.bpf.maps import BpfMap
from portlight.plan.delta import Delta
from portlight.plan.host import HostPlan, PortPlan
from portlight.values.addresses import MacAddress


class Service(Enum):
    """What of ours has a port: it may send what guests must not."""

    DHCP = ForwardingFlag.DHCP
    ROUTER = ForwardingFlag.ROUTER


@dataclass(frozen=True, slots=True, kw_only=True)
class PortAttachment:
    """A port on its link; its key is the port's number."""

    plan: PortPlan
    ifindex: int
    """Of the link's host end."""
    is_veth: bool = True
    """Frames may go straight into the guest's end."""
    service: Service | None = None


def port_attachments(plan: HostPlan, indexes: Mapping[int, int]) -> Mapping[int, PortAttachment]:
    """Return every port, DHCP server and leg of a router that has a link, by port number."""
    guests = {
        number: PortAttachment(plan=port, ifindex=indexes[number])
        for number, port in plan.ports.items()
        if number in indexes
    }
    services = {
        number: PortAttachment(plan=port, ifindex=indexes[number], service=service)
        for number, port, service in _services(plan)
        if number in indexes
    }
    return guests | services


def _services(plan: HostPlan) -> Iterator[tuple[int, PortPlan, Service]]:
    for network, server in plan.dhcp.items():
        own = _service_port(network, server.mac, server.mtu)
        yield server.port_number, own, Service.DHCP
    for router in plan.routers.values():
        for leg in router.legs:
            own = _service_port(leg.network, leg.mac, leg.mtu, up=leg.up)
            yield leg.port_number, own, Service.ROUTER


def _service_port(network: int, mac: MacAddress, mtu: int, *, up: bool = True) -> PortPlan:
    """Return the policy of a port of ours: none."""
    return PortPlan(
        network=network,
        scope=network,
        mac=mac,
        mtu=mtu,
        up=up,
        secured=False,
        egress=0,
        ingress=0,
    )


NOWHERE = ForwardingEntry(ifindex=0, flags=0)


class PortTable:
    """Driver of port entries by port number.

    Remembers what it read and wrote, so that changing one port costs the same among many; `read`
    looks again.
    """

    def __init__(
        self,
        links: BpfMap,
        forwarding: BpfMap,
        networks_with_virtual_ips: Callable[[], AbstractSet[int]],
    ) -> None:
        self._links = links
        self._forwarding = forwarding
        self._networks_with_virtual_ips = networks_with_virtual_ips
        self._held: dict[int, PortEntry] = {}
        self._indexes: dict[int, set[int]] = {}
        """By port number; more than one while a port moves from link to link."""
        self._look()

    def read(self) -> Mapping[int, PortAttachment]:
        """Return every port; one of which something is missing or doubled has interface index 0."""
        self._look()
        ways = dict(self._forwarding.items())
        special = self._networks_with_virtual_ips()
        attachments: dict[int, PortAttachment] = {}
        for index, entry in self._held.items():
            raw = ways.get(_forwarding_key(entry.network, entry.mac))
            way = decode_record(ForwardingEntry, raw) if raw is not None else NOWHERE
            found = _attachment(index, entry, way)
            is_single = len(self._indexes[entry.number]) == 1
            is_marked = bool(entry.flags & PortFlag.VIRTUAL_IPS)
            is_whole = way.ifindex == index and is_marked == (entry.network in special)
            # Index 0 is no link, so that a torn port differs from every wanted one.
            attachments[entry.number] = (
                found if is_single and is_whole else replace(found, ifindex=0)
            )
        return attachments

    def apply(self, delta: Delta[int, PortAttachment]) -> Mapping[int, Exception]:
        """Remove, then put; the entry of a link before the way that leads there."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def mark_networks(self) -> None:
        """Set or clear, in every entry, that the port's network has virtual IPs.

        A network that has none any more also forgets the virtual MACs that were learned in it.
        """
        special = self._networks_with_virtual_ips()
        cleared: set[int] = set()
        for index, entry in list(self._held.items()):
            flags = _marked(entry.flags, entry.network in special)
            if flags != entry.flags:
                self._write(index, replace(entry, flags=flags))
                cleared |= {entry.network} - special
        if cleared:
            self._forget_learned(cleared)

    def find(self, number: int) -> tuple[int, MacAddress] | None:
        """Return interface index and MAC of a port that has a link here."""
        for index in self._indexes.get(number, ()):
            return index, _mac(self._held[index])
        return None

    def _put(self, number: int, wanted: PortAttachment) -> None:
        entry = _encode(number, wanted, self._networks_with_virtual_ips())
        key = _forwarding_key(entry.network, entry.mac)
        old = [(index, self._held[index]) for index in self._indexes.get(number, ())]
        self._write(wanted.ifindex, entry)
        flags = wanted.service.value if wanted.service is not None else ForwardingFlag(0)
        way = ForwardingEntry(ifindex=wanted.ifindex, flags=flags)
        self._forwarding.update(key, encode_record(way))
        for index, before in old:
            self._forget_ways(index, before, keep=key if index == wanted.ifindex else None)
            if index != wanted.ifindex:
                self._erase(index)

    def _remove(self, number: int) -> None:
        """Take the ways first: a frame that still finds one would be dropped as unknown."""
        for index in list(self._indexes.get(number, ())):
            self._forget_ways(index, self._held[index], keep=None)
            self._erase(index)

    def _write(self, index: int, entry: PortEntry) -> None:
        self._links.update(_index_key(index), encode_record(entry))
        before = self._held.get(index)
        if before is not None:
            self._indexes[before.number].discard(index)
        self._held[index] = entry
        self._indexes.setdefault(entry.number, set()).add(index)

    def _erase(self, index: int) -> None:
        self._links.delete(_index_key(index))
        number = self._held.pop(index).number
        self._indexes[number].discard(index)
        if not self._indexes[number]:
            del self._indexes[number]

    def _forget_ways(self, index: int, entry: PortEntry, *, keep: bytes | None) -> None:
        """Remove what leads to this link: its own MAC's way; the learned ones when it goes."""
        own = _forwarding_key(entry.network, entry.mac)
        candidates = {own}
        if keep is None and entry.flags & PortFlag.VIRTUAL_IPS:
            candidates.update(self._forwarding.keys())
        for key in candidates - {keep}:
            raw = self._forwarding.lookup(key)
            way = decode_record(ForwardingEntry, raw) if raw is not None else None
            is_ours = way is not None and (key == own or way.flags & ForwardingFlag.LEARNED)
            if way is not None and is_ours and way.ifindex == index:
                self._forwarding.delete(key)

    def _forget_learned(self, networks: AbstractSet[int]) -> None:
        for key, raw in list(self._forwarding.items()):
            is_there = decode_record(ForwardingKey, key).network in networks
            if is_there and decode_record(ForwardingEntry, raw).flags & ForwardingFlag.LEARNED:
                self._forwarding.delete(key)

    def _look(self) -> None:
        self._held = {
            int.from_bytes(key, sys.byteorder): decode_record(PortEntry, raw)
            for key, raw in self._links.items()
        }
        self._indexes = {}
        for index, entry in self._held.items():
            self._indexes.setdefault(entry.number, set()).add(index)


def _encode(number: int, wanted: PortAttachment, special: AbstractSet[int]) -> PortEntry:
    plan = wanted.plan
    flags = PortFlag(0)
    for flag, is_set in (
        (PortFlag.UP, plan.up),
        (PortFlag.SECURED, plan.secured),
        (PortFlag.PEER, wanted.is_veth),
        (PortFlag.VIRTUAL_IPS, plan.network in special),
        (PortFlag.MIRRORED, plan.mirrored),
        (PortFlag.CHECKED, plan.checked),
    ):
        flags |= flag if is_set else PortFlag(0)
    return PortEntry(
        egress=plan.egress,
        ingress=plan.ingress,
        number=number,
        network=plan.network,
        scope=plan.scope,
        mtu=plan.mtu,
        mac=plan.mac.packed,
        flags=flags,
    )


def _attachment(index: int, entry: PortEntry, way: ForwardingEntry) -> PortAttachment:
    plan = PortPlan(
        network=entry.network,
        scope=entry.scope,
        mac=_mac(entry),
        mtu=entry.mtu,
        up=bool(entry.flags & PortFlag.UP),
        secured=bool(entry.flags & PortFlag.SECURED),
        egress=entry.egress,
        ingress=entry.ingress,
        checked=bool(entry.flags & PortFlag.CHECKED),
        mirrored=bool(entry.flags & PortFlag.MIRRORED),
    )
    return PortAttachment(
        plan=plan,
        ifindex=index,
        is_veth=bool(entry.flags & PortFlag.PEER),
        service=next((one for one in Service if one.value & way.flags), None),
    )


def _marked(flags: int, is_marked: bool) -> int:  # noqa: FBT001 one property
    return flags | PortFlag.VIRTUAL_IPS if is_marked else flags & ~PortFlag.VIRTUAL_IPS


def _mac(entry: PortEntry) -> MacAddress:
    return MacAddress(int.from_bytes(entry.mac, "big"))


def _index_key(index: int) -> bytes:
    return struct.pack("=I", index)


def _forwarding_key(network: int, mac: bytes) -> bytes:
    return encode_record(ForwardingKey(network=network, mac=mac))
