"""The map `bindings`: which source addresses a port may use, with which MAC.

A trie entry for each binding, one for each (port, MAC) without address: so a single look-up tells
a bound source, a wrong address and a wrong MAC apart; and one for each (port, prefix) without MAC,
for destinations (see bpf/abi.h).
"""

import struct
from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_network

from portlight.dataplane.attempts import attempt_each
from portlight.dataplane.bpf.abi import (
    BINDING_ADDRESS_BITS,
    BINDING_ANY_MAC,
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
_HELD = struct.pack("=I", BindingKind.HELD)
_MAC_BITS = struct.pack("=I", BINDING_MAC_BITS)
_PORT_AND_MAC = slice(4, 14)
_NO_MAC = bytes(6)
_NOTHING_MORE = bytes(18)


class BindingTable:
    """Driver of source bindings; a set, so each binding maps to None."""

    def __init__(self, bindings: BpfMap) -> None:
        self._bindings = bindings
        self._held: dict[bytes, SourceBinding | None] = {}
        """Trie keys that are there; None for the entries that several bindings share."""
        self._uses: Counter[bytes] = Counter()
        """How many bindings use a shared entry."""
        self.read()

    def read(self) -> Mapping[SourceBinding, None]:
        """Return every whole binding; one whose shared entries are missing is left out."""
        known = self._held
        self._held = held = {
            key: known.get(key) or _decode(key) for key, _value in self._bindings.items()
        }
        whole = {key: each for key, each in held.items() if each is not None}
        shares = {key: _shared_entries(key) for key in whole}
        self._uses = Counter(entry for entries in shares.values() for entry in entries)
        return {each: None for key, each in whole.items() if shares[key].keys() <= held.keys()}

    def apply(self, delta: Delta[SourceBinding, None]) -> Mapping[SourceBinding, Exception]:
        """Remove, then put. A shared entry goes with the last binding that uses it."""
        failures = attempt_each(self._remove, delta.remove)
        entries = {_address_key(binding): binding for binding in delta.put}
        shared = {entry: value for key in entries for entry, value in _shared_entries(key).items()}
        try:
            self._bindings.update_many(dict.fromkeys(entries, _ADDRESS) | shared)
        except OSError:
            return failures | attempt_each(self._put, delta.put)
        for key, binding in entries.items():
            self._remember(key, binding)
        return failures

    def _put(self, binding: SourceBinding) -> None:
        key = _address_key(binding)
        self._bindings.update(key, _ADDRESS)
        for entry, value in _shared_entries(key).items():
            self._bindings.update(entry, value)
        self._remember(key, binding)

    def _remember(self, key: bytes, binding: SourceBinding) -> None:
        is_new = self._held.get(key) is None
        self._held[key] = binding
        for entry in _shared_entries(key):
            self._uses[entry] += is_new
            self._held[entry] = None

    def _remove(self, binding: SourceBinding) -> None:
        key = _address_key(binding)
        self._bindings.delete(key)
        if self._held.pop(key, None) is None:
            return
        for entry in _shared_entries(key):
            self._uses[entry] -= 1
            if not self._uses[entry]:
                self._bindings.delete(entry)
                self._held.pop(entry, None)
                del self._uses[entry]


def _address_key(binding: SourceBinding) -> bytes:
    prefix = binding.prefix
    version = prefix.version
    bits = BINDING_ADDRESS_BITS + prefix.prefixlen
    if version == 4:  # noqa: PLR2004 the IP version
        bits += MAPPED_PREFIX_BITS
    address = encode_address(prefix.network_address)
    return _KEY.pack(bits, binding.port, binding.mac.packed, version, address)


def _shared_entries(key: bytes) -> dict[bytes, bytes]:
    """Return the entries that a binding shares: of its MAC without address, and the other way."""
    of_mac = _MAC_BITS + key[_PORT_AND_MAC] + _NOTHING_MORE
    bits, port, _mac, version, address = _KEY.unpack(key)
    of_prefix = _KEY.pack(bits, port, _NO_MAC, version | BINDING_ANY_MAC, address)
    return {of_mac: _MAC, of_prefix: _HELD}


def _decode(raw: bytes) -> SourceBinding | None:
    key = decode_record(BindingKey, raw)
    if key.prefixlen <= BINDING_MAC_BITS or key.family & BINDING_ANY_MAC:
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
