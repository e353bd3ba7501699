"""What only a store on a disk promises: it survives, it grows, it takes many at once."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from tests.support.clouds import (
    MEMBER,
    a_network,
    a_port,
    a_subnet,
    a_world,
)
from tests.support.postgresql import Cluster
from tests.support.stores import ON_DISK, a_url

from portlight.core.meta import Meta
from portlight.core.network import Network
from portlight.store import schema
from portlight.store.migrate import MIGRATIONS, UnknownSchemaError
from portlight.store.protocol import Store
from portlight.store.sql import SqlStore, UnknownDatabaseError, open_store, sqlite_url
from portlight.values.addresses import AddressRange, parse_ip
from portlight.values.ids import NetworkId, ProjectId, SubnetId


@pytest.fixture(params=ON_DISK)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return a_url(request.param, tmp_path, request, own=True)


def test_of_a_transaction_that_has_ended_nothing_touches_the_connection(url: str) -> None:
    with closing(open_store(url)) as store:
        world = a_world(store)
        network = a_network(world)
        with store.reading() as reading:
            assert reading.get(Network, network.id)
        with store.writing() as writing:
            writing.update(network, network)

        # What was left to be dropped at any time, in any thread, reset statements of others.
        for ended in (reading, writing):
            with pytest.raises(Exception, match="closed"):
                ended.get(Network, network.id)


def test_the_migrations_make_the_tables_that_the_store_uses(url: str) -> None:
    open_store(url).close()

    engine = create_engine(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    engine.dispose()

    assert differences == []


def test_what_was_written_is_there_after_opening_again(url: str, tmp_path: Path) -> None:
    world = a_world(open_store(url))
    network = a_network(world)
    a_subnet(world, network)
    port = a_port(world, network)
    world.store.close()

    again = a_world(open_store(url))

    assert again.cloud.ports.get(MEMBER, port.id) == port
    assert not list(tmp_path.glob("*.backup")), "nothing to upgrade, nothing to back up"
    again.store.close()


_NEXT_STEP = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "9000", "{before}"
def upgrade():
    op.add_column("networks", sa.Column("colour", sa.Text))
    {last}
"""


def one_more_step(tmp_path: Path, last: str = "pass") -> Path:
    """Return a folder with our migrations and one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    before = max(path.name[1:5] for path in (folder / "versions").glob("v*.py"))
    (folder / "versions" / "v9000_colour.py").write_text(
        _NEXT_STEP.format(before=before, last=last)
    )
    return folder


def columns_of(url: str, folder: str | None = None) -> set[str]:
    engine = create_engine(url)
    with closing(engine.connect()) as connection:
        columns = inspect(connection).get_columns("networks", schema=folder)
    engine.dispose()
    return {column["name"] for column in columns}


def count_networks(url: str, table: str = "networks") -> int:
    engine = create_engine(url)
    with closing(engine.connect()) as connection:
        count = int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608 -- ours
    engine.dispose()
    return count


@pytest.fixture
def opened(url: str) -> Iterator[SqlStore]:
    """Give a store with one network."""
    store = SqlStore(url)
    store.upgrade()
    a_network(a_world(store))
    yield store
    store.close()


def test_an_older_schema_is_copied_before_it_is_upgraded(
    opened: SqlStore, url: str, tmp_path: Path
) -> None:
    backup = opened.upgrade(one_more_step(tmp_path))

    assert backup is not None
    assert "colour" in columns_of(url)
    if url.startswith("sqlite"):
        assert "colour" not in columns_of(sqlite_url(Path(backup)))
        assert count_networks(sqlite_url(Path(backup))) == 1
        assert Path(backup).stat().st_mode & 0o077 == 0, "it holds password hashes"
    else:
        folder = backup.removeprefix("schema ")
        assert "colour" not in columns_of(url, folder)
        assert count_networks(url, f"{folder}.networks") == 1


def test_an_upgrade_that_fails_half_way_leaves_the_schema_as_it_was(
    opened: SqlStore, url: str, tmp_path: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        opened.upgrade(one_more_step(tmp_path, "1 / 0"))

    assert "colour" not in columns_of(url)
    assert count_networks(url) == 1


def test_several_that_start_at_once_upgrade_once(
    opened: SqlStore, url: str, tmp_path: Path
) -> None:
    folder = one_more_step(tmp_path)
    others = [SqlStore(url) for _ in range(2)]

    with ThreadPoolExecutor(3) as starting:
        backups = list(starting.map(lambda store: store.upgrade(folder), [opened, *others]))

    for store in others:
        store.close()
    assert len([backup for backup in backups if backup]) == 1
    assert "colour" in columns_of(url)


def test_several_may_make_a_new_database_at_once(tmp_path: Path, postgresql: Cluster) -> None:
    for url in (sqlite_url(tmp_path / "new.db"), postgresql.empty_database()):
        with ThreadPoolExecutor(4) as starting:
            stores = list(starting.map(open_store, [url] * 4))
        a_network(a_world(stores[0]))
        with stores[3].reading() as tx:
            assert tx.count(Network) == 1
        for store in stores:
            store.close()


def test_a_schema_from_the_future_is_refused_and_untouched(opened: SqlStore, url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(UnknownSchemaError, match="9999"):
        open_store(url)

    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    engine.dispose()
    assert found == "9999"
    del opened


def test_a_reader_sees_one_moment_while_a_writer_goes_on(url: str) -> None:
    world = a_world(open_store(url))
    a_network(world)

    with world.store.reading() as tx:
        before = tx.count(Network)
        a_network(world)
        assert tx.count(Network) == before == 1

    with world.store.reading() as tx:
        assert tx.count(Network) == 2
    world.store.close()


def test_addresses_sort_like_numbers_in_a_database_of_any_language(postgresql: Cluster) -> None:
    # In Danish "aa" is a letter after "z".
    postgresql.execute(
        "CREATE DATABASE danish TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'da-DK'"
    )
    store = open_store(postgresql.url("danish"))
    subnet = SubnetId("s1")
    low, high = (
        AddressRange(first=parse_ip(first), last=parse_ip(first))
        for first in ("170.0.0.1", "171.0.0.1")
    )

    with store.writing() as tx:
        tx.replace_free(subnet, (), [high, low])

    with store.reading() as tx:
        assert tx.free_ranges(subnet) == [low, high]
        assert tx.free_around(subnet, parse_ip("170.0.0.9")) == low
    store.close()


@pytest.mark.parametrize(
    "wrong", ["mysql://host/name", "postgresql+psycopg2://host/name", "no url", ""]
)
def test_a_database_that_we_do_not_work_on_is_refused(wrong: str) -> None:
    with pytest.raises(UnknownDatabaseError, match=r"postgresql\+psycopg://"):
        open_store(wrong)


def log_changes(store: Store) -> None:
    """Commit twenty transactions of two changes each."""
    for _ in range(20):
        with store.writing() as tx:
            for _ in range(2):
                number = tx.next_number("networks")
                meta = Meta(project_id=ProjectId("p1"))
                tx.insert(Network(id=NetworkId(f"n{number}"), number=number, meta=meta))


def test_a_follower_never_misses_a_change_that_was_committed_late(url: str) -> None:
    stores = [open_store(url) for _ in range(4)]
    stopped = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        while not stopped.is_set():
            with stores[0].reading() as tx:
                seen.extend(change.sequence for change in tx.changes(seen[-1] if seen else 0))

    follower = threading.Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(6) as writers:
        list(writers.map(log_changes, [stores[1 + number % 3] for number in range(6)]))
    stopped.set()
    follower.join()

    with stores[0].reading() as tx:
        _, newest = tx.sequence_span()
        seen.extend(change.sequence for change in tx.changes(seen[-1]))
    assert newest == 240
    assert seen == list(range(1, newest + 1))
    for store in stores:
        store.close()
