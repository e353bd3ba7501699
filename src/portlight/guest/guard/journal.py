"""What was changed, by whom, and how it is taken back: one file for each change, on disk first.

Every write is complete or not there at all (new file, fsync, rename, fsync of the folder).
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NewType

from portlight.guest.guard.clock import wall_clock

DEFAULT_FOLDER = Path("/var/lib/portlight-guest")
FOLDER_VARIABLE = "PORTLIGHT_GUEST_STATE"

ChangeId = NewType("ChangeId", int)
Kind = Literal["firewall", "routes"]
Backend = Literal["", "nft", "legacy"]
"""Of the firewall. Empty: whatever `iptables` is on this server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command to run; running it twice does what running it once does."""

    argv: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that makes the change outlive a restart; written when the change is confirmed."""

    path: str
    text: str = ""
    mode: int = 0o600
    links_to: str = ""
    """It is a symbolic link; a text it has none."""

    def write(self) -> None:
        """Write it; when this returns, it outlives a power cut."""
        if self.links_to:
            _link_durably(Path(self.path), self.links_to)
        else:
            write_durably(Path(self.path), self.text, self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of this server, and the way back."""

    kind: Kind
    summary: str
    undo: tuple[Step, ...]
    before: str = ""
    after: str = ""
    """What people see as difference: the state as text, before and after."""
    files: tuple[KeptFile, ...] = ()
    then: tuple[Step, ...] = ()
    """Run once the files are written: what reads them is told."""
    backend: Backend = ""
    """Of the firewall: whose tables these are."""
    flows: str | None = None
    """Connections before the change, as `conntrack -L -o save` prints them."""


class State(StrEnum):
    """Where a change stands."""

    PENDING = "pending"
    CONFIRMING = "confirming"
    """Confirmed; its files are still to be written."""
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled back"
    STUCK = "rollback failed"
    """So far: it is tried again until it works, or the server restarts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A change as the journal holds it."""

    id: ChangeId
    change: Change
    state: State
    author: str
    at: str
    seconds: float
    deadline: float
    """On the clock `boottime`, of the start that `boot` names."""
    boot: str
    note: str = ""
    """Why it ended as it did, or does not."""
    ended_at: str = ""
    is_applied: bool = False
    """Whoever made it lived to see it applied."""

    @property
    def waits(self) -> bool:
        """Whether it is still to be confirmed or taken back."""
        return self.state in {State.PENDING, State.STUCK}


def state_folder() -> Path:
    """Return the folder of all that this tool remembers."""
    return Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)


class Journal:
    """The records of one server. Whoever changes one holds the lock."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder()
        self._changes = self.folder / "changes"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the journal alone; the lock falls with the process that holds it."""
        self._changes.mkdir(mode=0o700, parents=True, exist_ok=True)
        with held(self.folder / "lock"):
            yield

    def next_id(self) -> ChangeId:
        """Return the number of the next change; numbers are never used again."""
        return ChangeId(max(self._ids(), default=0) + 1)

    def path(self, change: ChangeId) -> Path:
        """Return where a change is written."""
        return self._changes / f"{change:06}.json"

    def mark(self, change: ChangeId) -> Path:
        """Return the file that is there as long as a change has not ended.

        It is locked for as long as a watcher of the change lives.
        """
        return self.path(change).with_suffix(".watch")

    def save(self, record: Record) -> None:
        """Write a record; when this returns, it outlives a power cut."""
        is_open = record.waits or record.state is State.CONFIRMING
        if is_open:
            self.mark(record.id).touch(mode=0o600)
        write_durably(self.path(record.id), json.dumps(asdict(record)))
        if not is_open:
            self.mark(record.id).unlink(missing_ok=True)

    def end(self, record: Record, state: State, note: str) -> Record:
        """Write that a change is over; return it."""
        ended = replace(record, state=state, note=note, ended_at=wall_clock())
        self.save(ended)
        return ended

    def load(self, change: ChangeId) -> Record:
        """Return a record; KeyError when there is none of this number."""
        try:
            return _decode(json.loads(self.path(change).read_text()))
        except FileNotFoundError:
            raise KeyError(change) from None

    def records(self) -> list[Record]:
        """Return all records, the oldest first."""
        return [self.load(ChangeId(number)) for number in sorted(self._ids())]

    def pending(self, kind: Kind | None = None) -> list[Record]:
        """Return the changes that are to be confirmed or taken back, the oldest first."""
        return [
            record
            for record in self.unended()
            if record.waits and kind in (None, record.change.kind)
        ]

    def unended(self) -> list[Record]:
        """Return the changes that wait for anything, without reading the whole history."""
        numbers = sorted(int(path.stem) for path in self._changes.glob("[0-9]*.watch"))
        # A mark without its record: whoever made it was killed before anything was changed.
        return [self.load(ChangeId(one)) for one in numbers if self.path(ChangeId(one)).exists()]

    def _ids(self) -> list[int]:
        return [int(path.stem) for path in self._changes.glob("[0-9]*.json")]


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock alone; it falls with the process that holds it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_durably(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Replace a file in one step that outlives a power cut."""
    new = _new_name(path)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(_bytes(content))
        file.flush()
        os.fsync(file.fileno())
    _put_in_place(new, path)


def _bytes(content: str | bytes) -> bytes:
    """Return what stands in a file; what was no UTF-8 in a rule stays the bytes it was."""
    return content.encode(errors="surrogateescape") if isinstance(content, str) else content


def _link_durably(path: Path, target: str) -> None:
    new = _new_name(path)
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    _put_in_place(new, path)


def _new_name(path: Path) -> Path:
    """Return where a file is made; one name for all writers: what a killed one left is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.new")


def _put_in_place(new: Path, path: Path) -> None:
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _decode(raw: dict[str, Any]) -> Record:
    fields = raw["change"]
    steps = {
        name: tuple(Step(argv=tuple(step["argv"]), stdin=step["stdin"]) for step in fields[name])
        for name in ("undo", "then")
        if name in fields
    }
    files = tuple(KeptFile(**file) for file in fields["files"])
    change = Change(**{**fields, **steps, "files": files})
    return Record(**{**raw, "change": change, "state": State(raw["state"])})
