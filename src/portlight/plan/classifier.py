"""One ordered classifier: what groups, network ACLs and mirror filters compile to.

The first matching rule decides; when none matches, the packet is not allowed. Local and remote are
the port's view: for egress the local side is the source, for ingress it is the destination.
"""

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from portlight.values.prefixes import PrefixSet
from portlight.values.ranges import PortRange


class Family(IntEnum):
    """IP version of a rule or packet."""

    IPV4 = 4
    IPV6 = 6


class Action(IntEnum):
    """What a matching rule says."""

    ALLOW = 1
    DENY = 2


class RuleFlag(IntFlag):
    """How a matching ALLOW rule treats flows."""

    NONE = 0
    STATELESS = 1
    """Allow this packet only; no flow is remembered."""
    KEEP = 2
    """The flow goes on when no rule allows it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierRule:
    """Match packets of one family by every given selector; None matches everything.

    `local_ports` and `remote_ports` hold for TCP, UDP, SCTP, DCCP and UDP-Lite. `icmp` holds type
    and code as one number, `type << 8 | code`, for ICMP and ICMPv6.
    """

    family: Family
    protocol: int | None = None
    local_prefixes: PrefixSet | None = None
    remote_prefixes: PrefixSet | None = None
    remote_group: int | None = None
    """Number of a group whose members match as the remote side; excludes `remote_prefixes`."""
    source_ports: PortRange | None = None
    destination_ports: PortRange | None = None
    icmp: PortRange | None = None
    action: Action = Action.ALLOW
    flags: RuleFlag = RuleFlag.NONE
    label: int = 0
    """64-bit number by which the rule is recognised (first 8 bytes of its id)."""
    digest: bytes = field(init=False, repr=False, compare=False)
    """Of the content. Held, so that one changed rule of 10,000 does not cost 10,000 digests."""

    def __post_init__(self) -> None:
        digest = hashlib.blake2b(repr(self).encode(), digest_size=16).digest()
        object.__setattr__(self, "digest", digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """Rules in the order in which they are tried."""

    rules: tuple[ClassifierRule, ...] = ()
    key: int = field(init=False, repr=False, compare=False)
    """A 64-bit digest of the content, never 0: equal classifiers are one object on a host."""

    def __post_init__(self) -> None:
        content = b"".join(rule.digest for rule in self.rules)
        digest = hashlib.blake2b(content, digest_size=8).digest()
        object.__setattr__(self, "key", int.from_bytes(digest, "big") or 1)
