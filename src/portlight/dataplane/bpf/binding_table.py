"""The map `bindings`: which source addresses a port may use, with which MAC.

A trie entry for each binding, and one for each (port, MAC) without address: so a single look-up
tells a bound source, a wrong address and a wrong MAC apart (see bpf/abi.h).
"""

import struct
from collections.abc import Mapping
from ipaddress import ip_network

from portlight.dataplane.attempts import attempt_each
from portlight.dataplane.bpf.abi import (
    BINDING_ADDRESS_BITS,
    BINDING_MAC_BITS,
    MAPPED_PREFIX_BITS,
    BindingKey,
    BindingKind,
    decode_address,
    decode_record,
    encode_address,
)
from portlight.dataplane.bpf.maps import BpfMap
from portlight.plan.delta import Delta
from portlight.plan.host import SourceBinding
from portlight.values.addresses import MacAddress

_KEY = struct.Struct(BindingKey.FORMAT)


class BindingTable:
    """Driver of source bindings; a set, so each binding maps to None."""

    def __init__(self, bindings: BpfMap) -> None:
        self._bindings = bindings
        self._held: dict[bytes, SourceBinding | None] | None = None
        """Trie keys that are there; None for the entry of a MAC."""

    def read(self) -> Mapping[SourceBinding, None]:
        """Return every whole binding; one whose MAC entry is missing is left out."""
        known = self._held or {}
        raw = list(self._bindings.keys())
        self._held = held = {key: known.get(key) or _decode(key) for key in raw}
        return {
            binding: None
            for binding in held.values()
            if binding is not None and _mac_key(binding) in held
        }

    def apply(self, delta: Delta[SourceBinding, None]) -> Mapping[SourceBinding, Exception]:
        """Remove, then put. A MAC's entry goes with the last binding that uses it."""
        if self._held is None:
            self.read()
        failures = attempt_each(self._remove, delta.remove)
        failures |= attempt_each(self._put, delta.put)
        self._drop_unused_macs({_mac_key(binding) for binding in delta.remove})
        return failures

    def _put(self, binding: SourceBinding) -> None:
        for key, kind, held in (
            (_address_key(binding), BindingKind.ADDRESS, binding),
            (_mac_key(binding), BindingKind.MAC, None),
        ):
            self._bindings.update(key, struct.pack("=I", kind))
            self._entries[key] = held

    def _remove(self, binding: SourceBinding) -> None:
        key = _address_key(binding)
        self._bindings.delete(key)
        self._entries.pop(key, None)

    def _drop_unused_macs(self, suspects: set[bytes]) -> None:
        if not suspects:
            return
        used = {_mac_key(binding) for binding in self._entries.values() if binding is not None}
        for key in suspects - used:
            self._bindings.delete(key)
            self._entries.pop(key, None)

    @property
    def _entries(self) -> dict[bytes, SourceBinding | None]:
        if self._held is None:
            self._held = {}
        return self._held


def _address_key(binding: SourceBinding) -> bytes:
    prefix = binding.prefix
    version = prefix.version
    bits = BINDING_ADDRESS_BITS + prefix.prefixlen
    if version == 4:  # noqa: PLR2004 the IP version
        bits += MAPPED_PREFIX_BITS
    address = encode_address(prefix.network_address)
    return _KEY.pack(bits, binding.port, binding.mac.packed, version, address)


def _mac_key(binding: SourceBinding) -> bytes:
    return _KEY.pack(BINDING_MAC_BITS, binding.port, binding.mac.packed, 0, bytes(16))


def _decode(raw: bytes) -> SourceBinding | None:
    key = decode_record(BindingKey, raw)
    if key.prefixlen <= BINDING_MAC_BITS:
        return None
    address = decode_address(key.address)
    length = key.prefixlen - BINDING_ADDRESS_BITS
    if address.version == 4:  # noqa: PLR2004 the IP version
        length -= MAPPED_PREFIX_BITS
    return SourceBinding(
        port=key.port,
        mac=MacAddress(int.from_bytes(key.mac, "big")),
        prefix=ip_network((address, length)),
    )
