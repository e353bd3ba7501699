"""The map `members`: which groups an address belongs to, for rules that name a remote group.

One address is one entry, whatever the size of its groups; a join or a leave is one update.
"""

import struct
from collections.abc import Mapping
from ipaddress import IPv6Address

from portlight.dataplane.attempts import attempt_each
from portlight.dataplane.bpf.abi import decode_address, encode_address
from portlight.dataplane.bpf.digest import ContentDigest
from portlight.dataplane.bpf.maps import BpfMap
from portlight.plan.delta import Delta
from portlight.values.addresses import IpAddress

MAX_GROUPS = 64
"""Groups that rules refer to, of one address (MEMBER_GROUPS in bpf/lib/image.h)."""

MemberKey = tuple[int, IpAddress]
"""Scope and address."""


class TooManyGroupsError(ValueError):
    """An address belongs to more groups than its entry can hold."""

    def __init__(self, address: IpAddress, groups: int) -> None:
        super().__init__(f"{address} is in {groups} remote groups, more than {MAX_GROUPS}")
        self.address = address
        self.groups = groups


class MappedAddressError(ValueError):
    """An IPv4-mapped IPv6 address: the data plane holds IPv4 in this form."""

    def __init__(self, address: IpAddress) -> None:
        super().__init__(f"{address} is IPv4-mapped and can be no member of a group")
        self.address = address


class MemberTable:
    """Driver of members: sorted group numbers by (scope, address)."""

    def __init__(self, members: BpfMap) -> None:
        self._members = members
        self._entries: dict[bytes, bytes] = {}
        """What is there, as far as this table read or wrote it."""
        self._digest = ContentDigest(members.shape.key_size, members.value_bytes)
        self._known = 0
        """The digest of the entries."""
        self._keys: dict[bytes, MemberKey] = {}
        self._groups: dict[bytes, tuple[int, ...]] = {}

    def read(self) -> Mapping[MemberKey, tuple[int, ...]]:
        """Return every entry. What was decoded once is not decoded again."""
        self._entries = raw = dict(self._members.items())
        self._known = self._digest.of(raw)
        self._keys = {key: self._keys.get(key) or _decode_key(key) for key in raw}
        seen = set(raw.values())
        self._groups = {value: self._groups.get(value) or _decode_groups(value) for value in seen}
        return {self._keys[key]: self._groups[value] for key, value in raw.items()}

    def is_intact(self) -> bool:
        """Whether the map holds exactly what this table last read or wrote."""
        parts = [self._digest.of_joined(*batch) for batch in self._members.batches()]
        return self._digest.total(*parts) == self._known

    def apply(self, delta: Delta[MemberKey, tuple[int, ...]]) -> Mapping[MemberKey, Exception]:
        """Put in batches and remove; an address that fails does not stop the others."""
        failures: dict[MemberKey, Exception] = {}
        entries: dict[bytes, bytes] = {}
        for key, groups in delta.put.items():
            try:
                entries[_encode_key(key)] = _encode_groups(key[1], groups)
            except ValueError as error:
                failures[key] = error
        try:
            self._members.update_many(entries)
            self._note(entries)
        except OSError:
            failures |= self._put_singly(entries)
        return failures | attempt_each(self._remove, delta.remove)

    def _put_singly(self, entries: Mapping[bytes, bytes]) -> dict[MemberKey, Exception]:
        def put(key: bytes) -> None:
            self._members.update(key, entries[key])
            self._note({key: entries[key]})

        failures = attempt_each(put, entries)
        return {_decode_key(key): error for key, error in failures.items()}

    def _remove(self, key: MemberKey) -> None:
        raw = _encode_key(key)
        self._members.delete(raw)
        if raw in self._entries:
            gone = self._digest.of({raw: self._entries.pop(raw)})
            self._known = self._digest.total(self._known, -gone)

    def _note(self, entries: Mapping[bytes, bytes]) -> None:
        """Remember what was written."""
        replaced = {key: self._entries[key] for key in entries if key in self._entries}
        self._entries |= entries
        fresh, old = self._digest.of(entries), self._digest.of(replaced)
        self._known = self._digest.total(self._known, fresh, -old)


_KEY = struct.Struct("=I16s")
_GROUPS = struct.Struct(f"={MAX_GROUPS + 1}I")
_NO_GROUPS = (0,) * MAX_GROUPS


def _encode_key(key: MemberKey) -> bytes:
    scope, address = key
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise MappedAddressError(address)
    return _KEY.pack(scope, encode_address(address))


def _decode_key(raw: bytes) -> MemberKey:
    scope, address = _KEY.unpack(raw)
    return scope, decode_address(address)


def _encode_groups(address: IpAddress, groups: tuple[int, ...]) -> bytes:
    if len(groups) > MAX_GROUPS:
        raise TooManyGroupsError(address, len(groups))
    return _GROUPS.pack(len(groups), *groups, *_NO_GROUPS[len(groups) :])


def _decode_groups(raw: bytes) -> tuple[int, ...]:
    count, *groups = _GROUPS.unpack(raw)
    return tuple(groups[:count])
