"""The tables of the wider faces: one function for each family of kinds."""

import json
import uuid

import sqlalchemy as sa
from alembic import op

from portlight.store.migrations.tables import entity_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and fill the new columns of those that were there."""
    _identity()
    _addressing()
    _observations()
    _sharing()
    _network_owners()
    _address_groups()
    _default_rules()
    _quotas()
    _audit()
    _pages()


def downgrade() -> None:
    """Do nothing: the backup copy is the way back."""


def _identity() -> None:
    """Names are unique in their domain; roles are held on projects and on domains."""
    for table in ("projects", "users"):
        _add_keys(table, "domain_id")
        op.execute(sa.text(f"UPDATE {table} SET domain_id = 'default'"))  # noqa: S608 -- our names
        op.drop_index(f"{table}_unique_name", table)
        op.create_index(f"{table}_name", table, ["name"])
        op.create_index(f"{table}_unique_domain_id_name", table, ["domain_id", "name"], unique=True)
    op.drop_index("role_assignments_project_id", "role_assignments")
    op.alter_column("role_assignments", "project_id", new_column_name="target_id")
    op.create_index("role_assignments_target_id", "role_assignments", ["target_id"])
    _add_keys("role_assignments", "role")
    for role in ("admin", "manager", "member", "reader"):
        # an assignment's id ends in its role
        rows = sa.text("UPDATE role_assignments SET role = :role WHERE id LIKE :ending")
        op.execute(rows.bindparams(role=role, ending=f"%/{role}"))
    # tokens are for hours only: their holders log in again
    op.execute(sa.text("DELETE FROM tokens"))
    _add_keys("tokens", "project_id", "domain_id", "application_credential_id")
    entity_table("domains", ("name",), (("name",),))
    entity_table("roles", ("name",), (("name",),))
    entity_table(
        "application_credentials", ("user_id", "project_id", "name"), (("user_id", "name"),)
    )
    entity_table("access_keys", ("user_id", "project_id", "access"), (("access",),))
    entity_table("identity_epochs", ())


def _add_keys(table: str, *keys: str) -> None:
    """Add columns by which the entities of a table are found."""
    for key in keys:
        op.add_column(table, sa.Column(key, sa.Text))
        op.create_index(f"{table}_{key}", table, [key])


def _address_groups() -> None:
    entity_table("address_groups", ("project_id", "name"))
    for key in ("remote_address_group_id", "by_addresses_in"):
        op.add_column("security_group_rules", sa.Column(key, sa.Text))
        op.create_index(f"security_group_rules_{key}", "security_group_rules", [key])


def _default_rules() -> None:
    """Make the table, with the rules that every group has started with so far."""
    entity_table("default_rules", ("remote_group_id", "remote_address_group_id"))
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


def _addressing() -> None:
    op.add_column("subnets", sa.Column("subnetpool_id", sa.Text))
    op.create_index("subnets_subnetpool_id", "subnets", ["subnetpool_id"])
    entity_table(
        "subnetpools",
        ("project_id", "name", "default_of", "address_scope_id"),
        (("default_of",),),
    )
    entity_table("address_scopes", ("project_id", "name"))
    entity_table("prefix_uses", ())
    entity_table("agents", ("project_id", "name"), (("name",),))


def _sharing() -> None:
    """`shared` of a network becomes an RBAC policy for everyone."""
    keys = ("project_id", "object_id", "target", "reach", "meaning")
    entity_table("rbac_policies", keys, (("meaning",),))
    connection = op.get_bind()
    shared = sa.text("SELECT id, project_id FROM networks WHERE shared = 'yes'")
    for network_id, project_id in connection.execute(shared).all():
        row = _public_network(network_id, project_id)
        connection.execute(_INSERT_POLICY, row)
    op.drop_index("networks_shared", "networks")
    op.drop_column("networks", "shared")


def _network_owners() -> None:
    """Note the owner of the network in what others have on it."""
    connection = op.get_bind()
    for table in ("subnets", "ports"):
        op.add_column(table, sa.Column("network_owner", sa.Text))
        op.create_index(f"{table}_network_owner", table, ["network_owner"])
        foreign = sa.text(
            f"SELECT t.id, t.document, n.project_id FROM {table} t "  # noqa: S608 -- our own names
            "JOIN networks n ON n.id = t.network_id WHERE n.project_id <> t.project_id"
        )
        change = sa.text(
            f"UPDATE {table} SET document = :document, network_owner = :owner "  # noqa: S608
            "WHERE id = :id"
        )
        for identifier, document, owner in connection.execute(foreign).all():
            entity = json.dumps({**json.loads(document), "network_owner": owner})
            connection.execute(change, {"id": identifier, "document": entity, "owner": owner})


_INSERT_POLICY = sa.text(
    "INSERT INTO rbac_policies (id, document, project_id, object_id, target, reach, meaning) "
    "VALUES (:id, :document, :project_id, :object_id, :target, :reach, :meaning)"
)


def _public_network(network_id: str, project_id: str) -> dict[str, str]:
    policy_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"shared {network_id}"))
    document = {
        "id": policy_id,
        "meta": {"project_id": project_id, "revision_number": 1},
        "object_type": "network",
        "object_id": network_id,
        "action": "access_as_shared",
        "target": "*",
    }
    return {
        "id": policy_id,
        "document": json.dumps(document),
        "project_id": project_id,
        "object_id": network_id,
        "target": "*",
        "reach": "access_as_shared network *",
        "meaning": f"access_as_shared {network_id} *",
    }


def _quotas() -> None:
    """Begin to count what each project has."""
    entity_table("quotas", ())
    op.create_table(
        "usages",
        sa.Column("kind", sa.String(64), primary_key=True),
        sa.Column("project_id", sa.String(255), primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False),
    )
    op.create_index("usages_project_id", "usages", ["project_id"])
    for table in _COUNTED:
        op.execute(
            f"INSERT INTO usages (kind, project_id, used) "  # noqa: S608 -- our own table names
            f"SELECT '{table}', project_id, count(*) FROM {table} GROUP BY project_id"
        )


_COUNTED = (
    "networks",
    "subnets",
    "ports",
    "security_groups",
    "security_group_rules",
    "rbac_policies",
    "virtual_ips",
    "instances",
)


def _pages() -> None:
    """Let every index on a key give its entities in the order of their ids."""
    inspector = sa.inspect(op.get_bind())
    for table in inspector.get_table_names():
        if "document" not in {column["name"] for column in inspector.get_columns(table)}:
            continue
        for index in inspector.get_indexes(table):
            if not index["unique"] and len(index["column_names"]) == 1:
                name, (key,) = str(index["name"]), index["column_names"]
                op.drop_index(name, table)
                op.create_index(name, table, [str(key), "id"])


def _audit() -> None:
    entity_table("audit_entries", ("project_id",))


def _observations() -> None:
    entity_table("hosts", ())
    entity_table("counter_blocks", ())
