"""The tables of the wider faces: one function for each family of kinds."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and fill the new columns of those that were there."""


def downgrade() -> None:
    """Do nothing: the backup copy is the way back."""


def _entity_table(table: str, keys: Sequence[str], unique: Sequence[tuple[str, ...]] = ()) -> None:
    """Make the table of a kind, as `store/schema.py` derives it from the kind's shape."""
    op.create_table(
        table,
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        *(sa.Column(key, sa.Text) for key in keys),
    )
    for key in keys:
        if (key,) not in unique:
            op.create_index(f"{table}_{key}", table, [key])
    for columns in unique:
        op.create_index(f"{table}_unique_{'_'.join(columns)}", table, list(columns), unique=True)
