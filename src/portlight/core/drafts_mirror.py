"""What a caller asks for: mirror filters, their rules, mirror sessions. See `core/drafts.py`."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from portlight.core.drafts import UNSET, Unset
from portlight.core.mirror import MirrorAction
from portlight.core.security_group import Direction, EtherType
from portlight.values.addresses import IpPrefix
from portlight.values.ids import MirrorFilterId, PortId, ProjectId
from portlight.values.ranges import PortRange


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorFilterDraft:
    """Create or change a filter. Its rules are things of their own."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorFilterRuleChange:
    """Change a rule. Its filter and direction are for life."""

    description: str | Unset = UNSET
    ethertype: EtherType | Unset = UNSET
    action: MirrorAction | Unset = UNSET
    priority: int | Unset = UNSET
    protocol: int | Unset | None = UNSET
    """IANA protocol number; None: every protocol."""
    source_prefix: IpPrefix | Unset | None = UNSET
    destination_prefix: IpPrefix | Unset | None = UNSET
    source_ports: PortRange | Unset | None = UNSET
    destination_ports: PortRange | Unset | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorFilterRuleDraft(MirrorFilterRuleChange):
    """Create a rule."""

    mirror_filter_id: MirrorFilterId
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSessionDraft:
    """Create or change a session."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    priority: int | Unset = UNSET
    mirror_filter_ids: tuple[MirrorFilterId, ...] | Unset = UNSET
    source_port_ids: tuple[PortId, ...] | Unset = UNSET
    target_port_id: PortId | Unset | None = UNSET
    target_ip: IPv4Address | Unset | None = UNSET
    """It takes the place of a target port, and a target port that of it."""
    vni: int | Unset = UNSET
    packet_length: int | Unset = UNSET
    enabled: bool | Unset = UNSET
    copies_all: bool | Unset = UNSET
    copies_drops: bool | Unset = UNSET
    bytes_per_second: int | Unset | None = UNSET
