"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KINDS: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]], ...] = (
    ("networks", ("project_id", "name", "number", "shared"), (("number",),)),
    ("subnets", ("project_id", "name", "network_id"), ()),
    (
        "ports",
        (
            "project_id",
            "name",
            "number",
            "network_id",
            "device_id",
            "device_owner",
            "mac",
            "retiring",
        ),
        (("number",), ("network_id", "mac")),
    ),
    (
        "security_groups",
        ("project_id", "name", "number", "default_of"),
        (("number",), ("default_of",)),
    ),
    (
        "security_group_rules",
        ("project_id", "security_group_id", "remote_group_id", "meaning"),
        (("meaning",),),
    ),
    (
        "virtual_ips",
        ("project_id", "name", "network_id", "subnet_id", "port_id", "address"),
        (("port_id",), ("network_id", "address")),
    ),
    ("virtual_ip_states", ("split_brain",), ()),
    ("instances", ("project_id", "name"), ()),
    ("projects", ("name",), (("name",),)),
    ("users", ("name",), (("name",),)),
    ("role_assignments", ("user_id", "project_id"), ()),
    ("tokens", ("user_id", "expires"), ()),
)


def upgrade() -> None:
    """Make the tables."""
    for table, keys, unique in _KINDS:
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
            op.create_index(
                f"{table}_unique_{'_'.join(columns)}", table, list(columns), unique=True
            )
    _side_tables()


def downgrade() -> None:
    """There is nothing before the first tables; the backup copy is the way back."""


def _side_tables() -> None:
    op.create_table(
        "lookups",
        sa.Column("kind", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255), primary_key=True),
        sa.Column("id", sa.String(255), primary_key=True),
    )
    op.create_index("lookups_of", "lookups", ["kind", "id"])
    op.create_table(
        "addresses",
        sa.Column("subnet_id", sa.String(255), primary_key=True),
        sa.Column("address", sa.String(32), primary_key=True),
        sa.Column("port_id", sa.String(255), nullable=False),
    )
    op.create_table(
        "free_ranges",
        sa.Column("subnet_id", sa.String(255), primary_key=True),
        sa.Column("first", sa.String(32), primary_key=True),
        sa.Column("last", sa.String(32), nullable=False),
    )
    op.create_table(
        "numbers",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "changes",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("id", sa.String(255), nullable=False),
    )
