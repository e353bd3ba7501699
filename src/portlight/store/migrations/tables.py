"""What several migrations do alike."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


def entity_table(table: str, keys: Sequence[str], unique: Sequence[tuple[str, ...]] = ()) -> None:
    """Make the table of a kind, as `store/schema.py` derives it from the kind's shape."""
    op.create_table(
        table,
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        *(sa.Column(key, sa.Text) for key in keys),
    )
    for key in keys:
        if (key,) not in unique:
            op.create_index(f"{table}_{key}", table, [key, "id"])
    for columns in unique:
        op.create_index(f"{table}_unique_{'_'.join(columns)}", table, list(columns), unique=True)
