"""The rules of a saved chain, each read only when somebody looks at it.

Pure. A line is kept as it stands when lines of its form were read before: the same words but
for hosts and ports, in the tool's own spelling. So no error is put off to a later look.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final, overload

from portlight.guest.iptables.canonical import parse_canonical
from portlight.guest.iptables.conditions import conditions_of
from portlight.guest.iptables.extension import Context
from portlight.guest.iptables.meaning import Field, Within
from portlight.guest.iptables.packet import Packet
from portlight.guest.iptables.readers import address_text, canonical_address
from portlight.guest.iptables.render import rule_text
from portlight.guest.iptables.rules import Counters, Rule
from portlight.guest.iptables.specification import parse_rule
from portlight.guest.iptables.words import split_raw

Line = tuple[str, str | None, str | None, str | None]
"""A line of a known form; the source, destination and destination port that it asks for."""
_Form = tuple[str | None, ...]

COUNTERS: Final = re.compile(r"\[(\d+):(\d+)\]")
"""Of a chain or a rule: packets and bytes."""
_HOST: Final = {4: r"[0-9.]+/32", 6: r"[0-9a-f:.]+/128"}
_PORT: Final = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})"
_LINE: Final = (
    r"(?:\[\d+:\d+\] )?-A (?P<chain>\S++)"
    r"(?: -s (?P<source>HOST))?+(?: -d (?P<destination>HOST))?+"
    r"""(?P<before>(?:(?! --[sd]?ports? [\d,]++(?: |$)) [^ "]++)*+)"""
    r"(?:(?: --dport (?P<port>PORT)| --(?P<one>sport) PORT"
    r"| --(?P<list>[sd]?ports) PORT(?:,PORT){0,14})"
    r"""(?P<after>(?: [^"]*+)?+))?+"""
)
"""A quoted text is none of it: what looks like a port there is no port."""


class Reader:
    """Reads the rules of one save file; leaves lines unread whose form it met twice."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._match = _pattern(context.family).fullmatch
        self._forms: dict[_Form, bool | None] = {}
        """Whether lines of a form may be left unread; None: met once, and not looked into."""

    def known(self, line: str) -> tuple[str, Line] | None:
        """Return the chain of a line that surely holds one rule, None if it has to be read."""
        found = self._match(line)
        if found is None or not self._forms.get(_form(found)):
            return None
        chain, source, destination, port = found.group("chain", "source", "destination", "port")
        if not (self._is_host(source) and self._is_host(destination)):
            return None
        return chain, (line, source, destination, port)

    def read(
        self, line: str, words: Sequence[str], counters: re.Match[str] | None
    ) -> tuple[Rule, ...]:
        """Return the rules of a line, whose words after its chain these are; CommandError."""
        rules = _read(words, self._context, counters)
        found = self._match(line)
        if found is not None:
            self._meet(found, rules)
        return rules

    def _meet(self, line: re.Match[str], rules: tuple[Rule, ...]) -> None:
        """Note a form; what stands in a file once only is not worth a look."""
        form = _form(line)
        if form not in self._forms:
            self._forms[form] = None
        elif self._forms[form] is None:
            self._forms[form] = len(rules) == 1 and self._is_plain(line, rules[0])

    def chain(self, rules: Iterable[Rule | Line]) -> "SavedRules":
        """Return the rules of one chain."""
        return SavedRules(rules, self._context)

    def _is_host(self, host: str | None) -> bool:
        if host is None:
            return True
        address, _, _ = host.partition("/")
        try:
            return canonical_address(address, self._context.family) == address
        except ValueError:
            return False

    def _is_plain(self, line: re.Match[str], rule: Rule) -> bool:
        """Whether the tool would print the line so, and its port is what the rule asks for."""
        if f" {rule_text(rule)}".rstrip() != line.string[line.end("chain") :]:
            return False
        if line["port"] is None:
            return True
        port = int(line["port"])
        asked = conditions_of(rule, self._context.family)
        return Within(Field.DESTINATION_PORT, ((port, port),)) in asked


class SavedRules(Sequence[Rule]):
    """The rules of a chain as they were saved; equal to a tuple of the same rules."""

    def __init__(self, rules: Iterable[Rule | Line], context: Context) -> None:
        self._saved = tuple(rules)
        self._made: dict[int, Rule] = {}
        self._context = context

    def __len__(self) -> int:
        return len(self._saved)

    @overload
    def __getitem__(self, place: int) -> Rule: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Rule, ...]: ...
    def __getitem__(self, place: int | slice) -> Rule | tuple[Rule, ...]:
        if isinstance(place, slice):
            return tuple(self[each] for each in range(*place.indices(len(self))))
        saved = self._saved[place]
        if isinstance(saved, Rule):
            return saved
        at = place % len(self)
        if at not in self._made:
            self._made[at] = _rule(saved, self._context)
        return self._made[at]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SavedRules | tuple):
            return NotImplemented
        return tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def possible(self, packet: Packet) -> Iterator[tuple[int, Rule]]:
        """Yield the rules, with their numbers, that do not ask for another host or port."""
        source, destination = _host(packet.source), _host(packet.destination)
        port = None if packet.destination_port is None else str(packet.destination_port)
        for place, saved in enumerate(self._saved):
            if isinstance(saved, Rule) or (
                _may_be(saved[1], source)
                and _may_be(saved[2], destination)
                and _may_be(saved[3], port)
            ):
                yield place + 1, self[place]


def possible_rules(rules: Sequence[Rule], packet: Packet) -> Iterable[tuple[int, Rule]]:
    """Yield rules with their numbers from 1; those are left out that a packet cannot meet."""
    return rules.possible(packet) if isinstance(rules, SavedRules) else enumerate(rules, start=1)


@lru_cache
def _pattern(family: int) -> re.Pattern[str]:
    line = _LINE.replace("HOST", _HOST[family]).replace("PORT", _PORT)
    return re.compile(line, re.ASCII)


def _form(line: re.Match[str]) -> _Form:
    """Return what of a line is not a host, a port, a counter or its chain."""
    return line.group("before", "one", "list", "after")


def _rule(line: Line, context: Context) -> Rule:
    text, *_ = line
    counters = COUNTERS.match(text)
    (rule,) = _read(split_raw(text)[3 if counters else 2 :], context, counters)
    return rule


def _read(
    words: Sequence[str], context: Context, counters: re.Match[str] | None
) -> tuple[Rule, ...]:
    plain = parse_canonical(words, context)
    rules = (plain,) if plain else parse_rule(words, context, is_lenient=True)
    if counters is None or counters[1] == counters[2] == "0":
        return rules
    counted = Counters(int(counters[1]), int(counters[2]))
    return tuple(
        Rule(rule.options, rule.matches, rule.target, rule.is_goto, counted) for rule in rules
    )


def _may_be(asked: str | None, seen: str | None) -> bool:
    """Return whether a packet may have what a rule asks for; None is anything, or unknown."""
    return asked is None or seen is None or asked == seen


def _host(address: IPv4Address | IPv6Address | None) -> str | None:
    return None if address is None else f"{address_text(address)}/{address.max_prefixlen}"
