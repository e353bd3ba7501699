"""The routes of a router by address: those of its default table, as plain routers show them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from portlight.core.changes import next_meta
from portlight.core.drafts_routing import Hop
from portlight.core.errors import NotFoundError
from portlight.core.route_table import Route, RouteTable
from portlight.core.router import Router
from portlight.core.routers import build_hop_route, check_beside, check_hops, hop_of
from portlight.service import router_ports
from portlight.service.work import LABELS, Work, load_own
from portlight.store.protocol import Reading
from portlight.values.ids import RouterId


def default_table(tx: Reading, router_id: RouterId) -> RouteTable:
    """Return the table that a router always has."""
    found = tx.find(RouteTable, {"default_of": [router_id]})
    if not found:
        raise NotFoundError(LABELS[RouteTable], router_id)
    return found[0]


def hops_of(tx: Reading, routers: Iterable[RouterId]) -> Mapping[RouterId, tuple[Hop, ...]]:
    """Return the routes by address of several routers, in the order of destination and hop."""
    tables = {table.id: table for table in tx.find(RouteTable, {"default_of": list(routers)})}
    found: dict[RouterId, list[Hop]] = {table.router_id: [] for table in tables.values()}
    for route in tx.find(Route, {"route_table_id": list(tables)}) if tables else ():
        hop = hop_of(route)
        if hop is not None:
            found[tables[route.route_table_id].router_id].append(hop)
    return {router_id: tuple(sorted(hops, key=_order)) for router_id, hops in found.items()}


def add(work: Work, router_id: RouterId, hops: Sequence[Hop]) -> Router:
    """Let a router have more routes; those that it has already stay."""
    router = load_own(work, Router, router_id, "add_extraroutes")
    present = hops_of(work.tx, [router_id]).get(router_id, ())
    known = frozenset(present)
    return _touch(work, router, (*present, *(hop for hop in hops if hop not in known)))


def remove(work: Work, router_id: RouterId, hops: Sequence[Hop]) -> Router:
    """Let a router have fewer routes; it is no error when one of them is gone already."""
    router = load_own(work, Router, router_id, "remove_extraroutes")
    present = hops_of(work.tx, [router_id]).get(router_id, ())
    going = frozenset(hops)
    return _touch(work, router, tuple(hop for hop in present if hop not in going))


def fit(work: Work, router: Router, hops: Sequence[Hop]) -> None:
    """Let the router have these routes by address and no others; other kinds of route stay."""
    connected, own = router_ports.reach(work.tx, router)
    check_hops(hops, router_id=router.id, connected=connected, own=own)
    table = default_table(work.tx, router.id)
    present: dict[Hop, Route] = {}
    others = []
    for route in work.tx.find(Route, {"route_table_id": [table.id]}):
        hop = hop_of(route)
        if hop is None:
            others.append(route)
        else:
            present[hop] = route
    fresh = [hop for hop in hops if hop not in present]
    check_beside(fresh, others)
    for hop in present.keys() - set(hops):
        work.tx.delete(present[hop])
    made = [build_hop_route(hop, table, work.ids.uuid(), now=work.now) for hop in fresh]
    work.tx.insert(*made)


def _touch(work: Work, router: Router, hops: Sequence[Hop]) -> Router:
    fit(work, router, hops)
    changed = replace(router, meta=next_meta(router.meta, None, work.now))
    work.tx.update(router, changed)
    return changed


def _order(hop: Hop) -> tuple[int, int, int, int]:
    prefix = hop.destination
    return prefix.version, int(prefix.network_address), prefix.prefixlen, int(hop.address)
