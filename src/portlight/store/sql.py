"""A store in an SQL database, by SQLAlchemy Core.

SQLite in WAL mode with `synchronous=FULL`: a commit is on the disk before it is acknowledged. One
lock lets one writer of this process at a time in; the busy timeout does it between processes.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from portlight.store.decoding import DecodedEntities
from portlight.store.memory import MemoryStore
from portlight.store.migrate import migrate
from portlight.store.protocol import Reading, Store, StoreBusyError, Writing
from portlight.store.sql_transaction import SqlReading, SqlWriting

BUSY_TIMEOUT_MILLISECONDS = 10_000
CHECKPOINT_PAGES = 8_000
"""About 32 MB of journal at most, as long as no reader stays."""
_WRITES = "portlight_writes"


def open_store(url: str) -> Store:
    """Open `sqlite:////folder/file.db` (made and brought up to date as needed) or `memory:`."""
    if url == "memory:":
        return MemoryStore()
    engine = open_engine(url)
    migrate(engine)
    return SqlStore(engine)


def sqlite_url(file: Path) -> str:
    """Return the URL of an SQLite file."""
    return f"sqlite:///{file.absolute()}"


class SqlStore:
    """Implements `Store` on an engine whose schema is up to date."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = threading.Lock()
        self._decoded = DecodedEntities()

    @contextmanager
    def reading(self) -> Generator[Reading]:
        """Begin a read transaction."""
        with self._engine.connect() as connection, connection.begin():
            yield SqlReading(connection, self._decoded)

    @contextmanager
    def writing(self) -> Generator[Writing]:
        """Begin a write transaction; raise StoreBusyError when another process blocks it."""
        with self._writer, self._engine.connect() as fresh:
            connection = fresh.execution_options(**{_WRITES: True})
            try:
                with connection.begin():
                    transaction = SqlWriting(connection, self._decoded)
                    yield transaction
                    transaction.write_log()
            except OperationalError as error:
                if "locked" in str(error):
                    raise StoreBusyError(str(error)) from error
                raise

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_engine(url: str) -> Engine:
    """Return connections set up for our transactions; nothing is made or migrated."""
    engine = create_engine(url, pool_size=8, max_overflow=56, pool_timeout=60)
    if engine.dialect.name == "sqlite":
        # It holds password hashes; its journal files get the same mode from SQLite.
        Path(engine.url.database or "").touch(mode=0o600)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 -- a DBAPI connection
    # The driver must not begin transactions by itself: it would begin them too late.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_MILLISECONDS}",
        # A port touches some 25 pages: at the usual 1,000 every fortieth write would tidy up.
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: a reader that turns writer can fail with a stale snapshot.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
