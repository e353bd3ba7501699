"""What systemd starts of ours with the server: files, and nothing that asks a running systemd."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portlight.guest.bundle import bundle, own_archive
from portlight.guest.guard.journal import DEFAULT_FOLDER, KeptFile, write_durably

SYSTEMD: Final = Path("/run/systemd/system")
"""There, where systemd is the init (sd_booted(3))."""
_FOLDER: Final = Path("/etc/systemd/system")
_READABLE: Final = 0o644
_ENTRY: Final = "portlight.guest.entry"
_COPY: Final = "portlight-guest.pyz"
_MEMORY: Final = "/proc/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A service, and what wants it at every start."""

    name: str
    text: str
    wanted_by: str


def unit_files(folder: Path, systemd: Path, unit: Unit) -> tuple[KeptFile, ...]:
    """Return the files of an enabled unit; none where there is no systemd.

    A state folder other than the server's own belongs to something else on the machine, such as
    an instance, which starts by itself.
    """
    if not _starts_us(folder, systemd):
        return ()
    path = _FOLDER / unit.name
    wanted = _FOLDER / f"{unit.wanted_by}.wants" / unit.name
    return (
        KeptFile(path=str(path), text=unit.text, mode=_READABLE),
        KeptFile(path=str(wanted), links_to=str(path)),
    )


def remove_files(files: Iterable[KeptFile]) -> None:
    """Remove files, the last first: what names the others goes before them."""
    for file in reversed(tuple(files)):
        Path(file.path).unlink(missing_ok=True)


def own_command(folder: Path) -> tuple[str, ...]:
    """Return the command that starts this tool at the next boot.

    One that came over a connection and lives in memory leaves a copy of itself in the folder.
    """
    archive = own_archive()
    in_memory = archive is not None and str(archive).startswith(_MEMORY)
    if not in_memory or not _starts_us(folder, SYSTEMD):
        return tool_words(sys.executable, sys.argv[0], _ENTRY)
    copy = folder / _COPY
    write_durably(copy, bundle())
    return tool_words(sys.executable, str(copy), _ENTRY)


def tool_words(executable: str, started_as: str, module: str) -> tuple[str, ...]:
    """Return the command that starts this tool again: its one file, or its package."""
    file = Path(started_as)
    if file.suffix == ".pyz" and file.is_file():
        return (executable, str(file.resolve()))
    return (executable, "-m", module)


def exec_start(command: Sequence[str]) -> str:
    """Return a command as systemd reads it (systemd.service(5), command lines)."""
    return " ".join(f'"{_escaped(word)}"' for word in command)


def _starts_us(folder: Path, systemd: Path) -> bool:
    return folder == DEFAULT_FOLDER and systemd.is_dir()


def _escaped(word: str) -> str:
    for character, spelled in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(character, spelled)
    return word
