"""The prefixes at whose edges rules begin to treat addresses differently.

Pure. What only one of two rule sets has comes first: whoever cannot look at all, looks there.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_network

from portlight.guest.guard.flows import Network
from portlight.guest.iptables.rules import Rule, RuleSet
from portlight.guest.iptables.saved_rules import Line, outline_text, outlines

_Place = tuple[int, str, str, str]
"""Of a rule: family, table, chain, and its text."""


def edges_of(before: Mapping[int, RuleSet], after: Mapping[int, RuleSet]) -> tuple[Network, ...]:
    """Return the prefixes that rules tell apart, those of changed rules first."""
    old, new = (dict(_rules(rulesets)) for rulesets in (before, after))
    kept = old.keys() & new.keys()
    every = {**new, **old}
    named = dict.fromkeys(
        words
        for place in sorted(every, key=kept.__contains__)
        for words in _addresses(every[place])
    )
    return tuple(dict.fromkeys(network for words in named for network in _networks(words)))


def _rules(rulesets: Mapping[int, RuleSet]) -> Iterator[tuple[_Place, Rule | Line]]:
    for family, ruleset in rulesets.items():
        for table in ruleset.tables.values():
            for chain in table.chains.values():
                for one in outlines(chain.rules):
                    yield (family, table.name, chain.name, outline_text(one)), one


def _addresses(one: Rule | Line) -> Iterator[str]:
    rule = one.like if isinstance(one, Line) else one
    if isinstance(one, Line):
        yield from filter(None, (one.source, one.destination))
    for option in rule.options:
        if option.name in {"-s", "-d"}:
            yield from option.values
    for match in rule.matches:
        if match.name == "iprange":
            for option in match.options:
                yield from (end for value in option.values for end in value.split("-"))


def _networks(text: str) -> Iterator[Network]:
    # A mask with holes has no edges; such a rule is rare enough to be left to the timer.
    with suppress(ValueError):
        yield ip_network(text, strict=False)
