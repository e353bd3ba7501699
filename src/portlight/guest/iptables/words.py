"""Lines of a save file into words and back, quoted as iptables quotes.

Only double quotes quote; inside them a backslash keeps the next character.
"""

import re
from collections.abc import Sequence
from typing import Final

_PIECE: Final = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^\s"])+')
_QUOTED: Final = re.compile(r'"((?:\\.|[^"\\])*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_HARMLESS: Final = re.compile(r"[\w-]+", re.ASCII)
_SPECIAL: Final = re.compile(r"([\"\\'])")


def split_raw(line: str) -> list[str]:
    """Return the words of a line as they stand there, quotes included."""
    return line.split() if '"' not in line else _PIECE.findall(line)


def unquote(raw: str) -> str:
    """Return what a word says, without its quotes."""
    if '"' not in raw:
        return raw
    return _QUOTED.sub(lambda found: _ESCAPED.sub(r"\1", found[1]), raw)


def quote(text: str) -> str:
    """Return a free text, such as a comment, as iptables-save prints it."""
    if _HARMLESS.fullmatch(text):
        return text
    return '"' + _SPECIAL.sub(r"\\\1", text) + '"'


def quote_if_needed(word: str) -> str:
    """Return a word so that a save file gives it back; quoted only if it must be."""
    return quote(word) if not word or re.search(r"[\s\"]", word) else word


def requote(words: Sequence[str]) -> list[str]:
    """Return the words of a command line as they would stand in a save file."""
    return [quote_if_needed(word) for word in words]
