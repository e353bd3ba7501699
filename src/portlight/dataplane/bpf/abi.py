"""The records of the eBPF maps, as `bpf/abi.h` lays them out.

Pure: records in, bytes out and back. `tests/abi` compares names, offsets, sizes and numbers with
the compiled programs. Addresses are 16 bytes; IPv4 is held IPv4-mapped.
"""

import struct
from dataclasses import astuple, dataclass, fields
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address, IPv6Address
from typing import Any, ClassVar, Protocol, TypeVar

from portlight.values.addresses import IpAddress

BINDING_MAC_BITS = 80
BINDING_ADDRESS_BITS = 96
BINDING_ANY_MAC = 0x40
"""In the field `family` of a key without MAC."""
MAPPED_PREFIX_BITS = 96
_MAPPED = bytes(10) + b"\xff\xff"


class Direction(IntEnum):
    """The port's view: egress is what its guest sends."""

    EGRESS = 1
    INGRESS = 2


class PortFlag(IntFlag):
    """Properties of a port entry."""

    UP = 1
    SECURED = 2
    VIRTUAL_IPS = 4
    """The port's network has virtual IPs."""
    PEER = 8
    """The link is a veth: frames may go straight into the guest."""
    MIRRORED = 16
    """The port has an entry in `mirror_sources`."""
    CHECKED = 32
    """Source and destination check."""


class ForwardingFlag(IntFlag):
    """Properties of a forwarding entry."""

    DHCP = 1
    """Our DHCP server."""
    LEARNED = 2
    """A virtual MAC, written by the program on an accepted claim."""
    ROUTER = 4
    """A router of ours."""


class BindingKind(IntEnum):
    """What the longest match in `bindings` says."""

    MAC = 1
    ADDRESS = 2
    HELD = 3
    """An address of the port, whatever the MAC."""


class ClaimPolicy(IntEnum):
    """Who may take a virtual IP; names are the ones of the plan, in upper case."""

    LATEST = 1
    FIRST = 2
    PRIORITY = 3
    FROZEN = 4


class ClaimKind(IntEnum):
    """By what a member said that it holds the address."""

    ARP = 1
    NEIGHBOUR = 2
    VRRP = 3


class ClaimFlag(IntFlag):
    """The outcome of a claim: owner changed, or refused; SPLIT_BRAIN also comes alone."""

    ACCEPTED = 1
    REFUSED = 2
    SPLIT_BRAIN = 4


class MirrorOutcome(IntEnum):
    """What became of copies (docs/design/mirroring.md section 4)."""

    COPIED = 1
    TRUNCATED = 2
    OVER_BUDGET = 3
    NO_TARGET = 4
    REFUSED = 5
    FAILED = 6
    OVERLOAD = 7


class FlowFlag(IntFlag):
    """The state of a flow."""

    INITIATOR_EGRESS = 1
    REPLIED = 2
    FIN_EGRESS = 4
    FIN_INGRESS = 8
    RST = 16
    REVOKED = 32
    KEEP = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The one element of `settings`."""

    FORMAT: ClassVar[str] = "=II"
    epoch: int = 0
    mirror_ifindex: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PortEntry:
    """A value of `links`; the key is the ifindex of the host end."""

    FORMAT: ClassVar[str] = "=QQIIII6sH"
    egress: int
    ingress: int
    number: int
    network: int
    scope: int
    mtu: int
    mac: bytes
    flags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingKey:
    """A key of `forwarding`."""

    FORMAT: ClassVar[str] = "=I6s2x"
    network: int
    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingEntry:
    """A value of `forwarding`."""

    FORMAT: ClassVar[str] = "=II"
    ifindex: int
    flags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingKey:
    """A key of `bindings`; the value is a 32-bit BindingKind."""

    FORMAT: ClassVar[str] = "=II6sBx16s"
    prefixlen: int
    port: int
    mac: bytes
    family: int
    address: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpKey:
    """A key of `virtual_ips` and of `vip_owners`."""

    FORMAT: ClassVar[str] = "=I16s"
    network: int
    address: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIp:
    """A value of `virtual_ips`."""

    FORMAT: ClassVar[str] = "=II"
    policy: int
    pinned_owner: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpOwner:
    """A value of `vip_owners`; made by the driver, then written by from_port under its lock."""

    FORMAT: ClassVar[str] = "=IIIIQQ6sHI4x"
    lock: int = 0
    owner: int = 0
    ifindex: int = 0
    challenger: int = 0
    seen_at: int = 0
    taken_at: int = 0
    mac: bytes = bytes(6)
    priority: int = 0
    takes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpMemberKey:
    """A key of `vip_members`."""

    FORMAT: ClassVar[str] = "=II16s"
    network: int
    port: int
    address: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualIpMember:
    """A value of `vip_members`; the program writes the times, losing them is harmless."""

    FORMAT: ClassVar[str] = "=QQ6s2x"
    announced_at: int = 0
    announced_before_at: int = 0
    virtual_mac: bytes = bytes(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimEvent:
    """An element of the ring buffer `claims`."""

    FORMAT: ClassVar[str] = "=QIII16s6sHBB2x"
    at: int
    network: int
    port: int
    other: int
    address: bytes
    mac: bytes
    priority: int
    kind: int
    flags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterKey:
    """A key of `counters`; reason 0 counts what was allowed."""

    FORMAT: ClassVar[str] = "=IBB2x"
    port: int
    direction: int
    reason: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One CPU's value of `counters`."""

    FORMAT: ClassVar[str] = "=QQ"
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorWayKey:
    """A key of `mirror_ways`."""

    FORMAT: ClassVar[str] = "=III"
    session: int
    port: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorWay:
    """A value of `mirror_ways`; the outer addresses are bytes."""

    FORMAT: ClassVar[str] = "=QII4s4s6s6sHH"
    bytes_per_second: int
    ifindex: int
    vni: int
    source: bytes
    target: bytes
    source_mac: bytes
    target_mac: bytes
    packet_length: int
    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorCounterKey:
    """A key of `mirror_counters`."""

    FORMAT: ClassVar[str] = "=IIBB2x"
    session: int
    port: int
    direction: int
    outcome: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowKey:
    """A key of `flows`; the two values are in wire order, so they are bytes here."""

    FORMAT: ClassVar[str] = "=IBB2s16s16s2sBx"
    port: int
    family: int
    protocol: int
    local_value: bytes
    local: bytes
    remote: bytes
    remote_value: bytes
    asker: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A value of `flows`."""

    FORMAT: ClassVar[str] = "=QQIII6s2xI"
    seen_at: int
    label: int
    flags: int
    epoch: int
    bound_epoch: int
    local_mac: bytes
    held_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentKey:
    """A key of `fragments`."""

    FORMAT: ClassVar[str] = "=IIBBBx16s16s"
    port: int
    identification: int
    direction: int
    family: int
    protocol: int
    source: bytes
    destination: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A value of `fragments`."""

    FORMAT: ClassVar[str] = "=Q"
    allowed_at: int


class Record(Protocol):
    """A dataclass whose fields are laid out by FORMAT, in order; `x` is padding."""

    FORMAT: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=Record)


def encode_record(record: Record) -> bytes:
    """Return the bytes of a record as the programs see them."""
    return struct.pack(record.FORMAT, *astuple(record))


def decode_record(kind: type[R], raw: bytes) -> R:
    """Read back what `encode_record` wrote; raise struct.error when the size is wrong."""
    names = [each.name for each in fields(kind)]
    return kind(**dict(zip(names, struct.unpack(kind.FORMAT, raw), strict=True)))


def encode_address(address: IpAddress) -> bytes:
    """Return 16 bytes, IPv4 as IPv4-mapped."""
    packed: bytes = address.packed
    return _MAPPED + packed if address.version == 4 else packed  # noqa: PLR2004 the IP version


def decode_address(raw: bytes) -> IpAddress:
    """Read back what `encode_address` wrote."""
    if raw.startswith(_MAPPED):
        return IPv4Address(raw[len(_MAPPED) :])
    return IPv6Address(raw)
