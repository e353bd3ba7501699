"""The maps of virtual IPs: policy, members, and who owns the address now.

The programs write owners; this driver makes their entries, and takes an address away from a port
that is no member any more. `virtual_ips` is written last and removed first: whoever dies in
between leaves entries that `read` shows as torn, and the next delta completes or removes them.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.bpf.abi import (
    ClaimPolicy,
    VirtualIp,
    VirtualIpKey,
    VirtualIpMember,
    VirtualIpMemberKey,
    VirtualIpOwner,
    decode_address,
    decode_record,
    encode_address,
    encode_record,
)
from portlight.dataplane.bpf.maps import BpfMap
from portlight.dataplane.bpf.port_table import PortTable
from portlight.dataplane.bpf.syscall import UpdateFlag
from portlight.plan.delta import Delta
from portlight.plan.host import VirtualIpMemberPlan, VirtualIpPlan
from portlight.values.addresses import IpAddress, MacAddress

NetworkAddress = tuple[int, IpAddress]
"""Network number and address."""
TORN = "torn"
"""Claim policy read for entries without a whole virtual IP; never wanted."""
_NO_MAC = bytes(6)


class VirtualIpTable:
    """Driver of virtual IPs by (network number, address)."""

    def __init__(self, virtual_ips: BpfMap, owners: BpfMap, members: BpfMap) -> None:
        self._virtual_ips = virtual_ips
        self._owners = owners
        self._members = members
        self._networks: frozenset[int] = frozenset()
        self._ports: PortTable | None = None
        self._present: dict[NetworkAddress, list[tuple[bytes, int]]] = {}
        """Keys and ports of the member entries, as they were when a delta began."""
        self._look_at_networks()

    def networks(self) -> AbstractSet[int]:
        """Return the numbers of the networks that have virtual IPs."""
        return self._networks

    def tell(self, ports: PortTable) -> None:
        """Name the table whose entries are marked when a network gets its first virtual IP."""
        self._ports = ports

    def read(self) -> Mapping[NetworkAddress, VirtualIpPlan]:
        """Return every virtual IP, also the torn ones, each with its members."""
        members: dict[NetworkAddress, list[VirtualIpMemberPlan]] = {}
        for raw, value in self._members.items():
            key = decode_record(VirtualIpMemberKey, raw)
            mac = decode_record(VirtualIpMember, value).virtual_mac
            member = VirtualIpMemberPlan(port=key.port, virtual_mac=_mac(mac))
            members.setdefault((key.network, decode_address(key.address)), []).append(member)
        policies = {_decode_key(key): raw for key, raw in self._virtual_ips.items()}
        owned = set(map(_decode_key, self._owners.keys()))
        self._networks = frozenset(network for network, _ in policies)
        return {
            key: _plan(policies.get(key) if key in owned else None, members.get(key, []))
            for key in policies.keys() | owned | members.keys()
        }

    def owners(self) -> Mapping[NetworkAddress, VirtualIpOwner]:
        """Return who owns what now, as the programs see it."""
        return {
            _decode_key(key): owner
            for key in list(self._owners.keys())
            if (owner := self._owner(key)) is not None
        }

    def owned(self) -> AbstractSet[NetworkAddress]:
        """Return the virtual IPs that somebody owns now."""
        return {key for key, owner in self.owners().items() if owner.owner}

    def apply(
        self, delta: Delta[NetworkAddress, VirtualIpPlan]
    ) -> Mapping[NetworkAddress, Exception]:
        """Remove, then put; afterwards the ports of these networks are marked."""
        self._present = self._members_by_key()
        failures = attempt_delta(delta, put=self._put, remove=self._remove)
        self._look_at_networks()
        if self._ports is not None:
            self._ports.mark_networks()
        return failures

    def _put(self, key: NetworkAddress, wanted: VirtualIpPlan) -> None:
        raw_key = _encode_key(key)
        members = {member.port: member for member in wanted.members}
        self._put_members(key, members)
        try:
            self._owners.update(raw_key, encode_record(VirtualIpOwner()), UpdateFlag.NOEXIST)
        except FileExistsError:
            self._take_from_strangers(raw_key, _possible_owners(wanted))
        value = VirtualIp(
            policy=ClaimPolicy[wanted.claim_policy.upper()], pinned_owner=wanted.pinned_owner
        )
        self._virtual_ips.update(raw_key, encode_record(value))
        if wanted.pinned_owner in members:
            self._give(raw_key, members[wanted.pinned_owner])

    def _put_members(self, key: NetworkAddress, members: Mapping[int, VirtualIpMemberPlan]) -> None:
        for raw, port in self._present.get(key, []):
            if port not in members:
                self._members.delete(raw)
        for port, member in members.items():
            raw = encode_record(
                VirtualIpMemberKey(network=key[0], port=port, address=encode_address(key[1]))
            )
            mac = member.virtual_mac.packed if member.virtual_mac is not None else _NO_MAC
            there = self._members.lookup(raw)
            if there is None or decode_record(VirtualIpMember, there).virtual_mac != mac:
                self._members.update(raw, encode_record(VirtualIpMember(virtual_mac=mac)))

    def _take_from_strangers(self, raw_key: bytes, members: AbstractSet[int]) -> None:
        owner = self._owner(raw_key)
        if owner is not None and owner.owner and owner.owner not in members:
            self._set_owner(raw_key, VirtualIpOwner(takes=owner.takes))

    def _give(self, raw_key: bytes, member: VirtualIpMemberPlan) -> None:
        """Hand the address to the pinned owner now, not at its next announcement."""
        found = self._ports.find(member.port) if self._ports is not None else None
        owner = self._owner(raw_key)
        if owner is None or owner.owner == member.port:
            return
        # A pinned owner on another host has no link here, but the others may not hold it either.
        index, mac = found if found is not None else (0, None)
        sender = member.virtual_mac or mac
        given = VirtualIpOwner(
            owner=member.port,
            ifindex=index,
            challenger=owner.owner,
            mac=sender.packed if sender is not None else _NO_MAC,
            takes=owner.takes + 1,
        )
        self._set_owner(raw_key, given)

    def _remove(self, key: NetworkAddress) -> None:
        raw_key = _encode_key(key)
        self._virtual_ips.delete(raw_key)
        self._owners.delete(raw_key)
        for raw, _port in self._present.get(key, []):
            self._members.delete(raw)

    def _members_by_key(self) -> dict[NetworkAddress, list[tuple[bytes, int]]]:
        found: dict[NetworkAddress, list[tuple[bytes, int]]] = {}
        for raw in dict(self._members.items()):
            key = decode_record(VirtualIpMemberKey, raw)
            place = (key.network, decode_address(key.address))
            found.setdefault(place, []).append((raw, key.port))
        return found

    def _owner(self, raw_key: bytes) -> VirtualIpOwner | None:
        raw = self._owners.lookup(raw_key, UpdateFlag.LOCK)
        return decode_record(VirtualIpOwner, raw) if raw is not None else None

    def _set_owner(self, raw_key: bytes, owner: VirtualIpOwner) -> None:
        self._owners.update(raw_key, encode_record(owner), UpdateFlag.EXIST | UpdateFlag.LOCK)

    def _look_at_networks(self) -> None:
        self._networks = frozenset(
            decode_record(VirtualIpKey, raw).network for raw in list(self._virtual_ips.keys())
        )


def _possible_owners(wanted: VirtualIpPlan) -> set[int]:
    members = {member.port for member in wanted.members}
    return members & {wanted.pinned_owner} if wanted.claim_policy == "frozen" else members


def _plan(raw: bytes | None, members: list[VirtualIpMemberPlan]) -> VirtualIpPlan:
    ordered = tuple(sorted(members, key=lambda member: member.port))
    if raw is None:
        return VirtualIpPlan(members=ordered, claim_policy=TORN)
    value = decode_record(VirtualIp, raw)
    return VirtualIpPlan(
        members=ordered,
        claim_policy=ClaimPolicy(value.policy).name.lower(),
        pinned_owner=value.pinned_owner,
    )


def _mac(raw: bytes) -> MacAddress | None:
    return MacAddress(int.from_bytes(raw, "big")) if raw != _NO_MAC else None


def _encode_key(key: NetworkAddress) -> bytes:
    return encode_record(VirtualIpKey(network=key[0], address=encode_address(key[1])))


def _decode_key(raw: bytes) -> NetworkAddress:
    key = decode_record(VirtualIpKey, raw)
    return key.network, decode_address(key.address)
