"""Where two answers to the same request differ, and which of these differences are meant."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Any

COMPATIBILITY = Path(__file__).resolve().parents[2] / "docs" / "api" / "compatibility.toml"
_ABSENT = "(absent)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One place in which our answer is not theirs."""

    section: str
    line: str
    place: str
    """`status`, `media_type`, or a path in the body such as `body.ports[].name`."""
    theirs: Json
    ours: Json

    def __str__(self) -> str:
        return f"[{self.section}] {self.line}\n    {self.place}: {self.theirs!r} -> {self.ours!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliberate:
    """A difference that is meant, with its reason."""

    name: str
    place: re.Pattern[str]
    request: re.Pattern[str]
    """Found in `[section] line`."""
    theirs: re.Pattern[str]
    ours: re.Pattern[str]
    why: str

    def covers(self, gap: Gap) -> bool:
        """Whether this row explains the gap."""
        asked = f"[{gap.section}] {gap.line}"
        return bool(
            self.place.fullmatch(gap.place)
            and self.request.search(asked)
            and self.theirs.fullmatch(str(gap.theirs))
            and self.ours.fullmatch(str(gap.ours))
        )


def deliberate_differences() -> list[Deliberate]:
    """Return the rows of the compatibility table that say how we differ."""
    rows = tomllib.loads(COMPATIBILITY.read_text())["difference"]
    return [
        Deliberate(
            name=row["name"],
            place=re.compile(row["place"]),
            request=re.compile(row.get("request", "")),
            theirs=re.compile(row.get("theirs", "(?s:.*)")),
            ours=re.compile(row.get("ours", "(?s:.*)")),
            why=row["why"],
        )
        for row in rows
    ]


def gaps_between(theirs: Json, ours: Json, place: str = "") -> Iterator[tuple[str, Json, Json]]:
    """Yield (place, theirs, ours) wherever two documents differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            inner = f"{place}.{key}" if place else key
            yield from gaps_between(theirs.get(key, _ABSENT), ours.get(key, _ABSENT), inner)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for one, other in zip(theirs, ours, strict=True):
            yield from gaps_between(one, other, f"{place}[]")
    elif theirs != ours or type(theirs) is not type(ours):
        yield place, theirs, ours
