"""Tables of routers, route tables, ways out, and public addresses."""

from portlight.store.migrations.tables import entity_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    entity_table(
        "routers",
        ("project_id", "name", "number", "gateway_network_id", "is_vpc"),
        (("number",),),
    )
    entity_table(
        "route_tables",
        ("project_id", "name", "number", "router_id", "default_of", "internet_gateway_id"),
        (("number",), ("default_of",)),
    )
    entity_table(
        "routes",
        ("project_id", "route_table_id", "target", "destination", "place"),
        (("place",),),
    )
    entity_table(
        "internet_gateways",
        ("project_id", "name", "external_network_id", "route_table_id"),
        (("route_table_id",),),
    )
    entity_table(
        "nat_gateways",
        ("project_id", "name", "router_id", "subnet_id", "port_id", "floating_ip_id"),
        (("floating_ip_id",),),
    )
    entity_table(
        "peerings", ("project_id", "name", "peer_project_id", "router_id", "peer_router_id")
    )
    _public_addresses()


def _public_addresses() -> None:
    entity_table(
        "floating_ips",
        (
            "project_id",
            "name",
            "number",
            "floating_network_id",
            "address",
            "port_id",
            "router_id",
            "stands_for",
        ),
        (("number",), ("floating_network_id", "address"), ("stands_for",)),
    )
    entity_table("port_forwardings", ("project_id", "floating_ip_id", "internal_port_id"))
    entity_table("address_uses", ("project_id", "floating_ip_id", "held", "idle"), (("held",),))


def downgrade() -> None:
    """Do nothing: the backup copy is the way back."""
