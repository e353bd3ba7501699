"""What the store must know of a kind of database beyond the SQL that all of them understand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from portlight.store.protocol import StoreBusyError, StoreUnavailableError

Trouble = StoreBusyError | StoreUnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One kind of database: its connections, transactions, troubles and backups."""

    is_near: bool
    """Whether a read of a few rows waits for no other process and no network."""
    begin_reading: str
    """Begins a transaction that sees one moment."""
    begin_writing: str
    """Begins a transaction beside which no other writer works, in any process."""
    connect: Callable[[str], Engine]
    """Return connections that begin no transaction by themselves; nothing is made or migrated."""
    prepare: Callable[[Any], None]
    """Set a fresh DBAPI connection up."""
    trouble: Callable[[DBAPIError], Trouble | None]
    """Say that an error is no fault of ours, but of the moment; None when it is ours."""
    back_up: Callable[[Connection, str], str]
    """Copy everything, inside the transaction that will upgrade it; say where the copy is."""
    finish_schema: Callable[[Connection], None]
    """After an upgrade: what the portable steps cannot say."""
