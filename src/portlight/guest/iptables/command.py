"""A command line of iptables as a value.

Pure. Reads what iptables reads, refuses what it refuses, in its words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from portlight.guest.iptables.extension import Context
from portlight.guest.iptables.names import PLAIN, Names
from portlight.guest.iptables.problems import bad_argument, parameter_problem
from portlight.guest.iptables.readers import number_of
from portlight.guest.iptables.rules import Counters, Rule
from portlight.guest.iptables.specification import (
    HEAD,
    SHORT_OF,
    check_chain_name,
    parse_rule_words,
)
from portlight.guest.iptables.targets import TARGETS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Action:
    """What a command takes, and which options may stand beside it."""

    long: tuple[str, ...]
    needs: int
    """How many words must follow: a chain, then a number, a policy or a new name."""
    optional: int = 0
    flags: str = "vw"
    takes_rule: bool = False


_ACTIONS: Final[Mapping[str, _Action]] = {
    "-A": _Action(long=("--append",), needs=1, takes_rule=True, flags="vwc"),
    "-C": _Action(long=("--check",), needs=1, takes_rule=True),
    "-D": _Action(long=("--delete",), needs=1, optional=1, takes_rule=True),
    "-I": _Action(long=("--insert",), needs=1, optional=1, takes_rule=True, flags="vwc"),
    "-R": _Action(long=("--replace",), needs=2, takes_rule=True, flags="vwc"),
    "-L": _Action(long=("--list",), needs=0, optional=2, flags="nvx0w"),
    "-S": _Action(long=("--list-rules",), needs=0, optional=2),
    "-F": _Action(long=("--flush",), needs=0, optional=1),
    "-Z": _Action(long=("--zero",), needs=0, optional=2),
    "-N": _Action(long=("--new-chain", "--new"), needs=1),
    "-X": _Action(long=("--delete-chain",), needs=0, optional=1),
    "-P": _Action(long=("--policy",), needs=2, flags="vwc"),
    "-E": _Action(long=("--rename-chain", "--rename"), needs=2),
    "-V": _Action(long=("--version",), needs=0, flags="nvx0wc"),
    "-h": _Action(long=("--help",), needs=0, flags="nvx0wc"),
}
_FLAGS: Final = {
    "-n": ("--numeric",),
    "-v": ("--verbose",),
    "-x": ("--exact",),
    "-0": ("--line-numbers",),
    "-4": ("--ipv4",),
    "-6": ("--ipv6",),
}
"""Options without an argument; -0 is ours for the one that has no letter."""
_LONG: Final = {
    **{long: short for short, action in _ACTIONS.items() for long in action.long},
    **{long: short for short, longs in _FLAGS.items() for long in longs},
    "--table": "-t",
    "--wait": "-w",
    "--wait-interval": "-W",
    "--modprobe": "-M",
    **SHORT_OF,
}
_ONE_ARGUMENT: Final = frozenset(HEAD) - {"-f", "-c"} | {"-t", "-W", "-M"}
_SHORTEST_ABBREVIATION: Final = len("--app")
_NO_ABBREVIATION: Final = frozenset({"--set"})
"""Options of matches that we do not know, and beginnings of ones that we do."""
_CANNOT_SEE: Final = {
    "-i": frozenset({"OUTPUT", "POSTROUTING"}),
    "-o": frozenset({"INPUT", "PREROUTING"}),
}
"""By option: the chains whose packets have no such interface."""
_BESIDE_ZERO: Final = frozenset({"-L", "-S"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One call of iptables."""

    action: str
    """Its letter with a dash: -A, -L, ..."""
    family: int = 4
    table: str = "filter"
    chain: str | None = None
    number: int | None = None
    """Of a rule, from 1."""
    rules: tuple[Rule, ...] = ()
    """Several if -s or -d names several addresses."""
    policy: str | None = None
    new_name: str | None = None
    counters: Counters | None = None
    """Given by -c."""
    zeroes: bool = False
    """-Z beside -L or -S."""
    flags: frozenset[str] = frozenset()
    """Of n (numeric), v (verbose), x (exact), 0 (line numbers)."""

    @property
    def changes(self) -> bool:
        """Return whether the command may change anything."""
        return self.zeroes or self.action not in {"-L", "-S", "-C", "-V", "-h"}


@dataclass(slots=True)
class _Words:
    """What the words of a command line turned out to be."""

    action: str = ""
    arguments: list[str] = field(default_factory=list)
    table: str = "filter"
    flags: set[str] = field(default_factory=set)
    rule: list[str] = field(default_factory=list)
    zeroes: bool = False


def parse_command(argv: Sequence[str], family: int = 4, names: Names = PLAIN) -> Command:
    """Return the command of a command line, given without the program's name."""
    words = _sorted_out(list(_expanded(argv)))
    if not words.action:
        parse_rule_words(words.rule, Context(family=family, names=names))
        raise parameter_problem("no command specified")
    action = _ACTIONS[words.action]
    _check_flags(words, action)
    command = Command(
        action=words.action,
        family=family,
        table=words.table,
        zeroes=words.zeroes,
        flags=frozenset(words.flags) & set("nvx0"),
    )
    command = _with_arguments(command, words.arguments)
    if not action.takes_rule:
        return _without_rule(command, words)
    if command.number is not None and words.action == "-D" and not words.rule:
        return command
    return _with_rule(command, words, Context(family=family, names=names))


def _expanded(argv: Sequence[str]) -> Iterator[str]:
    """Yield the words with their long names shortened and their bundled letters apart."""
    for word in argv:
        if word.startswith("--"):
            yield _shortened(word)
        elif len(word) > len("-A") and word[0] == "-" and f"{word[:2]}" in _FLAGS:
            yield word[:2]
            yield from _expanded([f"-{word[2:]}"])
        elif len(word) > len("-A") and (word[:2] in _ACTIONS or word[:2] in _ONE_ARGUMENT):
            # The tool looks a protocol up under the whole word.
            yield word[:2]
            yield word if word[:2] == "-p" else word[2:]
        else:
            yield word


def _shortened(word: str) -> str:
    name, equals, value = word.partition("=")
    if name in _NO_ABBREVIATION or name in _LONG:
        found = _LONG.get(name, name)
    else:
        fitting = {
            short
            for long, short in _LONG.items()
            if long.startswith(name) and len(name) >= _SHORTEST_ABBREVIATION
        }
        found = fitting.pop() if len(fitting) == 1 else name
    return f"{found}{equals}{value}"


def _sorted_out(words: Sequence[str]) -> _Words:
    """Tell the command and the general options from the words of the rule."""
    found = _Words()
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word in _ACTIONS:
            position += _take_action(found, word, words[position:])
        elif word in _FLAGS:
            found.flags.add(word[1])
        elif word == "-w":
            position += 1 if _is_plain(words[position : position + 1]) else 0
        elif word in _ONE_ARGUMENT:
            if position == len(words):
                raise parameter_problem(f'option "{word}" requires an argument')
            _take_one(found, word, words[position])
            position += 1
        else:
            found.rule.append(word)
    return found


def _is_plain(words: Sequence[str]) -> bool:
    return bool(words) and not words[0].startswith("-") and words[0] != "!"


def _take_one(found: _Words, word: str, value: str) -> None:
    if word == "-t":
        found.table = value
    elif word in HEAD:
        found.rule.extend((word, value))


def _take_action(found: _Words, word: str, rest: Sequence[str]) -> int:
    """Take a command and its own arguments; return how many there were."""
    pair = {found.action, word}
    if found.action and not ("-Z" in pair and pair & _BESIDE_ZERO):
        raise parameter_problem(f"Cannot use {word} with {found.action}")
    action = _ACTIONS[word]
    if len(rest) < min(action.needs, 1):
        raise parameter_problem(f'option "{word}" requires an argument')
    taken = list(rest[:1]) if action.needs else []
    most = action.needs + action.optional
    while len(taken) < most and _is_plain(rest[len(taken) : len(taken) + 1]):
        taken.append(rest[len(taken)])
    if len(taken) < action.needs:
        raise _missing(word)
    found.zeroes = bool(found.action)
    if not found.zeroes or word != "-Z":
        found.action, found.arguments = word, taken
    return len(taken)


def _missing(word: str) -> Exception:
    return parameter_problem(
        {
            "-R": "-R requires a rule number",
            "-P": "-P requires a chain and a policy",
            "-E": "-E requires old-chain-name and new-chain-name",
        }[word]
    )


def _check_flags(words: _Words, action: _Action) -> None:
    names = {"n": "-n", "v": "-v", "x": "-x", "0": "--line-numbers"}
    for letter, name in names.items():
        if letter in words.flags and letter not in action.flags:
            raise parameter_problem(f"Illegal option `{name}' with this command")
    if "6" in words.flags and "4" in words.flags:
        raise parameter_problem("-4 and -6 exclude each other")


def _with_arguments(command: Command, arguments: Sequence[str]) -> Command:
    if not arguments:
        return command
    chain, *rest = arguments
    if command.action == "-N":
        _check_new_name(chain)
    command = replace(command, chain=chain)
    if not rest:
        return replace(command, number=1) if command.action == "-I" else command
    if command.action == "-P":
        return replace(command, policy=rest[0])
    if command.action == "-E":
        return replace(command, new_name=rest[0])
    number = number_of(rest[0])
    if number is None or number < 1:
        raise parameter_problem(f"Invalid rule number `{rest[0]}'")
    return replace(command, number=number)


def _check_new_name(name: str) -> None:
    if name.startswith(("-", "!")):
        raise parameter_problem(f"chain name not allowed to start with `{name[0]}'")
    check_chain_name(name, "chain")
    if name in TARGETS:
        raise parameter_problem("chain name may not clash with target name")


def _without_rule(command: Command, words: _Words) -> Command:
    """Refuse the words of a rule beside a command that takes none; -P takes counters."""
    if command.action in {"-V", "-h"}:
        return command
    if command.action == "-P" and words.rule[:1] == ["-c"]:
        (rule,) = parse_rule_words(words.rule, Context(family=command.family))
        return replace(command, counters=rule.counters)
    for word in words.rule:
        if word in HEAD:
            raise parameter_problem(f"Illegal option `{word}' with this command")
        if word.startswith("-"):
            raise parameter_problem(f'unknown option "{word}"')
        raise bad_argument(word)
    return command


def _with_rule(command: Command, words: _Words, context: Context) -> Command:
    rules = parse_rule_words(words.rule, context)
    if "-c" in words.rule and "c" not in _ACTIONS[command.action].flags:
        raise parameter_problem("Illegal option `-c' with this command")
    for option in rules[0].options:
        if command.chain in _CANNOT_SEE.get(option.name, ()):
            raise parameter_problem(f"Can't use {option.name} with {command.chain}\n")
    if command.action == "-R" and len(rules) > 1:
        raise parameter_problem("Replacement rule does not specify a unique address")
    return replace(command, rules=rules)
