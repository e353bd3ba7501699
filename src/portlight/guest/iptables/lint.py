"""Rules that do nothing: never reached, never matched, never met.

Pure. A rule is called shadowed only when sets of packets prove it: everything it could match was
taken by earlier rules of its chain. What is not modelled never hides another rule, and never makes
one look hidden.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from portlight.guest.iptables.boxes import Box, TooManyBoxesError, all_minus, both, box_of, minus
from portlight.guest.iptables.conditions import conditions_of
from portlight.guest.iptables.meaning import Condition, Field, Named, Within
from portlight.guest.iptables.rules import Chain, Rule, RuleSet, Table
from portlight.guest.iptables.spelling import rule_text

_PIECES: Final = 64
"""A rule left over in more pieces than this is not called shadowed."""
_NARROW: Final = 256
"""Addresses. Rules for fewer sources are found by the source, the others are all asked."""
_ENDS: Final = frozenset({"ACCEPT", "DROP", "REJECT", "RETURN", "QUEUE"})


class Fault(StrEnum):
    """Why a rule does nothing."""

    SHADOWED = "shadowed"
    IMPOSSIBLE = "impossible"
    UNREFERENCED = "unreferenced"
    NEVER_HIT = "never hit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule, or a whole chain, that does nothing."""

    fault: Fault
    table: str
    chain: str
    number: int | None
    """Of the rule, from 1; None is the chain."""
    text: str
    by: tuple[int, ...] = ()
    """The rules of the same chain that take everything before it."""


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A rule that ends the way through its chain for all it matches."""

    number: int
    box: Box
    interfaces: tuple[Named, ...]


@dataclass(slots=True)
class _Index:
    """Earlier rules; those for one small source are found without asking all."""

    wide: list[_Earlier] = field(default_factory=list)
    narrow: dict[int, list[_Earlier]] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)

    def add(self, earlier: _Earlier) -> None:
        sources = earlier.box.get(Field.SOURCE, ())
        if len(sources) != 1 or sources[0][1] - sources[0][0] >= _NARROW:
            self.wide.append(earlier)
            return
        start = sources[0][0]
        if start not in self.narrow:
            self.starts.insert(bisect_left(self.starts, start), start)
        self.narrow.setdefault(start, []).append(earlier)

    def near(self, box: Box) -> Iterator[_Earlier]:
        """Yield the rules that could share a packet with a box, in no order."""
        yield from self.wide
        if Field.SOURCE not in box:
            for each in self.narrow.values():
                yield from each
            return
        for first, last in box[Field.SOURCE]:
            low = bisect_left(self.starts, first - _NARROW)
            for start in self.starts[low : bisect_right(self.starts, last)]:
                yield from self.narrow[start]


def lint(ruleset: RuleSet) -> tuple[Finding, ...]:
    """Return every rule that does nothing, in the order of the rules."""
    found: list[Finding] = []
    for table in ruleset.tables.values():
        for chain in table.chains.values():
            if chain.policy is None and not table.references(chain.name):
                found.append(_unreferenced(table, chain))
            found.extend(_lint_chain(ruleset.family, table, chain))
    return tuple(found)


def _unreferenced(table: Table, chain: Chain) -> Finding:
    return Finding(
        fault=Fault.UNREFERENCED, table=table.name, chain=chain.name, number=None, text=chain.name
    )


def _lint_chain(family: int, table: Table, chain: Chain) -> Iterator[Finding]:
    index = _Index()
    has_counted = any(rule.counters.packets for rule in chain.rules) or chain.counters.packets > 0
    for number, rule in enumerate(chain.rules, start=1):
        asked = conditions_of(rule, family)
        box = box_of(asked)
        fault, by = _fault(asked, box, index, family)
        if fault is None and has_counted and not rule.counters.packets:
            fault = Fault.NEVER_HIT
        if fault is not None:
            yield Finding(
                fault=fault,
                table=table.name,
                chain=chain.name,
                number=number,
                text=rule_text(rule),
                by=by,
            )
        if box is not None and _ends_all(table, rule, family) and _is_exact(asked):
            index.add(_Earlier(number, box, _named(asked)))


def _fault(
    asked: tuple[Condition, ...], box: Box | None, index: _Index, family: int
) -> tuple[Fault | None, tuple[int, ...]]:
    if box is None:
        return Fault.IMPOSSIBLE, ()
    left, by = [box], []
    for earlier in sorted(index.near(box), key=lambda each: each.number):
        if not _implies(_named(asked), earlier.interfaces) or both(box, earlier.box) is None:
            continue
        try:
            rest = all_minus(left, earlier.box, family, at_most=_PIECES)
        except TooManyBoxesError:
            return None, ()
        if not minus(box, earlier.box, family):
            return Fault.SHADOWED, (earlier.number,)
        if rest != left:
            by.append(earlier.number)
        left = rest
        if not left:
            return Fault.SHADOWED, tuple(by)
    return None, ()


def _named(asked: tuple[Condition, ...]) -> tuple[Named, ...]:
    return tuple(each for each in asked if isinstance(each, Named))


def _is_exact(asked: tuple[Condition, ...]) -> bool:
    """Return whether all that a rule asks for stays as it is while the packet is in the chain."""
    return all(isinstance(each, Within | Named) and each.field is not Field.MARK for each in asked)


def _implies(mine: tuple[Named, ...], others: tuple[Named, ...]) -> bool:
    """Return whether interfaces that are mine are always among the other's."""
    return all(any(_is_within(own, other) for own in mine) for other in others)


def _is_within(own: Named, other: Named) -> bool:
    if own == other:
        return True
    if own.field is not other.field or own.negated or other.negated:
        return False
    return other.is_prefix and own.name.startswith(other.name)


def _ends_all(table: Table, rule: Rule, family: int) -> bool:
    """Return whether what a rule matches goes no further in its chain, whatever it is."""
    name = rule.target.name if rule.target else ""
    if name in table.chains:
        return rule.is_goto or _lets_nothing_back(table, table.chains[name], family)
    return name in _ENDS


def _lets_nothing_back(table: Table, chain: Chain, family: int) -> bool:
    """Return whether a user chain has a verdict for every packet."""
    for rule in chain.rules:
        name = rule.target.name if rule.target else ""
        if name == "RETURN" or rule.is_goto:
            return False
        is_for_all = not conditions_of(rule, family)
        if is_for_all and name in table.chains:
            return _lets_nothing_back(table, table.chains[name], family)
        if is_for_all and name in _ENDS:
            return True
    return False
