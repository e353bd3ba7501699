"""Which remedies this server keeps: a file that a confirmed change of routes writes."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from portlight.guest.guard.journal import Change, KeptFile, state_folder
from portlight.guest.routes.values import Command, RoutesError


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Which remedies this server gets again after a restart, and how it came to them."""

    kinds: tuple[str, ...] = ()
    keep: str = ""
    """The interface whose default gateway stays, if the others were deleted."""
    commands: tuple[Command, ...] = ()
    """What the change that wrote this did."""
    before: "Intent | None" = None


class IntentError(RoutesError):
    """The file of what is intended is not as we write it."""

    def __init__(self, path: Path, reason: Exception) -> None:
        super().__init__(f"{path} cannot be read ({reason}); delete it to start anew")


def load_intent() -> Intent:
    """Return what is intended; nothing when nothing was ever confirmed."""
    path = _path()
    try:
        return _decode(json.loads(path.read_text()))
    except FileNotFoundError:
        return Intent()
    except (ValueError, TypeError, KeyError) as error:
        raise IntentError(path, error) from error


def kept_intent(intent: Intent) -> KeptFile:
    """Return the file that keeps it."""
    return KeptFile(path=str(_path()), text=json.dumps(asdict(intent)))


def intent_of(change: Change) -> Intent:
    """Return what a change of routes intends."""
    return _decode(json.loads(change.files[0].text))


def next_intent(waiting: Iterable[Change], kinds: Iterable[str], keep: str) -> Intent:
    """Return what a change intends that adds remedies; it stands on those that still wait."""
    changes = list(waiting)
    before = intent_of(changes[-1]) if changes else load_intent()
    return Intent(
        kinds=tuple(dict.fromkeys((*before.kinds, *kinds))),
        keep=keep or before.keep,
        before=Intent(kinds=before.kinds, keep=before.keep),
    )


def _path() -> Path:
    return state_folder() / "routes.json"


def _decode(raw: dict[str, object]) -> Intent:
    before = raw["before"]
    return Intent(
        kinds=tuple(raw["kinds"]),  # type: ignore[arg-type]  # as we wrote it
        keep=str(raw["keep"]),
        commands=tuple(tuple(words) for words in raw["commands"]),  # type: ignore[attr-defined]  # as we wrote it
        before=_decode(before) if isinstance(before, dict) else None,
    )
