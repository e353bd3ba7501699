"""Writers of one process, one after the other in one transaction of the database, and one commit.

A commit waits for the disk much longer than a writer works. So a writer that ends while others
wait for their turn leaves the transaction open to the next one, behind a savepoint; the last one
commits for all. Nobody is told that his work is kept before that commit is done.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from portlight.store.protocol import StoreBusyError
from portlight.store.statements import Session

MAX_MEMBERS = 64
MAX_SECONDS = 0.05
"""A group that is older takes no further member: the first one waits for all."""
WRITER_SECONDS = 20.0
"""How long a writer waits for its turn."""
_clock = time.monotonic


@dataclass(slots=True)
class _Group:
    """One transaction of the database."""

    connection: Connection
    until: float
    """When it is too old for further members, by the monotonic clock."""
    members: int = 0
    failure: SQLAlchemyError | None = None
    """Why nothing of the group is kept."""
    ended: threading.Event = field(default_factory=threading.Event)

    def is_full(self) -> bool:
        """Whether nobody else may join."""
        is_old = _clock() >= self.until
        return self.failure is not None or self.members >= MAX_MEMBERS or is_old


class CommitGroups:
    """Takes turns among the writers of this process. Thread-safe."""

    def __init__(self, begin: Callable[[], Connection], max_seconds: float = MAX_SECONDS) -> None:
        self._begin = begin
        self._max_seconds = max_seconds
        self._changed = threading.Condition()
        self._is_taken = False
        self.waiting = 0
        """How many writers wait for their turn."""
        self._group: _Group | None = None
        """The open transaction; only who has the turn touches it."""

    @contextmanager
    def member(self) -> Generator[Connection]:
        """Take a turn: wholly kept at the end, or wholly gone by an exception.

        Raise StoreBusyError when the others take too long, and what SQLAlchemy raises.
        """
        self._take_turn()
        group: _Group | None = None
        try:
            group = self._join()
            with _savepoint(group):
                yield group.connection
        finally:
            self._leave(group)
        group.ended.wait()
        if group.failure is not None:
            raise group.failure.with_traceback(None)

    def _take_turn(self) -> None:
        with self._changed:
            self.waiting += 1
            try:
                got = self._changed.wait_for(lambda: not self._is_taken, WRITER_SECONDS)
            finally:
                self.waiting -= 1
            if not got:
                raise StoreBusyError(f"other writers took more than {WRITER_SECONDS:g} s")
            self._is_taken = True

    def _join(self) -> _Group:
        if self._group is None:
            self._group = _Group(self._begin(), _clock() + self._max_seconds)
        self._group.members += 1
        return self._group

    def _leave(self, group: _Group | None) -> None:
        """End the turn; commit when nobody comes after."""
        with self._changed:
            is_last = group is not None and (self.waiting == 0 or group.is_full())
            if not is_last:
                self._give_turn()
        if is_last and group is not None:
            _commit(group)
            with self._changed:
                self._group = None
                self._give_turn()
            group.ended.set()

    def _give_turn(self) -> None:
        self._is_taken = False
        self._changed.notify()


@contextmanager
def _savepoint(group: _Group) -> Generator[None]:
    """Undo what is done inside when it raises, and nothing else of the group."""
    with closing(Session(group.connection)) as session:
        session.command("SAVEPOINT member")
        try:
            yield
        except BaseException:
            try:
                session.command("ROLLBACK TO SAVEPOINT member")
            except SQLAlchemyError as error:
                # the database has ended the transaction, or went away: the others are gone as well
                group.failure = error
            raise
        session.command("RELEASE SAVEPOINT member")


def _commit(group: _Group) -> None:
    try:
        if group.failure is None:
            group.connection.commit()
    except SQLAlchemyError as error:
        group.failure = error
        # SQLite keeps a transaction open whose commit failed: no later one may begin inside it
        group.connection.invalidate(error)
    finally:
        # undoes what was not committed
        with suppress(SQLAlchemyError):
            group.connection.close()
