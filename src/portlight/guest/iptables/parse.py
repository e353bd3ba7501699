"""From the text of iptables-save to a rule set.

Pure. Reads what the tools write, and the same typed by hand: `*filter` or a bare `filter`, counters
in brackets or none, abbreviations, service names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from portlight.guest.iptables.canonical import parse_canonical
from portlight.guest.iptables.extension import Context
from portlight.guest.iptables.names import PLAIN, Names
from portlight.guest.iptables.problems import CommandError, Dialect
from portlight.guest.iptables.rules import (
    BUILTIN_CHAINS,
    Chain,
    Counters,
    Rule,
    RuleSet,
    Table,
    empty_table,
    in_listing_order,
)
from portlight.guest.iptables.specification import parse_rule
from portlight.guest.iptables.targets import POLICIES
from portlight.guest.iptables.words import split_raw

_COUNTERS: Final = re.compile(r"\[(\d+):(\d+)\]")


class SaveFileError(ValueError):
    """A line of a save file cannot be read."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(slots=True)
class _Open:
    """A table whose COMMIT has not come yet."""

    name: str
    chains: dict[str, Chain] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)


def parse_save(text: str, family: int = 4, names: Names = PLAIN) -> RuleSet:
    """Return the rule set of a save file; a table that stands there twice is the later one."""
    tables: dict[str, Table] = {}
    context = Context(family=family, names=names)
    current: _Open | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        words = split_raw(line)
        if not words or words[0].startswith("#"):
            continue
        try:
            if words == ["COMMIT"] and current is not None:
                tables[current.name] = _closed(current)
                current = None
            elif len(words) == 1 and words[0].removeprefix("*") in BUILTIN_CHAINS:
                current = _opened(words[0].removeprefix("*"), current)
            else:
                _read_line(words, current, context)
        except CommandError as error:
            said, _ = error.said_by(Dialect())
            raise SaveFileError(number, said.strip().splitlines()[0]) from None
        except ValueError as error:
            raise SaveFileError(number, str(error)) from None
    if current is not None:
        raise SaveFileError(len(text.splitlines()), f"table {current.name} has no COMMIT")
    return RuleSet(family=family, tables=tables)


def _opened(name: str, current: _Open | None) -> _Open:
    if current is not None:
        raise ValueError(f"table {current.name} has no COMMIT")
    return _Open(name, dict(empty_table(name).chains))


def _closed(table: _Open) -> Table:
    chains = {
        name: Chain(
            name=name,
            policy=chain.policy,
            counters=chain.counters,
            rules=tuple(table.rules.get(name, ())),
        )
        for name, chain in table.chains.items()
    }
    return Table(name=table.name, chains=in_listing_order(table.name, chains))


def _read_line(words: Sequence[str], table: _Open | None, context: Context) -> None:
    if table is None:
        raise ValueError(f"`{words[0]}' stands in no table")
    if words[0].startswith(":"):
        chain = _chain(words)
        table.chains[chain.name] = chain
        return
    counters = _COUNTERS.fullmatch(words[0])
    rest = words[1:] if counters else words
    if len(rest) < 2 or rest[0] not in {"-A", "--append"}:  # noqa: PLR2004 -- -A and its chain
        raise ValueError(f"`{' '.join(words)}' is no line of a save file")
    if rest[1] not in table.chains:
        raise ValueError(f"chain {rest[1]} was not announced")
    plain = parse_canonical(rest[2:], context)
    rules = (plain,) if plain else parse_rule(rest[2:], context, is_lenient=True)
    if counters:
        rules = tuple(_counted(rule, counters) for rule in rules)
    table.rules.setdefault(rest[1], []).extend(rules)


def _counted(rule: Rule, found: re.Match[str]) -> Rule:
    if found[1] == found[2] == "0":
        return rule
    counters = Counters(int(found[1]), int(found[2]))
    return Rule(rule.options, rule.matches, rule.target, rule.is_goto, counters)


def _chain(words: Sequence[str]) -> Chain:
    """Return the chain of a line such as `:INPUT ACCEPT [5:300]`."""
    name, policy = words[0][1:] or "", words[1] if len(words) > 1 else "-"
    if not name:
        raise ValueError("a chain has no name")
    if policy != "-" and policy not in POLICIES:
        raise ValueError(f"`{policy}' is no policy")
    found = _COUNTERS.fullmatch(words[2]) if len(words) > 2 else None  # noqa: PLR2004 -- third word
    counters = Counters(int(found[1]), int(found[2])) if found else Counters()
    return Chain(name=name, policy=None if policy == "-" else policy, counters=counters)
