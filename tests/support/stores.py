"""Stores of every kind, for the suites that all of them pass."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from tests.support.postgresql import Cluster

from portlight.store.migrate import MIGRATIONS
from portlight.store.sql import sqlite_url

KINDS = ("memory", "sqlite", "postgresql")
ON_DISK = ("sqlite", "postgresql")


def a_url(kind: str, folder: Path, request: pytest.FixtureRequest, *, own: bool = False) -> str:
    """Return where an empty store of this kind is; starts PostgreSQL only when it is asked for.

    `own`: in a database that no other test uses at the same time, or afterwards.
    """
    if kind == "memory":
        return "memory:"
    if kind == "sqlite":
        return sqlite_url(folder / "p.db")
    cluster: Cluster = request.getfixturevalue("postgresql")
    return cluster.database() if own else cluster.shared_database()


def first_tables(url: str, rows: Sequence[str] = ()) -> None:
    """Make the schema as the first version had it, and run the statements that fill it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for row in rows:
            connection.exec_driver_sql(row)
    engine.dispose()
