"""Security groups and their rules. Rules allow; what no rule allows is dropped."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.meta import Meta
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressGroupId, SecurityGroupId, SecurityGroupRuleId
from portlight.values.ranges import PortRange

SMALLEST_ROOM = 512
"""Rules for which every group has room."""


class Direction(StrEnum):
    """From the port's view: ingress is toward the guest."""

    INGRESS = "ingress"
    EGRESS = "egress"


class EtherType(StrEnum):
    """The address family of a rule, in Neutron's spelling."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


class EstablishedFlows(StrEnum):
    """What happens to a running flow when no rule allows it any more (row P25)."""

    CUT = "cut"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A named set of allow rules; its members are the ports that carry it."""

    id: SecurityGroupId
    number: int
    """1..2^31-1, unique for ever within a deployment; names the group in the data plane."""
    meta: Meta
    stateful: bool = True
    established_flows: EstablishedFlows = EstablishedFlows.CUT
    is_default: bool = False
    room: int = SMALLEST_ROOM
    """What its rules take of a port's PORT_ROOM: see `core/group_room.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpSelector:
    """ICMP or ICMPv6 type, and code when it matters (None: every code)."""

    type: int
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupRule:
    """Allow packets of one direction and family that match every given selector.

    At most one of `ports` and `icmp` is set, and at most one of the three remotes.
    """

    id: SecurityGroupRuleId
    security_group_id: SecurityGroupId
    meta: Meta
    direction: Direction
    ethertype: EtherType = EtherType.IPV4
    protocol: int | None = None
    """IANA protocol number; None is every protocol. `icmp` with IPv6 is stored as 58."""
    protocol_spelling: str | None = None
    """The protocol as the client wrote it, for the answer."""
    ports: PortRange | None = None
    """Destination ports, for TCP, UDP, SCTP, DCCP and UDP-Lite."""
    icmp: IcmpSelector | None = None
    remote_prefix: IpPrefix | None = None
    remote_spelling: str | None = None
    """The remote prefix as the client wrote it, when its host bits are not zero."""
    remote_group_id: SecurityGroupId | None = None
    remote_address_group_id: AddressGroupId | None = None
