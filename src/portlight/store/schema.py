"""The tables of the SQL store, derived from the shapes.

The migrations build the same tables step by step; a test compares the two.
"""

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, Text

from portlight.store.shape import Shape
from portlight.store.shapes import SHAPES

ADDRESS_WIDTH = 32
"""An address is kept as 8 or 32 hexadecimal digits, so that text sorts like numbers."""

metadata = MetaData()


def _entity_table(shape: Shape) -> Table:
    return Table(
        shape.table,
        metadata,
        Column("id", String(255), primary_key=True),
        Column("document", Text, nullable=False),
        *(Column(column, Text) for column in shape.columns),
        *(
            # with the id, so that a page of what has the same value is read in order
            Index(f"{shape.table}_{column}", column, "id")
            for column in shape.columns
            if (column,) not in shape.unique
        ),
        *(
            Index(f"{shape.table}_unique_{'_'.join(columns)}", *columns, unique=True)
            for columns in shape.unique
        ),
    )


ENTITY_TABLES: Mapping[type, Table] = {kind: _entity_table(shape) for kind, shape in SHAPES.items()}

lookups = Table(
    "lookups",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("value", String(255), primary_key=True),
    Column("id", String(255), primary_key=True),
    Index("lookups_of", "kind", "id"),
)
addresses = Table(
    "addresses",
    metadata,
    Column("subnet_id", String(255), primary_key=True),
    Column("address", String(ADDRESS_WIDTH), primary_key=True),
    Column("port_id", String(255), nullable=False),
)
free_ranges = Table(
    "free_ranges",
    metadata,
    Column("subnet_id", String(255), primary_key=True),
    Column("first", String(ADDRESS_WIDTH), primary_key=True),
    Column("last", String(ADDRESS_WIDTH), nullable=False),
)
usages = Table(
    "usages",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("project_id", String(255), primary_key=True),
    Column("used", BigInteger, nullable=False),
    Index("usages_project_id", "project_id"),
)
numbers = Table(
    "numbers",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
changes = Table(
    "changes",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("id", String(255), nullable=False),
)
