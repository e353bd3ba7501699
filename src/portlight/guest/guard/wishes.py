"""How a person wants a change to be made: the options that every guarded change takes."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from portlight.guest.guard.confirm import DEFAULT_SECONDS

_LONGEST_SECONDS: Final = 86_400
_TIMER: Final = "--confirm-within"
_FLAGS: Final[dict[tuple[str, ...], str]] = {
    ("--force",): "even if it cuts somebody off",
    ("--dry-run", "--preview"): "say only what would happen",
    ("--no-confirm",): "confirm at once if nobody is cut off",
    ("--json",): "one document for programs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How the caller wants a change to be made."""

    seconds: float = DEFAULT_SECONDS
    force: bool = False
    dry_run: bool = False
    keep: bool = False
    """Confirm at once; only what is proven to cut nobody off."""
    as_json: bool = False


def add_wishes(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a change is made."""
    for names, meaning in _FLAGS.items():
        parser.add_argument(*names, action="store_true", help=meaning)
    parser.add_argument(
        _TIMER,
        type=_seconds,
        default=DEFAULT_SECONDS,
        metavar="SECONDS",
        help="taken back unless confirmed in this time; default: %(default)g",
    )


def wishes_of(arguments: argparse.Namespace) -> Wishes:
    """Return what was wished."""
    return Wishes(
        seconds=arguments.confirm_within,
        force=arguments.force,
        dry_run=arguments.dry_run,
        keep=arguments.no_confirm,
        as_json=arguments.json,
    )


def count_wishes(words: Sequence[str], flags: Collection[str], valued: Collection[str]) -> int:
    """Return how many of the first words are these options, or those of `add_wishes`."""
    flags = {*flags, *(name for names in _FLAGS for name in names)}
    valued = {*valued, _TIMER}
    place = 0
    while place < len(words):
        if words[place].partition("=")[0] in valued:
            place += 1 if "=" in words[place] else 2
        elif words[place] in flags:
            place += 1
        else:
            break
    return place


def _seconds(text: str) -> float:
    """Parse the time of a timer; one that never ends is none."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text} is no time between 0 and {_LONGEST_SECONDS} seconds"
        )
    return seconds
