"""A parser of wire values together with the JSON schema of what it accepts.

Pure. The two travel as one value, and combinators compose both, so that the published document and
the validation of requests cannot disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, NoReturn, TypeVar

from portlight.api.schema import Schema, or_null
from portlight.core.drafts import UNSET, Unset
from portlight.core.errors import MalformedValueError

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parser(Generic[T_co]):
    """Called with a field's name (for the refusal) and the raw JSON value."""

    accept: Callable[[str, object], T_co]
    schema: Schema
    """What is accepted from a client."""
    shown: Schema
    """How such a value is spelled in an answer."""

    def __call__(self, field: str, raw: object) -> T_co:
        """Return the domain's value; raise InvalidRequestError naming the field."""
        return self.accept(field, raw)


Parse = Parser[object]
"""A parser, whatever it gives."""


def parser(
    schema: Schema, *, shown: Schema | None = None
) -> Callable[[Callable[[str, object], T]], Parser[T]]:
    """Give a function the schema of what it accepts; `shown` when answers are spelled stricter."""
    return lambda accept: Parser(accept, schema, schema if shown is None else shown)


def narrowed(parse: Parser[T], rule: Schema) -> Parser[T]:
    """Add to a schema a rule that the builder of a record enforces."""
    return replace(parse, schema={**parse.schema, **rule})


def given_or_not(parse: Parser[T]) -> Parser[T | Unset]:
    """Accept null as if the field had not been given."""

    def accept(field: str, raw: object) -> T | Unset:
        return UNSET if raw is None else parse(field, raw)

    return Parser(accept, or_null(parse.schema), parse.shown)


def refuse(field: str, rule: str) -> NoReturn:
    """Raise the refusal of a field's value."""
    raise MalformedValueError(field, rule)


def any_case(words: list[str]) -> str:
    """Return the pattern of these words in upper and lower case letters."""
    return f"^({'|'.join(_any_case(word) for word in words)})$"


def decimal_pattern(low: int, high: int) -> str:
    """Return the pattern of the decimal spellings of the whole numbers from `low` to `high`."""
    below = [f"-{_digits(max(1, -high), -low)}"] if low < 0 else []
    above = [_digits(max(0, low), high)] if high >= 0 else []
    return f"^({'|'.join(below + above)})$"


def _any_case(word: str) -> str:
    return "".join(
        f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter.replace(".", "[.]")
        for letter in word
    )


def _digits(low: int, high: int) -> str:
    """Return the alternatives for numbers that are not negative."""
    alternatives: list[str] = []
    while low <= high:
        last = _last_with_free_tail(low, high)
        alternatives.append(_span(str(low), str(last)))
        low = last + 1
    return f"({'|'.join(alternatives)})"


def _last_with_free_tail(low: int, high: int) -> int:
    """Return the end of the run from `low` in which one digit moves and those after it are free."""
    best, size = low, 1
    while low % size == 0 and len(str(size)) <= len(str(low)) and low + size - 1 <= high:
        digit = low // size % 10
        steps = min(9 - digit, (high - low + 1) // size - 1)
        best = low + (steps + 1) * size - 1
        size *= 10
    return best


def _span(low: str, high: str) -> str:
    pieces = (
        first if first == last else f"[{first}-{last}]"
        for first, last in zip(low, high, strict=True)
    )
    return "".join(pieces)
