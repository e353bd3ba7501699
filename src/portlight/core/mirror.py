"""Traffic mirroring: filters, their rules, and sessions that copy packets of sources to a target.

Meaning: docs/design/mirroring.md.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from portlight.core.meta import Meta
from portlight.core.security_group import Direction, EtherType
from portlight.values.addresses import IpPrefix
from portlight.values.ids import MirrorFilterId, MirrorFilterRuleId, MirrorSessionId, PortId
from portlight.values.ranges import PortRange

DEFAULT_VNI = 1
DEFAULT_PACKET_LENGTH = 96
WHOLE_PACKET = 0
"""The `packet_length` that keeps everything (an extension of ours)."""


class MirrorAction(StrEnum):
    """What a matching rule says; a reject ends the search as well."""

    ACCEPT = "accept"
    REJECT = "reject"


class MirrorOutcome(StrEnum):
    """What became of a packet that a session chose (docs/design/mirroring.md, section 4)."""

    COPIED = "copied"
    TRUNCATED = "truncated"
    """Of the copied ones."""
    OVER_BUDGET = "over_budget"
    NO_TARGET = "no_target"
    REFUSED = "refused"
    FAILED = "failed"
    OVERLOAD = "overload"


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorFilter:
    """A named set of rules; a session names the filters by which it chooses packets."""

    id: MirrorFilterId
    meta: Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorFilterRule:
    """Accept or reject packets of one direction and family that match every given selector.

    Source and destination are the packet's own. Ports only with TCP and UDP.
    """

    id: MirrorFilterRuleId
    mirror_filter_id: MirrorFilterId
    meta: Meta
    direction: Direction
    ethertype: EtherType
    action: MirrorAction
    priority: int
    """1..65535, the smaller first; unique within filter and direction."""
    protocol: int | None = None
    """IANA protocol number; None is every protocol."""
    source_prefix: IpPrefix | None = None
    destination_prefix: IpPrefix | None = None
    source_ports: PortRange | None = None
    destination_ports: PortRange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSession:
    """Copies what the filters choose from the sources to the target, while it is enabled."""

    id: MirrorSessionId
    number: int
    """1..2^31-1, unique for ever within a deployment; names the session in the data plane."""
    meta: Meta
    priority: int
    """1..32766, the smaller first; unique within the project."""
    mirror_filter_ids: tuple[MirrorFilterId, ...]
    """Tried in this order as if they were one list of rules; usually one."""
    source_port_ids: tuple[PortId, ...] = ()
    target_port_id: PortId | None = None
    """None when the target was deleted: nothing is copied then, unless there is a `target_ip`."""
    target_ip: IPv4Address | None = None
    """A target outside the cloud, instead of a port (an extension of ours)."""
    vni: int = DEFAULT_VNI
    packet_length: int = DEFAULT_PACKET_LENGTH
    """Bytes of the inner frame that a copy keeps: 1..1460, or WHOLE_PACKET."""
    enabled: bool = False
    copies_all: bool = False
    """Copy whatever the other sessions of the source decide, instead of first match (row X8)."""
    copies_drops: bool = False
    """Copy what the source's port dropped, with the reason, instead of what passed (row X9)."""
    bytes_per_second: int | None = None
    """Budget of the copies of each source and direction, encapsulation included; None: none."""

    @property
    def has_target(self) -> bool:
        """Whether copies lead anywhere; not after its target was deleted."""
        return self.target_port_id is not None or self.target_ip is not None
