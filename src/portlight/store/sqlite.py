"""SQLite in WAL mode with `synchronous=FULL`: a commit is on the disk before it is acknowledged."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError

from portlight.store.database import Database, Trouble
from portlight.store.protocol import StoreBusyError, StoreUnavailableError

BUSY_TIMEOUT_MILLISECONDS = 10_000
CHECKPOINT_PAGES = 8_000
"""About 32 MB of journal at most, as long as no reader stays."""
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_UNAVAILABLE = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")


def _connect(url: str) -> Engine:
    engine = create_engine(url, pool_size=8, max_overflow=56, pool_timeout=60)
    # It holds password hashes; its journal files get the same mode from SQLite.
    Path(engine.url.database or "").touch(mode=0o600)
    return engine


def _prepare(connection: Any) -> None:  # noqa: ANN401 -- a DBAPI connection
    # The driver must not begin transactions by itself: it would begin them too late.
    connection.isolation_level = None
    for pragma in (
        # First: two processes may turn a new file to WAL mode at once.
        f"busy_timeout={BUSY_TIMEOUT_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        # A port touches some 25 pages: at the usual 1,000 every fortieth write would tidy up.
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _trouble(error: DBAPIError) -> Trouble | None:
    name = getattr(error.orig, "sqlite_errorname", "")
    if name.startswith(_BUSY):
        return StoreBusyError(str(error.orig))
    if name.startswith(_UNAVAILABLE):
        return StoreUnavailableError(str(error.orig))
    return None


def _back_up(connection: Connection, revision: str) -> str:
    name = connection.engine.url.database or ""
    target = Path(f"{name}.{revision}.backup")
    target.touch(mode=0o600)
    # Another connection sees what was there before the transaction that upgrades.
    with closing(sqlite3.connect(name)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return str(target)


def _finish_schema(_connection: Connection) -> None:
    """Nothing: text is compared byte by byte anyway."""


SQLITE = Database(
    is_near=True,
    begin_reading="BEGIN",
    # The lock at once: a reader that turns writer can fail with a stale snapshot.
    begin_writing="BEGIN IMMEDIATE",
    connect=_connect,
    prepare=_prepare,
    trouble=_trouble,
    back_up=_back_up,
    finish_schema=_finish_schema,
)
