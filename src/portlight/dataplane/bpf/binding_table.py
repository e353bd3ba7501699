"""The map `bindings`: which source addresses a port may use, with which MAC.

A trie entry for each binding, and one for each (port, MAC) without address: so a single look-up
tells a bound source, a wrong address and a wrong MAC apart (see bpf/abi.h).
"""

import struct
from collections import Counter
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
_ADDRESS = struct.pack("=I", BindingKind.ADDRESS)
_MAC = struct.pack("=I", BindingKind.MAC)
_MAC_BITS = struct.pack("=I", BINDING_MAC_BITS)
_PORT_AND_MAC = slice(4, 14)
_NOTHING_MORE = bytes(18)


class BindingTable:
    """Driver of source bindings; a set, so each binding maps to None."""

    def __init__(self, bindings: BpfMap) -> None:
        self._bindings = bindings
        self._held: dict[bytes, SourceBinding | None] = {}
        """Trie keys that are there; None for the entry of a MAC."""
        self._uses: Counter[bytes] = Counter()
        """How many bindings use the entry of a MAC."""
        self.read()

    def read(self) -> Mapping[SourceBinding, None]:
        """Return every whole binding; one whose MAC entry is missing is left out."""
        known = self._held
        self._held = held = {
            key: known.get(key) or _decode(key) for key, _value in self._bindings.items()
        }
        whole = {key: each for key, each in held.items() if each is not None}
        self._uses = Counter(map(_mac_key_of, whole))
        return {each: None for key, each in whole.items() if _mac_key_of(key) in held}

    def apply(self, delta: Delta[SourceBinding, None]) -> Mapping[SourceBinding, Exception]:
        """Remove, then put. A MAC's entry goes with the last binding that uses it."""
        failures = attempt_each(self._remove, delta.remove)
        entries = {_address_key(binding): binding for binding in delta.put}
        macs = {_mac_key_of(key) for key in entries}
        try:
            self._bindings.update_many(dict.fromkeys(entries, _ADDRESS) | dict.fromkeys(macs, _MAC))
        except OSError:
            return failures | attempt_each(self._put, delta.put)
        for key, binding in entries.items():
            self._remember(key, binding)
        return failures

    def _put(self, binding: SourceBinding) -> None:
        key = _address_key(binding)
        self._bindings.update(key, _ADDRESS)
        self._bindings.update(_mac_key_of(key), _MAC)
        self._remember(key, binding)

    def _remember(self, key: bytes, binding: SourceBinding) -> None:
        mac_key = _mac_key_of(key)
        if key not in self._held:
            self._uses[mac_key] += 1
        self._held[key] = binding
        self._held[mac_key] = None

    def _remove(self, binding: SourceBinding) -> None:
        key = _address_key(binding)
        self._bindings.delete(key)
        if self._held.pop(key, None) is None:
            return
        mac_key = _mac_key_of(key)
        self._uses[mac_key] -= 1
        if not self._uses[mac_key]:
            self._bindings.delete(mac_key)
            self._held.pop(mac_key, None)
            del self._uses[mac_key]


def _address_key(binding: SourceBinding) -> bytes:
    prefix = binding.prefix
    version = prefix.version
    bits = BINDING_ADDRESS_BITS + prefix.prefixlen
    if version == 4:  # noqa: PLR2004 the IP version
        bits += MAPPED_PREFIX_BITS
    address = encode_address(prefix.network_address)
    return _KEY.pack(bits, binding.port, binding.mac.packed, version, address)


def _mac_key_of(key: bytes) -> bytes:
    """Return the key of the entry for a binding's MAC: the same port and MAC, and nothing more."""
    return _MAC_BITS + key[_PORT_AND_MAC] + _NOTHING_MORE


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
