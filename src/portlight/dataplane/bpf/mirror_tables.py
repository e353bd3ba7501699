"""The maps of traffic mirroring: who is asked, where copies go, and what became of them."""

import struct
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.bpf.abi import (
    Direction,
    MirrorCounterKey,
    MirrorOutcome,
    MirrorWay,
    MirrorWayKey,
    decode_record,
    encode_record,
)
from portlight.dataplane.bpf.maps import BpfMap
from portlight.plan.delta import Delta
from portlight.plan.host import HostPlan
from portlight.plan.mirror import MirrorSourcePlan, WayKey
from portlight.values.addresses import MacAddress

CHAINS = 4
"""MIRROR_CHAINS in bpf/abi.h."""
_NUMBER = struct.Struct("=I")
_SOURCE = struct.Struct(f"={4 * CHAINS}Q")
_COUNTER = struct.Struct("=QQ")


class TooManyChainsError(ValueError):
    """More sessions than one source can have that copy whatever the others decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayEntry:
    """How copies travel, as the kernel holds it: a plan's way with the link at its end."""

    ifindex: int
    """Of the host end of the target's link."""
    source_mac: MacAddress
    source_address: IPv4Address
    target_mac: MacAddress
    target_address: IPv4Address
    vni: int
    packet_length: int
    mtu: int
    bytes_per_second: int
    """0: no budget."""


def way_entries(plan: HostPlan, indexes: Mapping[int, int]) -> Mapping[WayKey, WayEntry]:
    """Return the ways of a plan whose target has a link; `indexes`: of links by port number."""
    return {
        key: WayEntry(
            ifindex=indexes[way.target_port],
            source_mac=way.source_mac,
            source_address=way.source_address,
            target_mac=way.target_mac,
            target_address=way.target_address,
            vni=way.vni,
            packet_length=way.packet_length,
            mtu=way.mtu,
            bytes_per_second=way.bytes_per_second or 0,
        )
        for key, way in plan.mirror_ways.items()
        if way.target_port in indexes
    }


class MirrorSourceTable:
    """Driver of sources by port number."""

    def __init__(self, sources: BpfMap) -> None:
        self._sources = sources

    def read(self) -> Mapping[int, MirrorSourcePlan]:
        """Return every source."""
        return {_NUMBER.unpack(key)[0]: _decode_source(raw) for key, raw in self._sources.items()}

    def apply(self, delta: Delta[int, MirrorSourcePlan]) -> Mapping[int, Exception]:
        """Remove, then put; return the failures by port number."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _put(self, number: int, source: MirrorSourcePlan) -> None:
        self._sources.update(_NUMBER.pack(number), _encode_source(source))

    def _remove(self, number: int) -> None:
        self._sources.delete(_NUMBER.pack(number))


class MirrorWayTable:
    """Driver of ways by session, source and version."""

    def __init__(self, ways: BpfMap) -> None:
        self._ways = ways

    def read(self) -> Mapping[WayKey, WayEntry]:
        """Return every way."""
        return {_decode_way_key(key): _decode_way(raw) for key, raw in self._ways.items()}

    def apply(self, delta: Delta[WayKey, WayEntry]) -> Mapping[WayKey, Exception]:
        """Remove, then put; return the failures by key."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _put(self, key: WayKey, way: WayEntry) -> None:
        self._ways.update(_encode_way_key(key), encode_record(_record(way)))

    def _remove(self, key: WayKey) -> None:
        self._ways.delete(_encode_way_key(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorCounter:
    """Totals of one session, source and outcome since the session's first packet on this host."""

    session: int
    port: int
    direction: Literal["egress", "ingress"]
    outcome: MirrorOutcome
    packets: int
    bytes: int


class MirrorCounterTable:
    """Reads what became of copies; forgets sessions that are gone."""

    def __init__(self, counters: BpfMap) -> None:
        self._counters = counters

    def read(self) -> Sequence[MirrorCounter]:
        """Return every counter that is not zero, the CPUs' copies added up."""
        return [_counter(key, raw) for key, raw in self._counters.items()]

    def forget(self, sessions: AbstractSet[int]) -> None:
        """Remove the counters of these sessions; their numbers never come back."""
        if not sessions:
            return
        for raw in list(self._counters.keys()):
            if decode_record(MirrorCounterKey, raw).session in sessions:
                self._counters.delete(raw)


def _encode_source(source: MirrorSourcePlan) -> bytes:
    chains = (source.egress, source.ingress, source.dropped_egress, source.dropped_ingress)
    longest = max(map(len, chains))
    if longest > CHAINS:
        raise TooManyChainsError(f"{longest} classifiers for one source, more than {CHAINS}")
    return _SOURCE.pack(*(key for one in chains for key in (*one, *(0,) * (CHAINS - len(one)))))


def _decode_source(raw: bytes) -> MirrorSourcePlan:
    keys = _SOURCE.unpack(raw)
    chains = [
        tuple(key for key in keys[at : at + CHAINS] if key) for at in range(0, 4 * CHAINS, CHAINS)
    ]
    return MirrorSourcePlan(
        egress=chains[0], ingress=chains[1], dropped_egress=chains[2], dropped_ingress=chains[3]
    )


def _encode_way_key(key: WayKey) -> bytes:
    return encode_record(MirrorWayKey(session=key[0], port=key[1], version=key[2]))


def _decode_way_key(raw: bytes) -> WayKey:
    key = decode_record(MirrorWayKey, raw)
    return key.session, key.port, key.version


def _record(way: WayEntry) -> MirrorWay:
    return MirrorWay(
        bytes_per_second=way.bytes_per_second,
        ifindex=way.ifindex,
        vni=way.vni,
        source=way.source_address.packed,
        target=way.target_address.packed,
        source_mac=way.source_mac.packed,
        target_mac=way.target_mac.packed,
        packet_length=way.packet_length,
        mtu=way.mtu,
    )


def _decode_way(raw: bytes) -> WayEntry:
    record = decode_record(MirrorWay, raw)
    return WayEntry(
        ifindex=record.ifindex,
        source_mac=MacAddress(int.from_bytes(record.source_mac, "big")),
        source_address=IPv4Address(record.source),
        target_mac=MacAddress(int.from_bytes(record.target_mac, "big")),
        target_address=IPv4Address(record.target),
        vni=record.vni,
        packet_length=record.packet_length,
        mtu=record.mtu,
        bytes_per_second=record.bytes_per_second,
    )


def _counter(raw_key: bytes, raw: bytes) -> MirrorCounter:
    key = decode_record(MirrorCounterKey, raw_key)
    copies = list(_COUNTER.iter_unpack(raw))
    return MirrorCounter(
        session=key.session,
        port=key.port,
        direction="egress" if key.direction == Direction.EGRESS else "ingress",
        outcome=MirrorOutcome(key.outcome),
        packets=sum(packets for packets, _ in copies),
        bytes=sum(size for _, size in copies),
    )
