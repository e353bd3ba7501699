"""Use cases of route tables: which subnets follow them, and which is the default."""

from dataclasses import replace

from portlight.core.changes import next_meta, required
from portlight.core.drafts_vpc import RouteTableDraft
from portlight.core.errors import Blocker
from portlight.core.errors_vpc import DefaultTableError, NotInRouterError, RouteTableInUseError
from portlight.core.gateways import InternetGateway
from portlight.core.network import Subnet
from portlight.core.route_table import Route, RouteTable
from portlight.core.route_tables import build_table, change_table, with_subnet, without_subnet
from portlight.core.router import Router
from portlight.service.policy import check_action
from portlight.service.quotas import check_room
from portlight.service.router_ports import in_subnets, tables_of
from portlight.service.work import Work, blocker_of, check_revision, load, load_own
from portlight.values.ids import RouterId, RouteTableId, SubnetId

SEQUENCE = "route_tables"


def create(work: Work, draft: RouteTableDraft) -> RouteTable:
    """Make a table beside a router's default one."""
    check_action(work.caller, "create_route_table")
    router_id = required(draft.router_id, "vpc_id")
    router = load_own(work, Router, router_id, "create_route_table")
    owner = router.meta.project_id
    check_room(work, owner, "router_route_tables", len(tables_of(work.tx, router_id)) + 1)
    table = build_table(draft, work.birth(owner, SEQUENCE))
    work.tx.insert(table)
    return table


def update(
    work: Work, table_id: RouteTableId, draft: RouteTableDraft, if_revision: int | None
) -> RouteTable:
    """Rename a table."""
    table = load_own(work, RouteTable, table_id, "update_route_table")
    check_revision(table, table_id, if_revision)
    changed = change_table(table, draft, now=work.now)
    work.tx.update(table, changed)
    return changed


def delete(work: Work, table_id: RouteTableId) -> None:
    """Remove a table with its routes; raise RouteTableInUseError when something needs it."""
    table = load_own(work, RouteTable, table_id, "delete_route_table")
    if table.is_default:
        raise DefaultTableError(table_id)
    blockers = [Blocker(kind="Subnet", id=one) for one in table.subnet_ids]
    blockers += [blocker_of(one) for one in gateways_of(work, table)]
    if blockers:
        raise RouteTableInUseError(table_id, blockers)
    discard(work, table)


def discard(work: Work, table: RouteTable) -> None:
    """Remove a table with its routes, without asking who needs it."""
    for route in work.tx.find(Route, {"route_table_id": [table.id]}):
        work.tx.delete(route)
    work.tx.delete(table)


def set_as_default(work: Work, table_id: RouteTableId) -> RouteTable:
    """Make this the table of all subnets of its router that follow none explicitly."""
    table = load_own(work, RouteTable, table_id, "update_route_table")
    if table.is_default:
        return table
    # the store knows one default table of a router: the old one goes first
    for old in tables_of(work.tx, table.router_id):
        if old.is_default:
            meta = next_meta(old.meta, None, work.now)
            work.tx.update(old, replace(old, meta=meta, is_default=False))
    changed = replace(table, meta=next_meta(table.meta, None, work.now), is_default=True)
    work.tx.update(table, changed)
    return changed


def associate(work: Work, table_id: RouteTableId, subnet_id: SubnetId) -> RouteTable:
    """Let a subnet follow this table; raise NotInRouterError for one of another router."""
    table = load_own(work, RouteTable, table_id, "update_route_table")
    subnet = load(work, Subnet, subnet_id)
    if table.router_id not in {leg.device_id for leg in in_subnets(work.tx, [subnet.id])}:
        raise NotInRouterError(blocker_of(subnet), table.router_id)
    if subnet.id in table.subnet_ids:
        return table
    forget_subnet(work, table.router_id, subnet.id)
    changed = with_subnet(table, subnet.id, now=work.now)
    work.tx.update(table, changed)
    return changed


def dissociate(work: Work, router_id: RouterId, subnet_id: SubnetId) -> None:
    """Let a subnet follow the default table of its router again."""
    load_own(work, Router, router_id, "update_route_table")
    load(work, Subnet, subnet_id)
    forget_subnet(work, router_id, subnet_id)


def forget_subnet(work: Work, router_id: RouterId, subnet_id: SubnetId) -> None:
    """Let no table of the router be followed explicitly by a subnet."""
    for table in work.tx.find(RouteTable, {"subnet_id": [subnet_id]}):
        if table.router_id == router_id:
            work.tx.update(table, without_subnet(table, subnet_id, now=work.now))


def gateways_of(work: Work, table: RouteTable) -> list[InternetGateway]:
    """Return the internet gateway on a table, or none."""
    return work.tx.find(InternetGateway, {"route_table_id": [table.id]})
