"""What only a store on a disk promises: it survives, it grows, it takes many at once."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from tests.support.clouds import (
    MEMBER,
    a_network,
    a_port,
    a_subnet,
    a_world,
)

from portlight.core.network import Network
from portlight.store import schema
from portlight.store.migrate import MIGRATIONS, UnknownSchemaError, migrate
from portlight.store.sql import open_engine, open_store, sqlite_url


def test_the_migrations_make_the_tables_that_the_store_uses(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "p.db")
    open_store(url).close()

    engine = create_engine(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    engine.dispose()

    assert differences == []


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "p.db")
    world = a_world(open_store(url))
    network = a_network(world)
    a_subnet(world, network)
    port = a_port(world, network)
    world.store.close()

    again = a_world(open_store(url))

    assert again.cloud.ports.get(MEMBER, port.id) == port
    assert not list(tmp_path.glob("*.backup")), "nothing to upgrade, nothing to back up"
    again.store.close()


_SECOND_STEP = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "9999", "0002"
def upgrade():
    op.add_column("networks", sa.Column("colour", sa.Text))
    {last}
"""


def a_second_step(tmp_path: Path, last: str = "pass") -> Path:
    """Return a folder with our migrations and one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "versions" / "v9999_colour.py").write_text(_SECOND_STEP.format(last=last))
    return folder


def columns_of(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[1] for row in connection.execute("PRAGMA table_info(networks)")}


def test_an_older_schema_is_copied_before_it_is_upgraded(tmp_path: Path) -> None:
    file = tmp_path / "p.db"
    world = a_world(open_store(sqlite_url(file)))
    a_network(world)
    world.store.close()
    engine = open_engine(sqlite_url(file))

    backup = migrate(engine, a_second_step(tmp_path))
    engine.dispose()

    assert backup is not None
    assert "colour" in columns_of(file)
    assert "colour" not in columns_of(backup)
    assert backup.stat().st_mode & 0o077 == 0, "it holds password hashes"
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT count(*) FROM networks").fetchone() == (1,)


def test_an_upgrade_that_fails_half_way_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "p.db"
    open_store(sqlite_url(file)).close()
    engine = open_engine(sqlite_url(file))

    with pytest.raises(ZeroDivisionError):
        migrate(engine, a_second_step(tmp_path, "1 / 0"))
    engine.dispose()

    assert "colour" not in columns_of(file)
    open_store(sqlite_url(file)).close()


def test_a_schema_from_the_future_is_refused_and_untouched(tmp_path: Path) -> None:
    file = tmp_path / "p.db"
    open_store(sqlite_url(file)).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    with pytest.raises(UnknownSchemaError, match="9999"):
        open_store(sqlite_url(file))

    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


def test_a_reader_sees_one_moment_while_a_writer_goes_on(tmp_path: Path) -> None:
    world = a_world(open_store(sqlite_url(tmp_path / "p.db")))
    a_network(world)

    with world.store.reading() as tx:
        before = tx.count(Network)
        a_network(world)
        assert tx.count(Network) == before == 1

    with world.store.reading() as tx:
        assert tx.count(Network) == 2
    world.store.close()
