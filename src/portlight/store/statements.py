"""Statements that are compiled once for each dialect and run on the driver's own cursor.

SQLAlchemy writes the SQL; its execution layer, which costs several times what SQLite itself takes
for a row, is left out. So nothing here may need conversion: columns are text and whole numbers.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect
from sqlalchemy.exc import DBAPIError

Values = Mapping[str, Any]
Row = tuple[Any, ...]
CACHED_TEXTS = 1_000


class Statement:
    """One statement; compared by identity, so make it once."""

    def __init__(self, clause: ClauseElement) -> None:
        self.clause = clause


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    """A statement in the words of one dialect."""

    text: str
    positions: tuple[str, ...] | None
    """The names of its parameters in order; None: it takes them by name."""
    constants: Values
    """Parameters that the statement itself gives."""

    def given(self, values: Values) -> Values | list[Any]:
        """Return the values as the driver wants them."""
        full = {**self.constants, **values} if self.constants else values
        return full if self.positions is None else [full[name] for name in self.positions]


@lru_cache(maxsize=CACHED_TEXTS)
def _compile(statement: Statement, dialect: Dialect) -> _Compiled:
    compiled = statement.clause.compile(dialect=dialect)
    positions = getattr(compiled, "positiontup", None)
    return _Compiled(
        text=str(compiled),
        positions=None if positions is None else tuple(positions),
        constants={name: one for name, one in compiled.params.items() if one is not None},
    )


class Session:
    """Runs statements in the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        self._cursor = connection.connection.cursor()

    def close(self) -> None:
        """Give the cursor back, while the connection is ours.

        One that is dropped later, in whatever thread, resets the statement it ran last: SQLite's
        driver shares that with whoever has the connection by then.
        """
        self._cursor.close()

    def rows(self, statement: Statement, values: Values) -> list[Row]:
        """Return all rows of a query."""
        self.run(statement, values)
        return list(self._cursor.fetchall())

    def first(self, statement: Statement, values: Values) -> Row | None:
        """Return the first row of a query, if there is one."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def command(self, text: str) -> None:
        """Run a statement without parameters; raise the errors of sqlalchemy.exc."""
        self._guarded(self._cursor.execute, text)

    def run(self, statement: Statement, values: Values) -> None:
        """Run a statement; raise the errors of sqlalchemy.exc."""
        compiled = _compile(statement, self._dialect)
        self._guarded(self._cursor.execute, compiled.text, compiled.given(values))

    def run_many(self, statement: Statement, rows: Sequence[Values]) -> None:
        """Run a statement once for each of the rows."""
        if not rows:
            return
        compiled = _compile(statement, self._dialect)
        self._guarded(
            self._cursor.executemany, compiled.text, [compiled.given(row) for row in rows]
        )

    def _guarded(self, execute: Callable[..., object], text: str, *given: object) -> None:
        driver = self._dialect.loaded_dbapi
        try:
            execute(text, *given)
        except driver.Error as error:
            raise DBAPIError.instance(
                text, None, error, driver.Error, dialect=self._dialect
            ) from error


def padded(values: Collection[str]) -> list[str]:
    """Return the values, the last one repeated until their number is a power of two.

    So a condition on a list has few different texts.
    """
    listed = list(values)
    return listed + [listed[-1]] * ((1 << (len(listed) - 1).bit_length()) - len(listed))


def parameter_names(key: str, count: int) -> list[str]:
    """Return the names of a list's parameters."""
    return [f"{key}_{index}" for index in range(count)]
