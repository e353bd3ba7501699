"""Bring a database to the present schema, after a copy of what was there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from portlight.store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


class UnknownSchemaError(Exception):
    """The database was written by another, probably newer, version of Portlight."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database has schema revision {revision}, which this version does not know"
        )
        self.revision = revision


def migrate(connection: Connection, database: Database, migrations: Path) -> str | None:
    """Upgrade the schema to the newest; return where the backup is if one was made.

    Runs in the caller's write transaction: several processes that start at once upgrade once, and a
    crash in the middle leaves the schema as it was. Raise UnknownSchemaError, with the database
    untouched, when its revision is not ours.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations))
    script = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in {known.revision for known in script.walk_revisions()}:
        raise UnknownSchemaError(present)
    if present == script.get_current_head():
        return None
    backup = None if present is None else database.back_up(connection, present)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    database.finish_schema(connection)
    return backup
