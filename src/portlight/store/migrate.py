"""Bring a database to the present schema, after a copy of what was there."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

MIGRATIONS = Path(__file__).parent / "migrations"


class UnknownSchemaError(Exception):
    """The database was written by another, probably newer, version of Portlight."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database has schema revision {revision}, which this version does not know"
        )
        self.revision = revision


def migrate(engine: Engine, migrations: Path = MIGRATIONS) -> Path | None:
    """Upgrade the schema to the newest; return the backup file if one was made.

    Raise UnknownSchemaError, with the database untouched, when its revision is not ours.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations))
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in {known.revision for known in script.walk_revisions()}:
        raise UnknownSchemaError(present)
    if present == script.get_current_head():
        return None
    backup = None if present is None else _back_up(engine, present)
    # One transaction around all steps: a crash in the middle leaves the schema as it was.
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return backup


def _back_up(engine: Engine, revision: str) -> Path | None:
    name = engine.url.database
    if engine.dialect.name != "sqlite" or name is None:
        return None
    target = Path(f"{name}.{revision}.backup")
    target.touch(mode=0o600)
    with closing(sqlite3.connect(name)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return target
