"""Stores of every kind, for the suites that all of them pass."""

from pathlib import Path

import pytest
from tests.support.postgresql import Cluster

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
