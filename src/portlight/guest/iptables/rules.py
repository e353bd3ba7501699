"""A rule set of iptables: tables, chains, rules, counters.

Values only. Everything is kept in the spelling in which iptables-save prints it, so two rules are
the same rule when they are equal; what an option means is told by `meaning`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

BUILTIN_CHAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
"""In the order of every listing."""


@dataclass(frozen=True, slots=True)
class Counters:
    """How much was counted."""

    packets: int = 0
    bytes: int = 0


ZERO: Final = Counters()


@dataclass(frozen=True, slots=True)
class Option:
    """One option with its arguments, in the tool's own spelling."""

    name: str
    values: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Extension:
    """A match (`-m`) or a target (`-j`) with its options, in the order of printing."""

    name: str
    options: tuple[Option, ...] = ()

    def value(self, option: str) -> str | None:
        """Return the first argument of an option, None if the option is not there."""
        return next((each.values[0] for each in self.options if each.name == option), None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Without a target it only counts."""

    options: tuple[Option, ...] = ()
    """-s -d -i -o -p -f, in this order."""
    matches: tuple[Extension, ...] = ()
    target: Extension | None = None
    is_goto: bool = False
    counters: Counters = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain; one with a policy is built in, one without is the user's."""

    name: str
    policy: str | None = None
    counters: Counters = ZERO
    """Of the policy; a user chain has none."""
    rules: Sequence[Rule] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table and its chains, by name, in the order of listing."""

    name: str
    chains: Mapping[str, Chain]

    def references(self, chain: str) -> int:
        """Return how many rules of this table lead to a chain."""
        return sum(
            1
            for each in self.chains.values()
            for rule in each.rules
            if rule.target is not None and rule.target.name == chain
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Everything that one address family's tool would save."""

    family: int
    """4 or 6."""
    tables: Mapping[str, Table]

    def rules(self) -> Iterator[tuple[Table, Chain, int, Rule]]:
        """Yield every rule with its place; numbers begin with 1."""
        for table in self.tables.values():
            for chain in table.chains.values():
                for number, rule in enumerate(chain.rules, start=1):
                    yield table, chain, number, rule


def empty_table(name: str) -> Table:
    """Return a table as the kernel makes it: built-in chains that accept everything."""
    chains = {chain: Chain(name=chain, policy="ACCEPT") for chain in BUILTIN_CHAINS[name]}
    return Table(name=name, chains=chains)


def in_listing_order(name: str, chains: Mapping[str, Chain]) -> Mapping[str, Chain]:
    """Return chains as both back ends list them: the built-in ones, then the others by name."""
    builtin = [chain for chain in BUILTIN_CHAINS.get(name, ()) if chain in chains]
    others = sorted((chain for chain in chains if chain not in builtin), key=str.encode)
    return {chain: chains[chain] for chain in (*builtin, *others)}
