"""Stores of every kind, for the suites that all of them pass."""

from pathlib import Path

import pytest

from portlight.store.sql import sqlite_url

KINDS = ("memory", "sqlite", "postgresql")
ON_DISK = ("sqlite", "postgresql")


def a_url(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Return where a new, empty store of this kind is; starts PostgreSQL only for its own."""
    if kind == "memory":
        return "memory:"
    if kind == "sqlite":
        return sqlite_url(folder / "p.db")
    url: str = request.getfixturevalue("postgresql").database()
    return url
