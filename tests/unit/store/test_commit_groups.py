"""Writers that share a commit: alone in their turn, told after the disk, not hurt by each other."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import IntegrityError

from portlight.store.commit_groups import CommitGroups
from portlight.store.sql import open_engine, sqlite_url

WAIT_SECONDS = 10.0


class Place:
    """A small database, its groups of writers, and how often it was committed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.commits = 0
        self.groups = CommitGroups(self._begin, max_seconds=WAIT_SECONDS)
        with self._begin() as connection:
            connection.exec_driver_sql("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
            connection.exec_driver_sql(
                "CREATE TABLE names (id INTEGER PRIMARY KEY, parent INTEGER"
                " REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"
            )
            connection.commit()
        event.listen(engine, "commit", self._count)

    def write(self, number: int, parent: int | None = None) -> None:
        with self.groups.member() as connection:
            insert(connection, number, parent)

    def kept(self) -> list[int]:
        with self._begin() as connection:
            return list(connection.exec_driver_sql("SELECT id FROM names ORDER BY id").scalars())

    def _begin(self) -> Connection:
        connection = self.engine.connect().execution_options(portlight_begin="BEGIN")
        connection.begin()
        return connection

    def _count(self, _connection: Connection) -> None:
        self.commits += 1


def insert(connection: Connection, number: int, parent: int | None = None) -> None:
    connection.exec_driver_sql("INSERT INTO names VALUES (?, ?)", (number, parent))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    engine = open_engine(sqlite_url(tmp_path / "groups.db"))
    event.listen(engine, "connect", lambda one, _record: one.execute("PRAGMA foreign_keys=ON"))
    yield Place(engine)
    engine.dispose()


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def wait_until_waiting(place: Place, count: int) -> None:
    deadline = threading.Event()
    for _ in range(1_000):
        if place.groups.waiting == count:
            return
        deadline.wait(WAIT_SECONDS / 1_000)
    raise AssertionError(f"{place.groups.waiting} writers wait, not {count}")


def test_writers_that_wait_share_one_commit(place: Place, workers: ThreadPoolExecutor) -> None:
    with place.groups.member() as connection:
        insert(connection, 1)
        others = [workers.submit(place.write, number) for number in (2, 3)]
        wait_until_waiting(place, 2)

    for other in others:
        other.result(WAIT_SECONDS)
    assert place.kept() == [1, 2, 3]
    assert place.commits == 1


def test_a_writer_alone_commits_at_once(place: Place) -> None:
    place.write(1)
    place.write(2)

    assert place.commits == 2


def test_nobody_is_told_before_the_commit(place: Place, workers: ThreadPoolExecutor) -> None:
    first_may_end, second_may_end = threading.Event(), threading.Event()

    def write(number: int, may_end: threading.Event) -> None:
        with place.groups.member() as connection:
            insert(connection, number)
            may_end.wait(WAIT_SECONDS)

    first = workers.submit(write, 1, first_may_end)
    second = workers.submit(write, 2, second_may_end)
    wait_until_waiting(place, 1)
    first_may_end.set()
    with pytest.raises(TimeoutError):
        first.result(0.1)
    assert place.kept() == []

    second_may_end.set()
    second.result(WAIT_SECONDS)
    first.result(WAIT_SECONDS)
    assert place.kept() == [1, 2]


def test_a_writer_that_fails_takes_nothing_of_the_others_with_it(
    place: Place, workers: ThreadPoolExecutor
) -> None:
    def fail(number: int) -> None:
        with place.groups.member() as connection:
            insert(connection, number)
            raise LookupError

    with place.groups.member() as connection:
        insert(connection, 1)
        others: list[Future[None]] = [workers.submit(fail, 2)]
        wait_until_waiting(place, 1)
        others += [workers.submit(place.write, 3), workers.submit(fail, 4)]
        wait_until_waiting(place, 3)

    outcomes = [other.exception(WAIT_SECONDS) for other in others]
    assert [type(one) for one in outcomes] == [LookupError, type(None), LookupError]
    assert place.kept() == [1, 3]


def test_when_the_commit_fails_every_writer_of_the_group_is_told(
    place: Place, workers: ThreadPoolExecutor
) -> None:
    def orphan() -> None:
        with place.groups.member() as connection:
            insert(connection, 1, parent=99)
            others.append(workers.submit(place.write, 2))
            wait_until_waiting(place, 1)

    others: list[Future[None]] = []
    with pytest.raises(IntegrityError):
        orphan()

    assert isinstance(others[0].exception(WAIT_SECONDS), IntegrityError)
    assert place.kept() == []
    place.write(3)
    assert place.kept() == [3]
