"""How a match or target of iptables is described: one row for each, the same columns for all.

A row says which options there are, how their arguments are spelled by iptables-save, what a listing
shows and what is asked of a packet. Adding an extension means adding a row to `matches` or
`targets`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from portlight.guest.iptables.meaning import Condition, Opaque
from portlight.guest.iptables.names import PLAIN, Names
from portlight.guest.iptables.problems import parameter_problem
from portlight.guest.iptables.rules import Extension, Option
from portlight.guest.iptables.words import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the words of a rule are read against."""

    family: int = 4
    names: Names = PLAIN
    protocol: int | None = None
    """Of the rule's -p, None without one or if it is negated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How `-L` shows a rule."""

    is_numeric: bool
    names: Names
    protocol: int | None


Read = Callable[[tuple[str, ...], Context], tuple[str, ...]]
"""From arguments as typed to arguments as iptables-save prints them; raises CommandError."""


def as_typed(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
    """Take the arguments as they are."""
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionKind:
    """One option of an extension."""

    name: str
    """As iptables-save prints it, with its dashes."""
    also: tuple[str, ...] = ()
    """Other full spellings."""
    arguments: int = 1
    read: Read = as_typed
    is_negatable: bool = False
    twice: str | None = None
    """What is said of the option given twice, where it is not the usual complaint."""
    is_text: bool = False
    """The argument is free text and printed in quotes where it needs them."""


def _in_order(options: tuple[Option, ...], _context: Context) -> tuple[Option, ...]:
    return options


def _unknown(extension: Extension, _context: Context) -> tuple[Condition, ...]:
    return (Opaque(extension_text("-m", extension)),)


def _as_saved(extension: Extension, _listing: Listing) -> str:
    return "".join(f" {option_text(option)}" for option in extension.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionKind:
    """One match or target."""

    name: str
    options: tuple[OptionKind, ...] = ()
    """In the order in which iptables-save prints them."""
    also: tuple[str, ...] = ()
    """Other names that the tool replaces by this one."""
    families: tuple[int, ...] = (4, 6)
    missing: str | None = None
    """What is said of it without any option, None if it needs none."""
    settle: Callable[[tuple[Option, ...], Context], tuple[Option, ...]] = _in_order
    """Fills in what the tool prints though nobody typed it; drops what it does not print."""
    listing: Callable[[Extension, Listing], str] = _as_saved
    """What -L shows of it, with the blank before it."""
    conditions: Callable[[Extension, Context], tuple[Condition, ...]] = _unknown
    table: str | None = None
    """The only table that takes this target, None for all."""
    chains: tuple[str, ...] | None = None
    """The only built-in chains that take this target, None for all."""
    list_name: str | None = None
    """The name in the target column where it is not the target's own."""
    spellings: Mapping[str, OptionKind] = field(init=False)

    def __post_init__(self) -> None:
        by_spelling = {
            spelling: kind for kind in self.options for spelling in (kind.name, *kind.also)
        }
        object.__setattr__(self, "spellings", by_spelling)


def read_option(kind: OptionKind, arguments: tuple[str, ...], context: Context) -> Option:
    """Return an option in the tool's spelling."""
    return Option(kind.name, kind.read(arguments, context))


def finished(kind: ExtensionKind, options: tuple[Option, ...], context: Context) -> Extension:
    """Return an extension whose options are all there, in the order of printing."""
    if kind.missing is not None and not options:
        raise parameter_problem(kind.missing)
    order = {each.name: place for place, each in enumerate(kind.options)}
    settled = kind.settle(options, context)
    return Extension(kind.name, tuple(sorted(settled, key=lambda one: order.get(one.name, 99))))


def option_text(option: Option, *, is_text: bool = False) -> str:
    """Return an option as iptables-save prints it."""
    values = map(quote, option.values) if is_text else option.values
    return " ".join((*(("!",) if option.negated else ()), option.name, *values))


def extension_text(flag: str, extension: Extension, kind: ExtensionKind | None = None) -> str:
    """Return a match or target as iptables-save prints it."""
    parts = [flag, extension.name]
    for option in extension.options:
        known = kind.spellings.get(option.name) if kind else None
        parts.append(option_text(option, is_text=known is not None and known.is_text))
    return " ".join(parts)
