"""A packet on its way through one table, and how far it is settled where it goes.

Values, and what is noted in them on the way.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from portlight.guest.iptables.packet import Packet
from portlight.guest.iptables.rules import RuleSet, Table


class Verdict(StrEnum):
    """What becomes of a packet."""

    ACCEPT = "ACCEPT"
    DROP = "DROP"
    REJECT = "REJECT"
    QUEUE = "QUEUE"
    DEPENDS = "DEPENDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule or policy that a packet met."""

    table: str
    chain: str
    number: int | None
    """Of the rule, from 1; None is the policy."""
    text: str
    """The rule without -A and its chain, or the policy."""
    is_certain: bool = True
    """Whether the packet matches it for sure."""


@dataclass(frozen=True, slots=True)
class End:
    """Where a walk ends, and with what."""

    verdict: Verdict
    step: Step


RETURNED: Final = "returned"
Outcome = End | str | None
"""A verdict, a return out of the chain, or None: the packet goes on."""


@dataclass(slots=True)
class Walk:
    """A packet on its way through one table."""

    ruleset: RuleSet
    table: Table
    packet: Packet
    """As this table sees it."""
    state: str | None
    """Of the connection, as the tables behind this one see it."""
    is_tracked: bool
    """Whether its connection, or what it is to be, is chosen: then no rule chooses again."""
    trail: list[Step] = field(default_factory=list)
    possible: list[End] = field(default_factory=list)
    depends_on: list[str] = field(default_factory=list)
    is_certain: bool = True
    """Whether the packet is here for sure."""


def settled(walk: Walk, end: End) -> Outcome:
    """End the walk here if the packet is here for sure; else this chain's walk only."""
    if walk.is_certain:
        return end
    walk.possible.append(end)
    return RETURNED
