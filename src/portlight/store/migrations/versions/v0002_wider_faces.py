"""The tables of the wider faces: one function for each family of kinds."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and fill the new columns of those that were there."""
    _address_groups()
    _default_rules()


def downgrade() -> None:
    """Do nothing: the backup copy is the way back."""


def _address_groups() -> None:
    _entity_table("address_groups", ("project_id", "name"))
    for key in ("remote_address_group_id", "by_addresses_in"):
        op.add_column("security_group_rules", sa.Column(key, sa.Text))
        op.create_index(f"security_group_rules_{key}", "security_group_rules", [key])


def _default_rules() -> None:
    """Make the table, with the rules that every group has started with so far."""
    _entity_table("default_rules", ("remote_group_id", "remote_address_group_id"))
    rules = (
        ("egress", 4, None),
        ("egress", 6, None),
        ("ingress", 4, "PARENT"),
        ("ingress", 6, "PARENT"),
    )
    table = sa.table(
        "default_rules", sa.column("id"), sa.column("document"), sa.column("remote_group_id")
    )
    for number, (direction, version, remote) in enumerate(rules, start=1):
        identifier = f"00000000-0000-4000-8000-de00000000{number:02d}"
        document = {
            "id": identifier,
            "meta": {"project_id": "", "revision_number": 1},
            "direction": direction,
            "ethertype": f"IPv{version}",
            "remote_group_id": remote,
            "used_in_default_group": True,
            "used_in_other_groups": remote is None,
        }
        row = {"id": identifier, "document": json.dumps(document), "remote_group_id": remote}
        op.execute(table.insert().values(row))


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
