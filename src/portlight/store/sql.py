"""A store in an SQL database, by SQLAlchemy Core. What differs by database is a `Database`.

The writers of this process take turns (`commit_groups`); the database does it between processes.
"""

import logging
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from portlight.store.commit_groups import CommitGroups
from portlight.store.database import Database
from portlight.store.decoding import DecodedEntities
from portlight.store.memory import MemoryStore
from portlight.store.migrate import MIGRATIONS, migrate
from portlight.store.postgresql import POSTGRESQL
from portlight.store.protocol import (
    Reading,
    Store,
    StoreBusyError,
    StoreUnavailableError,
    Writing,
)
from portlight.store.sql_transaction import SqlReading, SqlWriting
from portlight.store.sqlite import SQLITE

DATABASES = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "postgresql+psycopg": POSTGRESQL}
_BEGIN = "portlight_begin"
_log = logging.getLogger(__name__)


class UnknownDatabaseError(Exception):
    """The URL is none, or names a database that we do not work on."""


def open_store(url: str) -> Store:
    """Open a store that is made and brought up to date as needed.

    `sqlite:////folder/file.db`, `postgresql+psycopg://user@host/name` or `memory:`. Raise
    UnknownDatabaseError, StoreUnavailableError, or UnknownSchemaError.
    """
    if url == "memory:":
        return MemoryStore()
    store = SqlStore(url)
    try:
        store.upgrade()
    except BaseException:
        store.close()
        raise
    return store


def sqlite_url(file: Path) -> str:
    """Return the URL of an SQLite file."""
    return f"sqlite:///{file.absolute()}"


def database_of(url: str) -> Database:
    """Return the kind of database; raise UnknownDatabaseError."""
    try:
        return DATABASES[make_url(url).drivername]
    except (ArgumentError, KeyError) as error:
        raise UnknownDatabaseError(
            "a database is sqlite:////FILE or postgresql+psycopg://USER@HOST/NAME"
        ) from error


def open_engine(url: str) -> Engine:
    """Return connections set up for our transactions; nothing is made or migrated."""
    database = database_of(url)
    engine = database.connect(url.replace("postgresql://", "postgresql+psycopg://", 1))
    event.listen(engine, "connect", lambda connection, _record: database.prepare(connection))
    event.listen(engine, "begin", _begin)
    return engine


class SqlStore:
    """Implements `Store`."""

    def __init__(self, url: str) -> None:
        self._database = database_of(url)
        self._engine = open_engine(url)
        self._groups = CommitGroups(lambda: self._begun(self._database.begin_writing))
        self._decoded = DecodedEntities()
        self.is_near = self._database.is_near

    @contextmanager
    def reading(self) -> Generator[Reading]:
        """Begin a read transaction."""
        with (
            self._transaction(self._database.begin_reading) as connection,
            closing(SqlReading(connection, self._decoded)) as transaction,
        ):
            yield transaction

    @contextmanager
    def writing(self) -> Generator[Writing]:
        """Begin a write transaction; raise StoreBusyError when the others do not let it in."""
        with (
            self._troubles(),
            self._groups.member() as connection,
            closing(SqlWriting(connection, self._decoded)) as transaction,
        ):
            yield transaction
            transaction.write_usages()
            transaction.write_log()

    def upgrade(self, migrations: Path = MIGRATIONS) -> str | None:
        """Bring the schema up to date; say where the backup is if one was made."""
        with self._transaction(self._database.begin_writing) as connection:
            return migrate(connection, self._database, migrations)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Generator[Connection]:
        """Commit at the end; undo on any exception."""
        with self._troubles(), self._begun(begin) as connection:
            yield connection
            connection.commit()

    @contextmanager
    def _troubles(self) -> Generator[None]:
        """Turn what is no fault of ours into StoreBusyError or StoreUnavailableError."""
        try:
            yield
        except PoolTimeoutError as error:
            raise StoreBusyError("every connection to the database is in use") from error
        except DBAPIError as error:
            trouble = self._database.trouble(error)
            if trouble is None:
                raise
            if isinstance(trouble, StoreUnavailableError):
                _log.warning("database_unavailable error=%s", error.orig)
            raise trouble from error

    def _begun(self, begin: str) -> Connection:
        try:
            return self._begin_once(begin)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # A connection of the pool that had died while nobody used it: nothing was lost with it.
        return self._begin_once(begin)

    def _begin_once(self, begin: str) -> Connection:
        connection = self._engine.connect().execution_options(**{_BEGIN: begin})
        try:
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()[_BEGIN])
