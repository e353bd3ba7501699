"""Rules that are already in the tool's own spelling, read without looking anything up.

Pure, and only quick: whatever is spelled, ordered or named otherwise is None here and left to
`specification`, which reads everything. A save file of ten thousand rules is mostly of this kind.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from portlight.guest.iptables.extension import Context
from portlight.guest.iptables.readers import canonical_address
from portlight.guest.iptables.rules import ZERO, Extension, Option, Rule
from portlight.guest.iptables.specification import HEAD, SHORT_OF, parse_rule

_PORTS: Final = re.compile(r"[1-9]\d{0,4}(,[1-9]\d{0,4}){0,14}", re.ASCII)
_PORT_OPTIONS: Final = {"tcp": ("--sport", "--dport"), "udp": ("--sport", "--dport")}
_LISTS: Final = ("--sports", "--dports", "--ports")
_ORDER: Final = {"-s": 0, "-d": 1, "-i": 2, "-o": 3, "-p": 4}
_HEADS: Final = frozenset(HEAD) | frozenset(SHORT_OF)
_BREAKS: Final = frozenset({"-m", "-j", "-g"})
_MAX_PORT: Final = 65535
_WITH_LISTS: Final = frozenset({"tcp", "udp"})
_CHUNK_WORDS: Final = 4


def parse_canonical(words: Sequence[str], context: Context) -> Rule | None:
    """Return the rule of plain words in the tool's order, None for anything else."""
    options: list[Option] = []
    matches: list[Extension] = []
    protocol, place, end, last = "", 0, len(words), -1
    while place + 1 < end and _ORDER.get(words[place], -1) > last:
        last = _ORDER[words[place]]
        option = _head(words[place], words[place + 1], context)
        if option is None:
            return None
        options.append(option)
        if words[place] == "-p":
            protocol = words[place + 1]
        place += 2
    while place < end and words[place] == "-m":
        stop = next((at for at in range(place + 1, end) if words[at] in _BREAKS), end)
        match = _match(tuple(words[place:stop]), protocol, context)
        if match is None:
            return None
        matches.append(match)
        place = stop
    target = _target(tuple(words[place:]), protocol, context) if place < end else None
    if place < end and target is None:
        return None
    return Rule(tuple(options), tuple(matches), target, False, ZERO)  # noqa: FBT003 -- no goto


def _head(name: str, value: str, context: Context) -> Option | None:
    if name in {"-s", "-d"}:
        return _host(name, value, context.family)
    return _plain_head(name, value, context)


def _host(name: str, value: str, family: int) -> Option | None:
    """Return the option of one host; networks are left to who masks them."""
    address, _, length = value.partition("/")
    if length != ("32" if family == 4 else "128"):  # noqa: PLR2004 -- the family's name
        return None
    try:
        return Option(name, (value,)) if canonical_address(address, family) == address else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _plain_head(name: str, value: str, context: Context) -> Option | None:
    options = _only(parse_rule((name, value), context, is_lenient=True)).options
    return options[0] if options else None


def _only(rules: tuple[Rule, ...]) -> Rule:
    (rule,) = rules
    return rule


def _match(words: tuple[str, ...], protocol: str, context: Context) -> Extension | None:
    """Return a match; ports, of which every rule may have others, without a look-up."""
    if len(words) == _CHUNK_WORDS and _PORTS.fullmatch(words[3]):
        name, option, value = words[1:]
        if option in _PORT_OPTIONS.get(name, ()) and name == protocol and "," not in value:
            return Extension(name, (Option(option, (value,)),)) if _are_ports(value) else None
        if name == "multiport" and option in _LISTS and protocol in _WITH_LISTS:
            return Extension(name, (Option(option, (value,)),)) if _are_ports(value) else None
    return _known_match(words, protocol, context)


def _are_ports(text: str) -> bool:
    return all(int(port) <= _MAX_PORT for port in text.split(","))


@lru_cache(maxsize=4096)
def _known_match(words: tuple[str, ...], protocol: str, context: Context) -> Extension | None:
    if _HEADS & set(words[1:]):
        return None
    spoken = ("-p", protocol) if protocol else ()
    found = _only(parse_rule((*spoken, *words), context, is_lenient=True)).matches
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=4096)
def _target(words: tuple[str, ...], protocol: str, context: Context) -> Extension | None:
    if words[0] != "-j" or _HEADS & set(words[1:]):
        return None
    spoken = ("-p", protocol) if protocol else ()
    rule = _only(parse_rule((*spoken, *words), context, is_lenient=True))
    return None if rule.matches else rule.target
