"""What the data path remembers from one packet to the next, as values.

The verdict reads a PathState and returns what it would write; it changes nothing itself. Times are
seconds of one monotonic clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from portlight.core.security_group import Direction
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.ids import NetworkId, PortId
from portlight.values.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowKey:
    """Names a flow of one port; local is the port's side."""

    port_id: PortId
    protocol: int
    local: IpAddress
    local_value: int
    remote: IpAddress
    remote_value: int
    """Values are ports, or twice the identifier of an echo, or 0."""
    asker: Direction | None = None
    """For an ICMP echo, the direction of its requests: both sides may use one identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A flow that was allowed once."""

    initiator: Direction
    epoch: int
    """The rules that allowed (or revoked) it last."""
    seen_at: float
    keep: bool = False
    """A rule that made it lets it outlive the rules."""
    is_replied: bool = False
    finished: frozenset[Direction] = frozenset()
    """Directions in which a TCP FIN was seen."""
    is_reset: bool = False
    is_revoked: bool = False

    @property
    def is_closing(self) -> bool:
        """Whether TCP has ended it."""
        return self.is_reset or len(self.finished) == len(Direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentKey:
    """Names a fragmented datagram at one port and direction."""

    port_id: PortId
    direction: Direction
    source: IpAddress
    destination: IpAddress
    protocol: int
    identification: int


OwnerKey = tuple[NetworkId, IpAddress]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who holds a virtual IP now."""

    port_id: PortId
    seen_at: float
    mac: MacAddress | None = None
    """The claimed one; None for an owner that the API has set."""
    priority: int = 0
    """Of its last VRRP announcement, 0 without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathState:
    """All that is remembered."""

    flows: Mapping[FlowKey, Flow] = field(default_factory=dict)
    fragments: Mapping[FragmentKey, float] = field(default_factory=dict)
    """When the first fragment was allowed last."""
    owners: Mapping[OwnerKey, Owner] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlowWrite:
    """Remember a flow."""

    key: FlowKey
    flow: Flow


@dataclass(frozen=True, slots=True)
class FragmentWrite:
    """Remember that a first fragment was allowed."""

    key: FragmentKey
    allowed_at: float


@dataclass(frozen=True, slots=True)
class OwnerWrite:
    """Remember who owns a virtual IP."""

    key: OwnerKey
    owner: Owner


Write = FlowWrite | FragmentWrite | OwnerWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What happens to a packet, and what is remembered of it."""

    verdict: Verdict
    writes: tuple[Write, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a packet finds: the memory, the time, and the number of the rules in force."""

    state: PathState = field(default_factory=PathState)
    now: float = 0.0
    epoch: int = 0
    """Grows with every change of policy, members or ports."""


def remember(state: PathState, writes: Iterable[Write]) -> PathState:
    """Return the state after `writes`."""
    flows, fragments, owners = dict(state.flows), dict(state.fragments), dict(state.owners)
    for write in writes:
        match write:
            case FlowWrite(key, flow):
                flows[key] = flow
            case FragmentWrite(place, allowed_at):
                fragments[place] = allowed_at
            case OwnerWrite(address, owner):
                owners[address] = owner
    return replace(state, flows=flows, fragments=fragments, owners=owners)
