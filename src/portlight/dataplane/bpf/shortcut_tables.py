"""The maps by which from_port routes between networks of one router without asking it."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from portlight.dataplane.bpf.abi import (
    MAPPED_PREFIX_BITS,
    ForwardingKey,
    VirtualIpKey,
    decode_address,
    decode_record,
    encode_address,
    encode_record,
)
from portlight.dataplane.bpf.abi_routing import (
    SHORTCUT_BITS,
    RouterLeg,
    Shortcut,
    ShortcutKey,
    Station,
)
from portlight.dataplane.bpf.entry_table import Coding
from portlight.plan import shortcuts as plan
from portlight.plan.host import HostPlan
from portlight.values.addresses import MacAddress

_NO_ADDRESS = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEntry:
    """Who has an address, as the kernel holds it: a station with its link."""

    ifindex: int
    """Of the host end of the link."""
    mac: MacAddress


def station_entries(
    host: HostPlan, indexes: Mapping[int, int]
) -> Mapping[plan.StationKey, StationEntry]:
    """Return the stations of a plan that have a link; `indexes`: of links by port number."""
    return {
        key: StationEntry(ifindex=indexes[station.port], mac=station.mac)
        for key, station in host.stations.items()
        if station.port in indexes
    }


def _encode_mac_key(key: tuple[int, MacAddress]) -> bytes:
    return encode_record(ForwardingKey(network=key[0], mac=key[1].packed))


def _decode_mac_key(raw: bytes) -> tuple[int, MacAddress]:
    key = decode_record(ForwardingKey, raw)
    return key.network, _mac(key.mac)


def _encode_shortcut_key(key: plan.ShortcutKey) -> bytes:
    table, prefix = key
    mapped = MAPPED_PREFIX_BITS if prefix.version == 4 else 0  # noqa: PLR2004 -- the IP version
    return encode_record(
        ShortcutKey(
            prefixlen=SHORTCUT_BITS + mapped + prefix.prefixlen,
            table=table,
            address=encode_address(prefix.network_address),
        )
    )


def _decode_shortcut_key(raw: bytes) -> plan.ShortcutKey:
    key = decode_record(ShortcutKey, raw)
    address, length = decode_address(key.address), key.prefixlen - SHORTCUT_BITS
    if address.version == 4:  # noqa: PLR2004 -- the IP version
        length -= MAPPED_PREFIX_BITS
    return key.table, ip_network((address, length))


def _encode_shortcut(shortcut: plan.ShortcutPlan) -> bytes:
    hop = encode_address(shortcut.hop) if shortcut.hop is not None else _NO_ADDRESS
    return encode_record(
        Shortcut(network=shortcut.network, router_mac=shortcut.router_mac.packed, hop=hop)
    )


def _decode_shortcut(raw: bytes) -> plan.ShortcutPlan:
    record = decode_record(Shortcut, raw)
    return plan.ShortcutPlan(
        network=record.network,
        router_mac=_mac(record.router_mac),
        hop=decode_address(record.hop) if record.hop != _NO_ADDRESS else None,
    )


def _encode_station_key(key: plan.StationKey) -> bytes:
    return encode_record(VirtualIpKey(network=key[0], address=encode_address(key[1])))


def _decode_station_key(raw: bytes) -> plan.StationKey:
    key = decode_record(VirtualIpKey, raw)
    return key.network, decode_address(key.address)


def _decode_station(raw: bytes) -> StationEntry:
    record = decode_record(Station, raw)
    return StationEntry(ifindex=record.ifindex, mac=_mac(record.mac))


def _mac(raw: bytes) -> MacAddress:
    return MacAddress(int.from_bytes(raw, "big"))


ROUTER_LEGS: Final[Coding[plan.RouterLegKey, int]] = Coding(
    encode_key=_encode_mac_key,
    decode_key=_decode_mac_key,
    encode_value=lambda table: encode_record(RouterLeg(table=table)),
    decode_value=lambda raw: decode_record(RouterLeg, raw).table,
)
VIRTUAL_MACS: Final[Coding[plan.VirtualMacKey, plan.StationKey]] = Coding(
    encode_key=_encode_mac_key,
    decode_key=_decode_mac_key,
    encode_value=_encode_station_key,
    decode_value=_decode_station_key,
)
SHORTCUTS: Final[Coding[plan.ShortcutKey, plan.ShortcutPlan]] = Coding(
    encode_key=_encode_shortcut_key,
    decode_key=_decode_shortcut_key,
    encode_value=_encode_shortcut,
    decode_value=_decode_shortcut,
)
STATIONS: Final[Coding[plan.StationKey, StationEntry]] = Coding(
    encode_key=_encode_station_key,
    decode_key=_decode_station_key,
    encode_value=lambda one: encode_record(Station(ifindex=one.ifindex, mac=one.mac.packed)),
    decode_value=_decode_station,
)
