"""The rules of a saved chain, each read only when somebody looks at it.

Pure. A line is kept as it stands when lines of its form were read before: the same words but
for hosts and ports, in the tool's own spelling. So no error is put off to a later look.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple, overload

from portlight.guest.iptables.canonical import parse_canonical
from portlight.guest.iptables.conditions import conditions_of
from portlight.guest.iptables.extension import Context
from portlight.guest.iptables.meaning import Field, Within
from portlight.guest.iptables.packet import Packet
from portlight.guest.iptables.readers import address_text, canonical_address
from portlight.guest.iptables.rules import ZERO, Counters, Rule
from portlight.guest.iptables.specification import parse_rule
from portlight.guest.iptables.spelling import rule_text
from portlight.guest.iptables.words import split_raw

_Form = tuple[str | None, ...]

COUNTERS: Final = re.compile(r"\[(\d+):(\d+)\]")
"""Of a chain or a rule: packets and bytes."""
_Index = dict[str, dict[str, list[int]]]
"""Places of rules, by what they ask for first and the value they ask for."""
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


class Line(NamedTuple):
    """A line of a known form, unread."""

    text: str
    source: str | None
    destination: str | None
    """Hosts that it asks for, with their length."""
    port: str | None
    """The destination port that it asks for."""
    like: Rule
    """A rule of the same form: the same but for hosts, ports and counters."""


class Reader:
    """Reads the rules of one save file; leaves lines unread whose form it met twice."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._match = _pattern(context.family).fullmatch
        self._forms: dict[_Form, Rule | bool] = {}
        """A rule of each form whose lines may be left unread; False: met once, and not looked
        into; True: looked into, and to be read."""

    def known(self, line: str) -> tuple[str, Line] | None:
        """Return the chain of a line that surely holds one rule, None if it has to be read."""
        found = self._match(line)
        like = self._forms.get(_form(found)) if found else None
        if found is None or not isinstance(like, Rule):
            return None
        chain, source, destination, port = found.group("chain", "source", "destination", "port")
        if not (self._is_host(source) and self._is_host(destination)):
            return None
        return chain, Line(line, source, destination, port, like)

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
            self._forms[form] = False
        elif self._forms[form] is False:
            is_plain = len(rules) == 1 and self._is_plain(line, rules[0])
            self._forms[form] = rules[0] if is_plain else True

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
        self._index: _Index | None = None
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

    def spliced(self, start: int, stop: int, rules: Iterable[Rule]) -> "SavedRules":
        """Return the rules with others in the place of some; none is read for that."""
        return SavedRules((*self._saved[:start], *rules, *self._saved[stop:]), self._context)

    def outlines(self) -> Iterator[Rule | Line]:
        """Yield the rules as far as they were read."""
        yield from self._saved

    def possible(self, packet: Packet) -> Iterator[tuple[int, Rule]]:
        """Yield the rules, with their numbers, that do not ask for another host or port."""
        source, destination = _host(packet.source), _host(packet.destination)
        port = None if packet.destination_port is None else str(packet.destination_port)
        for place in self._places(source, destination, port):
            saved = self._saved[place]
            if isinstance(saved, Rule) or (
                _may_be(saved.source, source)
                and _may_be(saved.destination, destination)
                and _may_be(saved.port, port)
            ):
                yield place + 1, self[place]

    def _places(
        self, source: str | None, destination: str | None, port: str | None
    ) -> Iterable[int]:
        """Return where rules may stand that a packet meets."""
        if self._index is None:
            self._index = _index(self._saved)
        found = [*self._index["anything"].get("", ())]
        for field, value in (("source", source), ("destination", destination), ("port", port)):
            places = self._index[field]
            if value is not None:
                found += places.get(value, ())
            else:
                found += (place for each in places.values() for place in each)
        return sorted(found)


def possible_rules(rules: Sequence[Rule], packet: Packet) -> Iterable[tuple[int, Rule]]:
    """Yield rules with their numbers from 1; those are left out that a packet cannot meet."""
    return rules.possible(packet) if isinstance(rules, SavedRules) else enumerate(rules, start=1)


def spliced(
    rules: Sequence[Rule], start: int, stop: int, others: Sequence[Rule] = ()
) -> Sequence[Rule]:
    """Return rules with others in the place of some."""
    if isinstance(rules, SavedRules):
        return rules.spliced(start, stop, others)
    return (*rules[:start], *others, *rules[stop:])


def outlines(rules: Sequence[Rule]) -> Iterable[Rule | Line]:
    """Return what is known of rules without reading any."""
    return rules.outlines() if isinstance(rules, SavedRules) else rules


def outline_text(outline: Rule | Line) -> str:
    """Return a rule's specification, without -A and its chain."""
    if isinstance(outline, Rule):
        return rule_text(outline)
    _, _, rest = outline.text.partition("-A ")
    return rest.partition(" ")[2]


def outline_counters(outline: Rule | Line) -> Counters:
    """Return what a rule has counted."""
    return outline.counters if isinstance(outline, Rule) else _counters(outline.text)


def target_of(outline: Rule | Line) -> str | None:
    """Return the name of a rule's target."""
    target = (outline if isinstance(outline, Rule) else outline.like).target
    return target.name if target else None


def _index(saved: Sequence[Rule | Line]) -> "_Index":
    """Return the places of rules by one thing that each asks for."""
    index: _Index = {"anything": {}, "source": {}, "destination": {}, "port": {}}
    for place, one in enumerate(saved):
        field, value = "anything", ""
        if isinstance(one, Line):
            if one.source is not None:
                field, value = "source", one.source
            elif one.destination is not None:
                field, value = "destination", one.destination
            elif one.port is not None:
                field, value = "port", one.port
        index[field].setdefault(value, []).append(place)
    return index


@lru_cache
def _pattern(family: int) -> re.Pattern[str]:
    line = _LINE.replace("HOST", _HOST[family]).replace("PORT", _PORT)
    return re.compile(line, re.ASCII)


def _form(line: re.Match[str]) -> _Form:
    """Return what of a line is not a host, a port, a counter or its chain."""
    return line.group("before", "one", "list", "after")


def _rule(line: Line, context: Context) -> Rule:
    counters = COUNTERS.match(line.text)
    (rule,) = _read(split_raw(line.text)[3 if counters else 2 :], context, counters)
    return rule


def _read(
    words: Sequence[str], context: Context, counters: re.Match[str] | None
) -> tuple[Rule, ...]:
    plain = parse_canonical(words, context)
    rules = (plain,) if plain else parse_rule(words, context, is_lenient=True)
    counted = _counted(counters)
    if counted == ZERO:
        return rules
    return tuple(
        Rule(rule.options, rule.matches, rule.target, rule.is_goto, counted) for rule in rules
    )


def _counters(line: str) -> Counters:
    return _counted(COUNTERS.match(line))


def _counted(found: re.Match[str] | None) -> Counters:
    return Counters(int(found[1]), int(found[2])) if found else ZERO


def _may_be(asked: str | None, seen: str | None) -> bool:
    """Return whether a packet may have what a rule asks for; None is anything, or unknown."""
    return asked is None or seen is None or asked == seen


def _host(address: IPv4Address | IPv6Address | None) -> str | None:
    return None if address is None else f"{address_text(address)}/{address.max_prefixlen}"
