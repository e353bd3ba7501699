"""What happens to a packet under a rule set: the verdict, and the way to it.

Pure. The tables are asked in the kernel's order. What a rule set does not settle is not guessed:
the verdict is DEPENDS, with the texts it depends on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from portlight.guest.iptables.conditions import conditions_of, rule_meets, unknown_to
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.readers import mark_and_mask
from portlight.guest.iptables.rules import Chain, Rule, RuleSet, Table
from portlight.guest.iptables.saved_rules import possible_rules
from portlight.guest.iptables.spelling import rule_text

_PREROUTING: Final = (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("nat", "PREROUTING"))
_POSTROUTING: Final = (("mangle", "POSTROUTING"), ("nat", "POSTROUTING"))
WAYS: Final[Mapping[Hook, tuple[tuple[str, str], ...]]] = {
    Hook.INPUT: (
        *_PREROUTING,
        ("mangle", "INPUT"),
        ("filter", "INPUT"),
        ("security", "INPUT"),
        ("nat", "INPUT"),
    ),
    Hook.FORWARD: (
        *_PREROUTING,
        ("mangle", "FORWARD"),
        ("filter", "FORWARD"),
        ("security", "FORWARD"),
        *_POSTROUTING,
    ),
    Hook.OUTPUT: (
        ("raw", "OUTPUT"),
        ("mangle", "OUTPUT"),
        ("nat", "OUTPUT"),
        ("filter", "OUTPUT"),
        ("security", "OUTPUT"),
        *_POSTROUTING,
    ),
}
"""By direction: tables and chains in the order of netfilter's priorities."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The end of a packet's way."""

    verdict: Verdict
    table: str
    chain: str
    number: int | None
    """Of the rule that decided; None is the policy."""
    text: str
    trail: tuple[Step, ...]
    depends_on: tuple[str, ...] = ()
    """What would have to be known, if the verdict is DEPENDS."""


@dataclass(frozen=True, slots=True)
class _End:
    verdict: Verdict
    step: Step


_RETURNED: Final = "returned"
_Outcome = _End | str | None
"""A verdict, a return out of the chain, or None: the packet goes on."""


@dataclass(slots=True)
class _Walk:
    """A packet on its way through one table."""

    ruleset: RuleSet
    table: Table
    packet: Packet
    trail: list[Step] = field(default_factory=list)
    possible: list[_End] = field(default_factory=list)
    depends_on: list[str] = field(default_factory=list)
    is_certain: bool = True
    """Whether the packet is here for sure."""


def decide(ruleset: RuleSet, packet: Packet, *, only: str | None = None) -> Decision:
    """Return what a rule set does to a packet; `only` asks one table."""
    trail: list[Step] = []
    possible: list[_End] = []
    depends_on: list[str] = []
    last: _End | None = None
    for table_name, chain_name in WAYS[packet.hook]:
        table = ruleset.tables.get(table_name)
        if table is None or chain_name not in table.chains or only not in {None, table_name}:
            continue
        if table_name == "nat" and packet.state not in {"NEW", None}:
            continue  # Only the first packet of a connection meets this table.
        walk = _Walk(ruleset, table, _seen_at(packet, chain_name))
        last = _walk_base(walk, table.chains[chain_name])
        trail.extend(walk.trail)
        depends_on.extend(walk.depends_on)
        possible.extend(walk.possible)
        packet = replace(
            packet,
            mark=walk.packet.mark,
            state=walk.packet.state,
            destination=walk.packet.destination,
            destination_port=walk.packet.destination_port,
        )
        if last.verdict is not Verdict.ACCEPT:
            break
    if last is None:
        last = _End(Verdict.ACCEPT, _nothing_there(packet, only))
    return _decision(last, trail, possible, depends_on)


def _nothing_there(packet: Packet, only: str | None) -> Step:
    return Step(table=only or "filter", chain=packet.hook, number=None, text="ACCEPT")


def _seen_at(packet: Packet, chain: str) -> Packet:
    """Return the packet as a chain sees it: not every hook knows both interfaces."""
    if chain in {"PREROUTING", "INPUT"}:
        return replace(packet, out_interface="")
    if chain in {"OUTPUT", "POSTROUTING"}:
        return replace(packet, in_interface="")
    return packet


def _decision(
    last: _End, trail: list[Step], possible: list[_End], depends_on: list[str]
) -> Decision:
    open_ends = [end for end in possible if end.verdict is not last.verdict]
    verdict = Verdict.DEPENDS if open_ends or last.verdict is Verdict.DEPENDS else last.verdict
    step = open_ends[0].step if open_ends else last.step
    return Decision(
        verdict=verdict,
        table=step.table,
        chain=step.chain,
        number=step.number,
        text=step.text,
        trail=tuple(trail),
        depends_on=tuple(dict.fromkeys(depends_on)) if verdict is Verdict.DEPENDS else (),
    )


def _walk_base(walk: _Walk, chain: Chain) -> _End:
    """Walk a built-in chain to its end, which is a verdict in any case."""
    outcome = _walk_chain(walk, chain)
    if isinstance(outcome, _End):
        return outcome
    policy = chain.policy or "ACCEPT"
    step = Step(table=walk.table.name, chain=chain.name, number=None, text=policy)
    walk.trail.append(step)
    return _End(Verdict(policy), step)


def _walk_chain(walk: _Walk, chain: Chain) -> _Outcome:
    """Walk a chain; what only might happen is noted and walked past."""
    certain_before = walk.is_certain
    outcome: _Outcome = None
    # Where a packet goes is changed only by what ends its walk, so it is the same for all of them.
    for number, rule in possible_rules(chain.rules, walk.packet):
        met = rule_meets(walk.packet, rule, walk.ruleset.family)
        if met is False:
            continue
        if met is None:
            asked = conditions_of(rule, walk.ruleset.family)
            walk.depends_on.extend(unknown_to(walk.packet, asked))
        outcome = _meet(walk, chain, number, rule, is_certain=met is True)
        if outcome is not None:
            break
    walk.is_certain = certain_before
    return outcome


def _meet(walk: _Walk, chain: Chain, number: int, rule: Rule, *, is_certain: bool) -> _Outcome:
    """Let a rule have its effect; return an outcome only if it is sure to come."""
    sure = walk.is_certain and is_certain
    step = Step(
        table=walk.table.name,
        chain=chain.name,
        number=number,
        text=rule_text(rule),
        is_certain=sure,
    )
    walk.trail.append(step)
    name = rule.target.name if rule.target else ""
    if name in walk.table.chains:
        return _jump(walk, rule, name, is_certain=is_certain)
    if name == "RETURN":
        return _return(walk, is_certain=is_certain)
    if name in Verdict.__members__:
        end = _End(Verdict(name), step)
        if is_certain:
            return _settled(walk, end)
        walk.possible.append(end)
        return None
    return _act(walk, rule, step, is_certain=is_certain)


def _settled(walk: _Walk, end: _End) -> _Outcome:
    """End the walk here if the packet is here for sure; else this chain's walk only."""
    if walk.is_certain:
        return end
    walk.possible.append(end)
    return _RETURNED


def _return(walk: _Walk, *, is_certain: bool) -> _Outcome:
    if is_certain:
        return _RETURNED
    # Perhaps it is gone: what follows in this chain may happen or not.
    walk.is_certain = False
    return None


def _jump(walk: _Walk, rule: Rule, name: str, *, is_certain: bool) -> _Outcome:
    before = walk.is_certain
    walk.is_certain = before and is_certain
    outcome = _walk_chain(walk, walk.table.chains[name])
    walk.is_certain = before
    if isinstance(outcome, _End):
        return outcome
    if rule.is_goto:
        return _return(walk, is_certain=is_certain)
    return None


def _act(walk: _Walk, rule: Rule, step: Step, *, is_certain: bool) -> _Outcome:
    """Let a target that is no verdict change what later rules see."""
    target = rule.target
    if target is None or target.name in _HARMLESS:
        return None
    if target.name == "MARK":
        walk.packet = replace(walk.packet, mark=_marked(walk.packet, rule, is_certain=is_certain))
        return None
    if target.name in {"NOTRACK", "CT"}:
        untracked = target.name == "NOTRACK" or any(
            each.name == "--notrack" for each in target.options
        )
        state = "UNTRACKED" if untracked else walk.packet.state
        walk.packet = replace(walk.packet, state=state if is_certain else None)
        return None
    if target.name in _TRANSLATIONS:
        return _translate(walk, rule, step, is_certain=is_certain)
    walk.depends_on.append(f"-j {target.name}")
    walk.possible.append(_End(Verdict.DEPENDS, step))
    return None


_HARMLESS: Final = frozenset(
    {"LOG", "NFLOG", "TRACE", "TCPMSS", "CONNMARK", "TOS", "DSCP", "AUDIT", "CHECKSUM", "ULOG"}
)
"""Targets after which the packet goes on unchanged, as far as rules that we model can see."""
_TRANSLATIONS: Final = frozenset({"DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"})


def _marked(packet: Packet, rule: Rule, *, is_certain: bool) -> int | None:
    setting = rule.target.value("--set-xmark") if rule.target else None
    if setting is None or packet.mark is None or not is_certain:
        return None
    mark, mask = mark_and_mask(setting)
    return (packet.mark & ~mask) ^ mark


def _translate(walk: _Walk, rule: Rule, step: Step, *, is_certain: bool) -> _Outcome:
    """Accept in this table; a new destination is what the later tables see."""
    end = _End(Verdict.ACCEPT, step)
    target = rule.target
    if target is None or target.name in {"SNAT", "MASQUERADE"}:
        return _settled(walk, end) if is_certain else None
    if target.name == "REDIRECT" and is_certain and walk.is_certain:
        port = target.value("--to-ports") if target.options else None
        if port is None or port.isdecimal():
            walk.packet = replace(
                walk.packet,
                destination_port=int(port) if port else walk.packet.destination_port,
            )
            return end
    to = target.value("--to-destination") if target.name == "DNAT" else None
    if to and is_certain and walk.is_certain and walk.packet.hook is not Hook.INPUT:
        return _redirected(walk, to, end)
    walk.depends_on.append(f"where -j {target.name} sends it")
    walk.possible.append(_End(Verdict.DEPENDS, step))
    return end if is_certain and walk.is_certain else None


def _redirected(walk: _Walk, to: str, end: _End) -> _Outcome:
    """Give the packet its new destination, if it is one address and at most one port."""
    address, port = to, ""
    if walk.ruleset.family == 4 and ":" in to:  # noqa: PLR2004 -- the family's name
        address, _, port = to.partition(":")
    elif to.startswith("["):
        address, _, port = to[1:].partition("]:")
    try:
        destination = ip_address(address) if address else walk.packet.destination
        number = int(port) if port else walk.packet.destination_port
    except ValueError:
        walk.depends_on.append(f"which address or port of {to} is taken")
        walk.possible.append(_End(Verdict.DEPENDS, end.step))
        return end
    walk.packet = replace(walk.packet, destination=destination, destination_port=number)
    return end
