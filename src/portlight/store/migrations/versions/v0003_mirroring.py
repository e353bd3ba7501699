"""Tables of traffic mirroring."""

from portlight.store.migrations.tables import entity_table

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    entity_table("mirror_filters", ("project_id", "name"))
    entity_table("mirror_filter_rules", ("project_id", "mirror_filter_id", "place"), (("place",),))
    entity_table(
        "mirror_sessions",
        ("project_id", "name", "number", "target_port_id", "place"),
        (("number",), ("place",)),
    )
    entity_table("mirror_counter_blocks", ())


def downgrade() -> None:
    """Do nothing: the backup copy is the way back."""
