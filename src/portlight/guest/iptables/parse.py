"""From the text of iptables-save to a rule set.

Pure. Reads what the tools write, and the same typed by hand: `*filter` or a bare `filter`, counters
in brackets or none, abbreviations, service names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

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
from portlight.guest.iptables.saved_rules import COUNTERS, Line, Reader
from portlight.guest.iptables.targets import POLICIES
from portlight.guest.iptables.words import split_raw


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
    chains: dict[str, Chain]
    rules: dict[str, list[Rule | Line]] = field(default_factory=dict)

    def rules_of(self, chain: str) -> list[Rule | Line]:
        """Return the rules so far of a chain, to append to."""
        if chain not in self.chains:
            raise ValueError(f"chain {chain} was not announced")
        return self.rules.setdefault(chain, [])


@dataclass(slots=True)
class _File:
    """What was read so far."""

    reader: Reader
    tables: dict[str, Table] = field(default_factory=dict)
    current: _Open | None = None

    def take(self, line: str) -> None:
        """Read one more line; CommandError or ValueError if it cannot be read."""
        known = self.reader.known(line)
        if known is not None and self.current is not None:
            chain, found = known
            self.current.rules_of(chain).append(found)
            return
        words = split_raw(line)
        if not words or words[0].startswith("#"):
            return
        if words == ["COMMIT"] and self.current is not None:
            self.tables[self.current.name] = _closed(self.current, self.reader)
            self.current = None
        elif len(words) == 1 and words[0].removeprefix("*") in BUILTIN_CHAINS:
            self.current = _opened(words[0].removeprefix("*"), self.current)
        elif self.current is None:
            raise ValueError(f"`{words[0]}' stands in no table")
        else:
            _read_line(line, words, self.current, self.reader)


def parse_save(text: str, family: int = 4, names: Names = PLAIN) -> RuleSet:
    """Return the rule set of a save file; a table that stands there twice is the later one."""
    file = _File(Reader(Context(family=family, names=names)))
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            file.take(line)
        except CommandError as error:
            said, _ = error.said_by(Dialect())
            raise SaveFileError(number, said.strip().splitlines()[0]) from None
        except ValueError as error:
            raise SaveFileError(number, str(error)) from None
    if file.current is not None:
        raise SaveFileError(len(lines), f"table {file.current.name} has no COMMIT")
    return RuleSet(family=family, tables=file.tables)


def _opened(name: str, current: _Open | None) -> _Open:
    if current is not None:
        raise ValueError(f"table {current.name} has no COMMIT")
    return _Open(name, dict(empty_table(name).chains))


def _closed(table: _Open, reader: Reader) -> Table:
    chains = {
        name: Chain(
            name=name,
            policy=chain.policy,
            counters=chain.counters,
            rules=reader.chain(table.rules.get(name, ())),
        )
        for name, chain in table.chains.items()
    }
    return Table(name=table.name, chains=in_listing_order(table.name, chains))


def _read_line(line: str, words: Sequence[str], table: _Open, reader: Reader) -> None:
    if words[0].startswith(":"):
        chain = _chain(words)
        table.chains[chain.name] = chain
        return
    counted = COUNTERS.fullmatch(words[0])
    rest = words[1:] if counted else words
    if len(rest) < 2 or rest[0] not in {"-A", "--append"}:  # noqa: PLR2004 -- -A and its chain
        raise ValueError(f"`{' '.join(words)}' is no line of a save file")
    rules = table.rules_of(rest[1])
    rules.extend(reader.read(line, rest[2:], counted))


def _chain(words: Sequence[str]) -> Chain:
    """Return the chain of a line such as `:INPUT ACCEPT [5:300]`."""
    name, policy = words[0][1:] or "", words[1] if len(words) > 1 else "-"
    if not name:
        raise ValueError("a chain has no name")
    if policy != "-" and policy not in POLICIES:
        raise ValueError(f"`{policy}' is no policy")
    found = COUNTERS.fullmatch(words[2]) if len(words) > 2 else None  # noqa: PLR2004 -- third word
    counters = Counters(int(found[1]), int(found[2])) if found else Counters()
    return Chain(name=name, policy=None if policy == "-" else policy, counters=counters)
