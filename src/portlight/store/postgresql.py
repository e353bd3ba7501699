"""PostgreSQL, by psycopg 3: one writer at a time among all processes, readers beside it.

Why a lock and not serializable transactions: docs/adr/0013-one-writer-on-postgresql.md.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from portlight.store.database import Database, Trouble
from portlight.store.protocol import StoreBusyError, StoreUnavailableError

WRITER_LOCK = 0x706F72746C69  # "portli": the lock is of this database only
LOCK_TIMEOUT_MILLISECONDS = 10_000
IDLE_TIMEOUT_MILLISECONDS = 30_000
"""A server process that hangs in a transaction loses it, and with it the lock."""
CONNECTIONS = 8
MORE_CONNECTIONS = 8
"""At most 16 for each process: PostgreSQL takes 100 in all unless told otherwise."""
CONNECT_SECONDS = 5
UNANSWERED_MILLISECONDS = 10_000
_BUSY_STATES = ("55P03", "40001", "40P01")
"""No lock in time; a serialization failure; a deadlock."""
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58", "25P03", "25006")
"""No connection, no resources, shut down, a system error, timed out, a standby."""

_TEXT_COLUMNS = text(
    "SELECT table_name, column_name, data_type, character_maximum_length AS width"
    " FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND data_type IN ('text', 'character varying')"
    " AND collation_name IS DISTINCT FROM 'C' ORDER BY table_name, column_name"
)
_TABLES = text(
    "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name"
)


def _connect(url: str) -> Engine:
    return create_engine(
        url,
        pool_size=CONNECTIONS,
        max_overflow=MORE_CONNECTIONS,
        pool_timeout=LOCK_TIMEOUT_MILLISECONDS / 1000,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": UNANSWERED_MILLISECONDS,
        },
    )


def _prepare(connection: Any) -> None:  # noqa: ANN401 -- a DBAPI connection
    # We begin transactions ourselves, each kind with its isolation, in one round trip.
    connection.autocommit = True
    connection.execute(
        f"SET lock_timeout = {LOCK_TIMEOUT_MILLISECONDS};"
        f" SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MILLISECONDS}"
    ).close()


def _trouble(error: DBAPIError) -> Trouble | None:
    state = getattr(error.orig, "sqlstate", None)
    if state in _BUSY_STATES:
        return StoreBusyError(f"PostgreSQL: {state}")
    if error.connection_invalidated or (state or "").startswith(_UNAVAILABLE_CLASSES):
        return StoreUnavailableError(str(error.orig))
    # A connection that could not be made has no state.
    if state is None and type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}:
        return StoreUnavailableError(str(error.orig))
    return None


def _back_up(connection: Connection, revision: str) -> str:
    """Copy the tables into a schema beside them: in the transaction that upgrades them."""
    quote = connection.dialect.identifier_preparer.quote
    schema = f"backup_{revision}"
    connection.execute(text(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE"))
    connection.execute(text(f"CREATE SCHEMA {quote(schema)}"))
    for table in connection.execute(_TABLES).scalars().all():
        copy = f"CREATE TABLE {quote(schema)}.{quote(table)} AS TABLE {quote(table)}"
        connection.execute(text(copy))
    return f"schema {schema}"


def _finish_schema(connection: Connection) -> None:
    """Compare text byte by byte, whatever the language of the database.

    Addresses are kept as hexadecimal digits that must sort like numbers; there are languages in
    which "aa" comes after "z".
    """
    quote = connection.dialect.identifier_preparer.quote
    for row in connection.execute(_TEXT_COLUMNS).all():
        kind = "TEXT" if row.width is None else f"VARCHAR({int(row.width)})"
        connection.execute(
            text(
                f"ALTER TABLE {quote(row.table_name)}"
                f' ALTER COLUMN {quote(row.column_name)} TYPE {kind} COLLATE "C"'
            )
        )


POSTGRESQL = Database(
    is_near=False,
    begin_reading="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    # The lock ends after the commit is visible, and each later statement looks anew.
    begin_writing=(
        f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({WRITER_LOCK})"
    ),
    connect=_connect,
    prepare=_prepare,
    trouble=_trouble,
    back_up=_back_up,
    finish_schema=_finish_schema,
)
