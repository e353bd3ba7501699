"""From the words of a rule to the rule.

Pure. Reads a command line as iptables reads it (`!` before an option, unique beginnings of long
options, the match of -p loaded when one of its options is met) and a save file the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Final

from portlight.guest.iptables.extension import (
    Context,
    ExtensionKind,
    OptionKind,
    finished,
    read_option,
)
from portlight.guest.iptables.matches import MATCH_OF_PROTOCOL, match_kind
from portlight.guest.iptables.problems import CommandError, bad_argument, parameter_problem
from portlight.guest.iptables.readers import (
    number_of,
    read_interface,
    read_networks,
    read_protocol,
)
from portlight.guest.iptables.rules import ZERO, Counters, Extension, Option, Rule
from portlight.guest.iptables.targets import TARGETS
from portlight.guest.iptables.words import requote, unquote

HEAD: Final = {
    "-s": ("--source", "--src"),
    "-d": ("--destination", "--dst"),
    "-i": ("--in-interface",),
    "-o": ("--out-interface",),
    "-p": ("--protocol", "--proto"),
    "-f": ("--fragments", "--fragment"),
    "-m": ("--match",),
    "-j": ("--jump",),
    "-g": ("--goto",),
    "-c": ("--set-counters",),
}
"""The options of a rule that belong to no extension."""
SHORT_OF: Final = {long: short for short, longs in HEAD.items() for long in longs}
_PRINTED: Final = ("-s", "-d", "-i", "-o", "-p", "-f")
_NEGATABLE: Final = frozenset(_PRINTED)
_CHAIN_NAME_AT_MOST: Final = 28


@dataclass(slots=True)
class _Loaded:
    """An extension whose options are still being read; without a row it is opaque."""

    name: str
    kind: ExtensionKind | None
    options: list[Option] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    """What was read of one rule so far."""

    context: Context
    is_lenient: bool
    head: dict[str, Option] = field(default_factory=dict)
    matches: list[_Loaded] = field(default_factory=list)
    target: _Loaded | None = None
    is_goto: bool = False
    counters: Counters = ZERO


def parse_rule(
    raw: Sequence[str], context: Context, *, is_lenient: bool = False
) -> tuple[Rule, ...]:
    """Return the rules of one specification: several if -s or -d names several addresses.

    `raw` are words as they stand in a save file, quotes included. Lenient reading keeps unknown
    options of known extensions as text; otherwise they are refused as iptables refuses them.
    """
    reading = _Reading(context=context, is_lenient=is_lenient)
    position, negated = 0, False
    while position < len(raw):
        word = raw[position]
        if word == "!":
            negated, position = True, position + 1
            continue
        position += 1
        name, joined = _split_assignment(word)
        arguments = [*joined, *raw[position:]]
        short = name if name in HEAD else SHORT_OF.get(name)
        if short is not None:
            used = _read_head(reading, short, arguments, negated=negated)
        elif name.startswith("-"):
            used = _read_extension_option(reading, name, arguments, negated=negated)
        else:
            raise bad_argument(unquote(word))
        position, negated = position + used - len(joined), False
    return _rules(reading)


def parse_rule_words(words: Sequence[str], context: Context) -> tuple[Rule, ...]:
    """Return the rules of a specification given as words of a command line."""
    return parse_rule(requote(words), context)


def _split_assignment(word: str) -> tuple[str, list[str]]:
    """Return an option and the argument that stands after its equals sign."""
    if word.startswith("--") and "=" in word:
        name, _, value = word.partition("=")
        return name, [value]
    return word, []


def _read_head(reading: _Reading, short: str, arguments: Sequence[str], *, negated: bool) -> int:
    """Take one of the rule's own options; return how many words were its arguments."""
    if negated and short not in _NEGATABLE:
        said = (
            "unexpected ! flag before --match" if short == "-m" else f"cannot have ! before {short}"
        )
        raise parameter_problem(said)
    if short == "-f":
        _put(reading, Option("-f", (), negated))
        return 0
    needed = 2 if short == "-c" else 1
    if len(arguments) < needed or (short == "-c" and arguments[1].startswith("-")):
        complaint = "-c requires packet and byte counter"
        raise parameter_problem(
            complaint if short == "-c" else f'option "{short}" requires an argument'
        )
    values = tuple(unquote(word) for word in arguments[:needed])
    if short == "-m":
        reading.matches.append(_Loaded(values[0], match_kind(values[0], reading.context.family)))
        _check_loaded(reading)
    elif short in {"-j", "-g"}:
        _take_target(reading, short, values[0])
    elif short == "-c":
        reading.counters = _counters(values)
    else:
        _take_head_value(reading, short, values[0], negated=negated)
    return needed


def _check_loaded(reading: _Reading) -> None:
    """Put the tool's own name in the place of another one."""
    loaded = reading.matches[-1]
    if loaded.kind is not None:
        loaded.name = loaded.kind.name


def _counters(values: tuple[str, ...]) -> Counters:
    numbers = [number_of(value) for value in values]
    if numbers[0] is None:
        raise parameter_problem("-c packet counter not numeric")
    if numbers[1] is None:
        raise parameter_problem("-c byte counter not numeric")
    return Counters(numbers[0], numbers[1])


def _put(reading: _Reading, option: Option) -> None:
    if option.name in reading.head:
        raise parameter_problem(f"multiple {option.name} flags not allowed")
    reading.head[option.name] = option


def _take_target(reading: _Reading, short: str, name: str) -> None:
    if reading.target is not None:
        raise parameter_problem(f"multiple {short} flags not allowed")
    if short == "-j":
        check_chain_name(name, "chain")
    reading.is_goto = short == "-g"
    reading.target = _Loaded(name, None if reading.is_goto else TARGETS.get(name))


def check_chain_name(name: str, title: str) -> None:
    """Refuse a name that no chain may have."""
    if not name:
        raise parameter_problem("Invalid target name (too short)")
    if len(name) > _CHAIN_NAME_AT_MOST:
        raise parameter_problem(
            f"{title} name `{name}' too long (must be under {_CHAIN_NAME_AT_MOST + 1} chars)"
        )
    if any(letter.isspace() for letter in name):
        raise parameter_problem(f"Invalid {title} name `{name}'")


def _take_head_value(reading: _Reading, short: str, value: str, *, negated: bool) -> None:
    context = reading.context
    if short == "-p":
        number = _protocol(value, context, is_lenient=reading.is_lenient)
        if number == "0" and negated:
            raise parameter_problem("rule would never match protocol")
        spoken = int(number) if number.isdecimal() and number != "0" and not negated else None
        reading.context = replace(context, protocol=spoken)
        if number == "0":
            number = ""
        values: tuple[str, ...] = (number,)
    elif short in {"-s", "-d"}:
        # Looked up when the whole rule was read: the tool complains of a stray word first.
        values = (value,)
    else:
        values = read_interface((value,), context)
    _put(reading, Option(short, values, negated))


def _protocol(value: str, context: Context, *, is_lenient: bool) -> str:
    try:
        return read_protocol(value, context.names)
    except CommandError:
        if is_lenient:
            return value
        raise


def _read_extension_option(
    reading: _Reading, name: str, arguments: Sequence[str], *, negated: bool
) -> int:
    """Take an option of a match or target; return how many words were its arguments."""
    loaded, kind = _owner_of(reading, name)
    if kind is None:
        values = _opaque_arguments(arguments)
        loaded.options.append(Option(name, tuple(values), negated))
        return len(values)
    if negated and not kind.is_negatable:
        raise parameter_problem(f'{loaded.name}: option "{kind.name}" cannot be inverted.\n')
    if len(arguments) < kind.arguments or "!" in arguments[: kind.arguments]:
        if kind.name == "--tcp-flags":
            raise parameter_problem("--tcp-flags requires two args.")
        raise parameter_problem(f'option "{name}" requires an argument')
    if kind.arguments > 1 and arguments[1].startswith("-"):
        raise parameter_problem(f"{kind.name} requires two args.")
    if any(each.name == kind.name for each in loaded.options):
        usual = f'{loaded.name}: option "{kind.name}" can only be used once.\n'
        raise parameter_problem(kind.twice or usual)
    values = [unquote(word) for word in arguments[: kind.arguments]]
    option = read_option(kind, tuple(values), reading.context)
    loaded.options.append(replace(option, negated=True) if negated else option)
    return kind.arguments


def _opaque_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the words up to the next option: nobody knows how many belong to this one."""
    found: list[str] = []
    for word in arguments:
        if word == "!" or (word.startswith("-") and not word.lstrip("-").isdecimal()):
            break
        found.append(word)
    return found


def _owner_of(reading: _Reading, name: str) -> tuple[_Loaded, OptionKind | None]:
    """Return the extension that an option belongs to, and the option's row if there is one."""
    loaded = [*reading.matches, *((reading.target,) if reading.target else ())]
    found = _known(loaded, name)
    if found is not None:
        return found
    implied = _implied_match(reading)
    if implied is not None and _known([implied], name) is not None:
        reading.matches.append(implied)
        return _known([implied], name) or (implied, None)
    last = _last_opaque(reading, loaded)
    if last is None:
        raise parameter_problem(f'unknown option "{name}"')
    return last, None


def _known(loaded: Sequence[_Loaded], name: str) -> tuple[_Loaded, OptionKind] | None:
    """Find an option by its full name, else by a beginning that fits one option only."""
    with_rows = [each for each in reversed(loaded) if each.kind is not None]
    for each in with_rows:
        kind = each.kind and each.kind.spellings.get(name)
        if kind:
            return each, kind
    fitting = {
        (place, kind.name): (each, kind)
        for place, each in enumerate(with_rows)
        if each.kind
        for spelling, kind in each.kind.spellings.items()
        if name.startswith("--") and len(name) > len("--") and spelling.startswith(name)
    }
    if len({kind.name for _, kind in fitting.values()}) == 1:
        return next(iter(fitting.values()))
    return None


def _implied_match(reading: _Reading) -> _Loaded | None:
    name = MATCH_OF_PROTOCOL.get(reading.context.protocol or 0)
    kind = match_kind(name, reading.context.family) if name else None
    if kind is None or any(each.name == kind.name for each in reading.matches):
        return None
    return _Loaded(kind.name, kind)


def _last_opaque(reading: _Reading, loaded: Sequence[_Loaded]) -> _Loaded | None:
    """Return the extension that an unknown option is kept with."""
    for each in reversed(loaded):
        is_chain = each is reading.target and each.kind is None and reading.is_goto
        if not is_chain and (each.kind is None or reading.is_lenient):
            return each
    return None


def _rules(reading: _Reading) -> tuple[Rule, ...]:
    matches = tuple(_extension(each, reading) for each in reading.matches)
    target = _extension(reading.target, reading) if reading.target else None
    alternatives = [
        _alternatives(reading.head[name], reading.context)
        for name in _PRINTED
        if name in reading.head
    ]
    return tuple(
        Rule(
            tuple(option for option in options if option is not None),
            matches,
            target,
            reading.is_goto,
            reading.counters,
        )
        for options in product(*alternatives)
    )


def _alternatives(option: Option, context: Context) -> tuple[Option | None, ...]:
    """Return one option for each address; None stands for one that is not printed."""
    if option.name not in {"-s", "-d"}:
        says_nothing = option.values == ("",) or (option.values == ("+",) and not option.negated)
        return (None,) if says_nothing else (option,)
    networks = read_networks(option.values[0], context.family, context.names)
    if option.negated and len(networks) > 1:
        raise parameter_problem("! not allowed with multiple source or destination IP addresses")
    return tuple(
        None
        if network in {"0.0.0.0/0", "::/0"} and not option.negated
        else Option(option.name, (network,), option.negated)
        for network in networks
    )


def _extension(loaded: _Loaded, reading: _Reading) -> Extension:
    kind = loaded.kind
    unknown = kind is None or any(each.name not in kind.spellings for each in loaded.options)
    if kind is None or unknown:
        return Extension(loaded.name, tuple(loaded.options))
    return finished(kind, tuple(loaded.options), reading.context)
