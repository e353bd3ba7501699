"""What agents report, and what is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from portlight.core.instance import InstanceStatus
from portlight.core.mirror import MirrorOutcome
from portlight.core.observation import ErrorReport
from portlight.core.port import PortStatus
from portlight.core.security_group import Direction
from portlight.core.topology import Entity
from portlight.core.virtual_ip import AnnouncementKind
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.ids import HostName, InstanceId, MirrorSessionId, PortId, ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReport:
    """How far the data path of a port is."""

    number: int
    status: PortStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReport:
    """How an instance is."""

    id: InstanceId
    status: InstanceStatus
    namespace: str = ""
    init_pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WayReport:
    """A router or a floating IP that is in place on the host."""

    number: int
    revision: int
    """The revision of the entity that is in place: an older one does not make it ACTIVE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReport:
    """An announcement of a virtual IP that moved it, or was refused."""

    network: int
    """Network number."""
    address: IpAddress
    port: int
    """Port number."""
    mac: MacAddress
    kind: AnnouncementKind
    accepted: bool
    at: float
    """Seconds since the epoch, UTC."""
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterReport:
    """Packets of a port that went the same way, since the port has its number."""

    port: int
    """Port number."""
    direction: Direction
    reason: str | None = None
    """The label of a DropReason; None: allowed."""
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorReport:
    """Copies of one session and source that fared alike, since the session has its number."""

    session: int
    """Session number."""
    port: int
    """Port number of the source."""
    direction: Direction
    outcome: MirrorOutcome
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """Everything that an agent tells at once."""

    host: HostName
    applied_sequence: int = 0
    ports: tuple[PortReport, ...] = ()
    instances: tuple[InstanceReport, ...] = ()
    routers: tuple[WayReport, ...] = ()
    floating_ips: tuple[WayReport, ...] = ()
    claims: tuple[ClaimReport, ...] = ()
    counters: tuple[CounterReport, ...] = ()
    mirrors: tuple[MirrorReport, ...] = ()
    errors: tuple[ErrorReport, ...] = ()

    @property
    def tells_of_entities(self) -> bool:
        """Whether it says something that entities keep."""
        ways = self.routers or self.floating_ips
        return bool(self.ports or self.instances or ways or self.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entity of the change stream; `entity` None: it is gone."""

    kind: str
    id: str
    entity: Entity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBatch:
    """What an agent has to know after a sequence number."""

    sequence: int
    """Ask for what comes after this one next."""
    snapshot: bool
    """The changes are all entities there are: forget all others."""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Packets and their bytes (of whole frames)."""

    packets: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PortCounters:
    """What became of the packets of a port."""

    port_id: PortId
    port_number: int
    project_id: ProjectId
    allowed: Mapping[Direction, Count] = field(default_factory=dict)
    dropped: Mapping[Direction, Mapping[str, Count]] = field(default_factory=dict)
    """By direction and drop reason label; a reason that never happened is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorCounters:
    """What became of what a session chose from one source in one direction."""

    session_id: MirrorSessionId
    port_id: PortId
    direction: Direction
    outcomes: Mapping[MirrorOutcome, Count]
    """Every outcome, those that never happened too."""

    @property
    def matched(self) -> int:
        """Packets that were to be copied: a truncated copy is one of the copied."""
        return sum(
            count.packets
            for outcome, count in self.outcomes.items()
            if outcome is not MirrorOutcome.TRUNCATED
        )
