"""What of traffic mirroring a host must hold: who is asked, and where the copies go.

A rule that chooses a packet leads to the ways of one version of its session: while a session gets
another filter and another target at once, no packet meets one of the old and one of the new.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from portlight.values.addresses import MacAddress

WayKey = tuple[int, int, int]
"""Number of the session, number of the source port, version."""
_SESSION_BITS: Final = 32


def mirror_label(session: int, version: int) -> int:
    """Return the label of the rules of a session whose ways have this version."""
    return version << _SESSION_BITS | session


def session_of(label: int) -> int:
    """Return the number of the session that a rule copies for."""
    return label & (1 << _SESSION_BITS) - 1


def version_of(label: int) -> int:
    """Return the version of the ways that a rule leads to."""
    return label >> _SESSION_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSourcePlan:
    """Which classifiers the packets of a source are asked; its key is the port's number.

    ALLOW means: copy for the session of the rule's label; DENY: no copy. Each classifier of a
    tuple is asked on its own: the first holds all sessions of which the first match decides, each
    further one a session that copies whatever the others decide.
    """

    egress: tuple[int, ...] = ()
    ingress: tuple[int, ...] = ()
    dropped_egress: tuple[int, ...] = ()
    """The same for packets that the port dropped."""
    dropped_ingress: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorWayPlan:
    """How copies of one source for one session travel."""

    source_mac: MacAddress
    """Of the source, or of the router in the target's network."""
    source_address: IPv4Address
    target_port: int
    """Port number of the target, which has a link on this host."""
    target_mac: MacAddress
    target_address: IPv4Address
    vni: int
    packet_length: int
    """Bytes of the inner frame to keep; 0: all."""
    mtu: int
    """Of the networks on the way, in IP bytes: no copy is longer than this with its headers."""
    bytes_per_second: int | None = None
