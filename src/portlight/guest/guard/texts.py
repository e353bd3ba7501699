"""Rule sets as people and the disk see them: the text of iptables-save, without what changes alone.

Pure.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from portlight.guest.guard.bans import CHAIN
from portlight.guest.iptables.render import render_save
from portlight.guest.iptables.rules import RuleSet, empty_table

_POLICY_COUNTERS: Final = re.compile(r"^(:\S+ \S+) \[\d+:\d+\]$")
_RULE_COUNTERS: Final = re.compile(r"^\[\d+:\d+\] ")
_TITLES: Final = {4: "# IPv4", 6: "# IPv6"}

Saved = Mapping[int, str]
"""By family: what iptables-save, or ip6tables-save, prints."""


@lru_cache(maxsize=16)
def rules_only(saved: str) -> tuple[str, ...]:
    """Return the lines of a saved text without comments, and as if nothing had been counted.

    Kept: one change asks for the same few texts again and again.
    """
    return tuple(_uncounted(line) for line in saved.splitlines() if line and line[0] != "#")


def _uncounted(line: str) -> str:
    if line[0] == "[":
        return _RULE_COUNTERS.sub("", line)
    return _POLICY_COUNTERS.sub(r"\1 [0:0]", line) if line[0] == ":" else line


def for_people(saved: Saved) -> str:
    """Return both families as one text, in which a difference is a change of rules."""
    return "".join(
        f"{_TITLES[family]}\n" + "".join(f"{line}\n" for line in rules_only(text))
        for family, text in sorted(saved.items())
    )


def by_family(text: str) -> dict[int, str]:
    """Return what `for_people` made one text of."""
    found: dict[int, list[str]] = {}
    family = 4
    for line in text.splitlines():
        titles = [number for number, title in _TITLES.items() if line == title]
        if titles:
            family = titles[0]
            found[family] = []
        else:
            found.setdefault(family, []).append(line)
    return {family: "".join(f"{line}\n" for line in lines) for family, lines in found.items()}


def to_keep(saved: str) -> str:
    """Return what is put back after a restart: bans are not, they end by themselves."""
    lines = [line for line in rules_only(saved) if not line.startswith(f"-A {CHAIN} ")]
    return "".join(f"{line}\n" for line in lines)


def whole(saved: str, others: Iterable[str]) -> str:
    """Return a text that also empties the tables which only the others have."""
    tables = dict.fromkeys(table for other in others for table in _tables(other))
    missing = [table for table in tables if table not in _tables(saved)]
    empty = RuleSet(family=4, tables={name: empty_table(name) for name in missing})
    return saved + (render_save(empty) if missing else "")


def has_same_rules(saved: str, other: str) -> bool:
    """Whether two texts say the same but for bans and counters; a table may be empty or missing."""
    if rules_only(saved) == rules_only(other):
        return True
    texts = (whole(saved, [other]), whole(other, [saved]))
    one, two = ({*to_keep(text).split("COMMIT\n")} for text in texts)
    return one == two


def _tables(saved: str) -> list[str]:
    return [line.removeprefix("*") for line in rules_only(saved) if line.startswith("*")]
