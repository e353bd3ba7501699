"""From a rule set to the texts of iptables: the save file, `-S` and `-L`.

Pure, and byte for byte what Debian's tools print for what we model; tests compare. Extensions that
we do not know are listed in the spelling of the save file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from portlight.guest.iptables.extension import Listing, option_text
from portlight.guest.iptables.matches import MATCHES
from portlight.guest.iptables.names import PLAIN, Names
from portlight.guest.iptables.problems import Dialect
from portlight.guest.iptables.rules import Chain, Counters, Extension, Option, Rule, RuleSet, Table
from portlight.guest.iptables.saved_rules import outline_counters, outline_text, outlines
from portlight.guest.iptables.spelling import rule_text
from portlight.guest.iptables.targets import TARGETS

DEBIAN: Final = Dialect()
_ROUNDED_FROM: Final = 99_999
_UNIT_UP_TO: Final = 9_999
_ANYWHERE: Final = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStyle:
    """Which of the options -n -v -x --line-numbers were given."""

    is_numeric: bool = False
    is_verbose: bool = False
    is_exact: bool = False
    has_line_numbers: bool = False
    dialect: Dialect = DEBIAN
    names: Names = PLAIN


def render_save(ruleset: RuleSet, names: Names = PLAIN, *, counters: bool = False) -> str:
    """Return the save file, without its comments: they tell only program and date."""
    lines: list[str] = []
    for table in ruleset.tables.values():
        lines.append(f"*{table.name}")
        lines.extend(
            f":{chain.name} {chain.policy or '-'} [{chain.counters.packets}:{chain.counters.bytes}]"
            for chain in table.chains.values()
        )
        for chain in table.chains.values():
            lines.extend(_saved_rules(chain, names, counters=counters))
        lines.append("COMMIT")
    return "".join(f"{line}\n" for line in lines)


def _saved_rules(chain: Chain, names: Names, *, counters: bool) -> Iterator[str]:
    # Other names may say it otherwise than the text that a rule was read from.
    for one in outlines(chain.rules) if names is PLAIN else chain.rules:
        text = rule_text(one, names) if isinstance(one, Rule) else outline_text(one)
        counted = outline_counters(one) if counters else None
        count = f"[{counted.packets}:{counted.bytes}] " if counted else ""
        yield f"{count}{_appended(chain.name, text)}"


def _appended(chain: str, text: str) -> str:
    return f"-A {chain} {text}" if text else f"-A {chain}"


def render_commands(
    table: Table,
    chain: str | None = None,
    *,
    rule: int | None = None,
    counters: bool = False,
    names: Names = PLAIN,
) -> str:
    """Return what `-S [chain [rule]]` prints, with counters for `-v`."""
    chosen = [each for each in table.chains.values() if chain in {None, each.name}]
    heads = [] if rule else [_announced(each, counters=counters) for each in chosen]
    rules = [
        _appended(each.name, rule_text(one, names, counters=counters))
        for each in chosen
        for number, one in enumerate(each.rules, start=1)
        if rule in {None, number}
    ]
    return "".join(f"{line}\n" for line in (*heads, *rules))


def _announced(chain: Chain, *, counters: bool) -> str:
    if chain.policy is None:
        return f"-N {chain.name}"
    counted = f" -c {chain.counters.packets} {chain.counters.bytes}" if counters else ""
    return f"-P {chain.name} {chain.policy}{counted}"


def render_list(
    table: Table,
    family: int,
    style: ListStyle,
    chain: str | None = None,
    *,
    rule: int | None = None,
) -> str:
    """Return what `-L [chain [rule]]` prints."""
    chosen = [each for each in table.chains.values() if chain in {None, each.name}]
    return "\n".join(
        "".join(f"{line}\n" for line in _listed(table, each, family, style, rule))
        for each in chosen
    )


def _listed(
    table: Table, chain: Chain, family: int, style: ListStyle, wanted: int | None
) -> Iterator[str]:
    if wanted is None:
        yield _chain_title(table, chain, style)
        yield _column_titles(style)
    for number, rule in enumerate(chain.rules, start=1):
        if wanted in {None, number}:
            yield _listed_rule(rule, number, family, style)


def _chain_title(table: Table, chain: Chain, style: ListStyle) -> str:
    if chain.policy is None:
        return f"Chain {chain.name} ({table.references(chain.name)} references)"
    counted = ""
    if style.is_verbose:
        packets, size = (
            _rounded(number, style).strip()
            for number in (chain.counters.packets, chain.counters.bytes)
        )
        counted = f" {packets} packets, {size} bytes"
    return f"Chain {chain.name} (policy {chain.policy}{counted})"


def _column_titles(style: ListStyle) -> str:
    number = f"{'num':<4} " if style.has_line_numbers else ""
    counts = ""
    if style.is_verbose:
        counts = f"{'pkts':>8} {'bytes':>10} " if style.is_exact else f"{'pkts':>5} {'bytes':>5} "
    via = f" {'in':<6} {'out':<6} " if style.is_verbose else ""
    return f"{number}{counts}{'target':<9}  prot opt{via} {'source':<19}  {'destination':<19} "


def _counts(counters: Counters, style: ListStyle) -> str:
    if not style.is_verbose:
        return ""
    if style.is_exact:
        return f"{counters.packets:>8} {counters.bytes:>8} "
    return f"{_rounded(counters.packets, style)} {_rounded(counters.bytes, style)} "


def _rounded(number: int, style: ListStyle) -> str:
    """Return a count in at most five characters: 123, 100K, 12M, 93G, 1T."""
    if style.is_exact:
        return f"{number:>8}"
    if number <= _ROUNDED_FROM:
        return f"{number:>5}"
    for unit in "KMG":
        number = (number + 500) // 1000
        if number <= _UNIT_UP_TO:
            return f"{number:>4}{unit}"
    return f"{(number + 500) // 1000:>4}T"


def _listed_rule(rule: Rule, number: int, family: int, style: ListStyle) -> str:
    head = {option.name: option for option in rule.options}
    line = f"{number:<4} " if style.has_line_numbers else ""
    line += _counts(rule.counters, style)
    line += f"{_target_name(rule.target):<9} "
    line += _protocol_column(head.get("-p"), style)
    line += f"{_fragment_column(head.get('-f'))} "
    if style.is_verbose:
        line += _interface_columns(head, style)
    for name in ("-s", "-d"):
        line += _address_column(head.get(name), family, style)
    return line + ("[goto] " if rule.is_goto else "") + _extension_words(rule, style)


def _target_name(target: Extension | None) -> str:
    if target is None:
        return ""
    kind = TARGETS.get(target.name)
    return kind.list_name if kind and kind.list_name else target.name


def _protocol_column(option: Option | None, style: ListStyle) -> str:
    number = option.values[0] if option else "0"
    shown = number
    by_number = style.is_numeric and style.dialect.has_protocol_numbers
    if not by_number and number.isdecimal():
        shown = style.names.protocol_name(int(number))
    return f"{'!' if option and option.negated else ' '}{shown:<4} "


def _fragment_column(option: Option | None) -> str:
    if option is None:
        return "--"
    return "!f" if option.negated else "-f"


def _interface_columns(head: dict[str, Option], style: ListStyle) -> str:
    anything = "*" if style.is_numeric else "any"
    shown = []
    for name in ("-i", "-o"):
        option = head.get(name)
        shown.append(f"{'!' if option.negated else ''}{option.values[0]}" if option else anything)
    return f" {shown[0]:<6} {shown[1]:<6} "


def _address_column(option: Option | None, family: int, style: ListStyle) -> str:
    if option is None:
        text = _ANYWHERE[family] if style.is_numeric else "anywhere"
    else:
        address, _, mask = option.values[0].partition("/")
        if not style.is_numeric:
            address = style.names.host(address) or address
        text = address if mask in {"32", "128"} and _is_whole(mask, family) else f"{address}/{mask}"
    return f"{'!' if option and option.negated else ' '}{text:<19} "


def _is_whole(mask: str, family: int) -> bool:
    return mask == ("32" if family == 4 else "128")  # noqa: PLR2004 -- the family's name


def _extension_words(rule: Rule, style: ListStyle) -> str:
    protocol = next((each for each in rule.options if each.name == "-p"), None)
    spoken = int(protocol.values[0]) if protocol and protocol.values[0].isdecimal() else None
    listing = Listing(is_numeric=style.is_numeric, names=style.names, protocol=spoken)
    words = "".join(_words(each, MATCHES, listing) for each in rule.matches)
    return words + (_words(rule.target, TARGETS, listing) if rule.target else "")


def _words(extension: Extension, known: object, listing: Listing) -> str:
    kinds = MATCHES if known is MATCHES else TARGETS
    kind = kinds.get(extension.name)
    if kind and all(option.name in kind.spellings for option in extension.options):
        return kind.listing(extension, listing)
    title = f" {extension.name}" if kinds is MATCHES else ""
    return title + "".join(f" {option_text(option)}" for option in extension.options)
