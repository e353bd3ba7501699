"""What happens to a packet under a rule set: the verdict, and the way to it.

Pure. The tables are asked in the kernel's order. What a rule set does not settle is not guessed:
the verdict is DEPENDS, with the texts it depends on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from portlight.guest.iptables.conditions import conditions_of, rule_meets, unknown_to
from portlight.guest.iptables.effects import act
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.rules import Chain, Rule, RuleSet, Table
from portlight.guest.iptables.saved_rules import possible_rules
from portlight.guest.iptables.spelling import rule_text
from portlight.guest.iptables.walk import RETURNED, End, Outcome, Step, Verdict, Walk, settled

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
    last: Packet
    """The packet as it leaves the last table: with its mark, and with where it goes by then."""
    depends_on: tuple[str, ...] = ()
    """What would have to be known, if the verdict is DEPENDS."""


def decide(ruleset: RuleSet, packet: Packet, *, only: str | None = None) -> Decision:
    """Return what a rule set does to a packet; `only` asks one table."""
    trail: list[Step] = []
    possible: list[End] = []
    depends_on: list[str] = []
    last: End | None = None
    for table_name, chain_name in WAYS[packet.hook]:
        if table_name == "nat":
            packet = _carried(packet)
        table = ruleset.tables.get(table_name)
        if table is None or chain_name not in table.chains or only not in {None, table_name}:
            continue
        if table_name == "nat" and not _meets_nat(packet, chain_name):
            continue
        walk = _walk_of(ruleset, table, packet, chain_name)
        last = _walk_base(walk, table.chains[chain_name])
        trail.extend(walk.trail)
        depends_on.extend(walk.depends_on)
        possible.extend(walk.possible)
        packet = _left_behind(packet, walk)
        if last.verdict is not Verdict.ACCEPT:
            break
    if last is None:
        last = End(Verdict.ACCEPT, _nothing_there(packet, only))
    return _decision(last, trail, possible, depends_on, packet)


def _left_behind(packet: Packet, walk: Walk) -> Packet:
    """Return the packet as the next table gets it."""
    left = walk.packet
    now = (left.mark, walk.state, left.destination, left.destination_port)
    if now == (packet.mark, packet.state, packet.destination, packet.destination_port):
        return packet
    mark, state, destination, port = now
    return replace(packet, mark=mark, state=state, destination=destination, destination_port=port)


def _carried(packet: Packet) -> Packet:
    """Return a packet of a known connection with the destination that its first packet was given.

    Conntrack gives it in front of the first chain of nat, whose rules it never meets.
    """
    if packet.carried_to is None or packet.state in {"NEW", "UNTRACKED", "INVALID"}:
        return packet
    address, port = packet.carried_to
    return replace(packet, destination=address, destination_port=port)


def _meets_nat(packet: Packet, chain: str) -> bool:
    """Whether nat is asked: only by the first packet of a connection, and on one side only."""
    is_done = _is_looped(packet, chain)  # by OUTPUT and POSTROUTING, before it came back
    return packet.state in {"NEW", None} and not is_done


def _is_looped(packet: Packet, chain: str) -> bool:
    return chain in {"PREROUTING", "INPUT"} and packet.in_interface == "lo"


def _walk_of(ruleset: RuleSet, table: Table, packet: Packet, chain: str) -> Walk:
    """Return a packet at the beginning of a table.

    Conntrack comes behind raw: there nothing has a connection yet, which rules see as INVALID. Only
    what this server sends to itself keeps the one that it got on its way out.
    """
    seen, is_tracked = _seen_at(packet, chain), True
    if table.name == "raw" and not _is_looped(packet, chain):
        is_unsure = chain == "PREROUTING" and packet.in_interface is None
        unsure = packet.state if packet.state == "INVALID" else None
        seen, is_tracked = replace(seen, state=unsure if is_unsure else "INVALID"), False
    return Walk(ruleset, table, seen, packet.state, is_tracked)


def _nothing_there(packet: Packet, only: str | None) -> Step:
    return Step(table=only or "filter", chain=packet.hook, number=None, text="ACCEPT")


def _seen_at(packet: Packet, chain: str) -> Packet:
    """Return the packet as a chain sees it: not every hook knows both interfaces."""
    if chain in {"PREROUTING", "INPUT"} and packet.out_interface != "":
        return replace(packet, out_interface="")
    if chain in {"OUTPUT", "POSTROUTING"} and packet.in_interface != "":
        return replace(packet, in_interface="")
    return packet


def _decision(
    last: End, trail: list[Step], possible: list[End], depends_on: list[str], packet: Packet
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
        last=packet,
        depends_on=tuple(dict.fromkeys(depends_on)) if verdict is Verdict.DEPENDS else (),
    )


def _walk_base(walk: Walk, chain: Chain) -> End:
    """Walk a built-in chain to its end, which is a verdict in any case."""
    outcome = _walk_chain(walk, chain)
    if isinstance(outcome, End):
        return outcome
    policy = chain.policy or "ACCEPT"
    step = Step(table=walk.table.name, chain=chain.name, number=None, text=policy)
    walk.trail.append(step)
    return End(Verdict(policy), step)


def _walk_chain(walk: Walk, chain: Chain) -> Outcome:
    """Walk a chain; what only might happen is noted and walked past."""
    certain_before = walk.is_certain
    outcome: Outcome = None
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


def _meet(walk: Walk, chain: Chain, number: int, rule: Rule, *, is_certain: bool) -> Outcome:
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
        end = End(Verdict(name), step)
        if is_certain:
            return settled(walk, end)
        walk.possible.append(end)
        return None
    return act(walk, rule, step, is_certain=is_certain)


def _return(walk: Walk, *, is_certain: bool) -> Outcome:
    if is_certain:
        return RETURNED
    # Perhaps it is gone: what follows in this chain may happen or not.
    walk.is_certain = False
    return None


def _jump(walk: Walk, rule: Rule, name: str, *, is_certain: bool) -> Outcome:
    before = walk.is_certain
    walk.is_certain = before and is_certain
    outcome = _walk_chain(walk, walk.table.chains[name])
    walk.is_certain = before
    if isinstance(outcome, End):
        return outcome
    if rule.is_goto:
        return _return(walk, is_certain=is_certain)
    return None
