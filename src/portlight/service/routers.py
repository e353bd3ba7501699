"""Use cases of routers; a VPC is a router with an address space."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from portlight.core.drafts import Unset
from portlight.core.drafts_routing import Hop, InterfaceDraft, RouterDraft
from portlight.core.errors import Blocker
from portlight.core.errors_routing import RouterInUseError
from portlight.core.gateways import NatGateway
from portlight.core.port import FixedIp, Port
from portlight.core.route_table import Route, RouteTable
from portlight.core.router import Router
from portlight.core.routers import (
    build_default_table,
    build_router,
    change_router,
    check_in_address_space,
)
from portlight.service import (
    extra_routes,
    peerings,
    router_gateways,
    router_interfaces,
    router_ports,
)
from portlight.service.policy import check_action
from portlight.service.router_interfaces import Interface
from portlight.service.work import Work, blocker_of, check_revision, load_own, owner_of
from portlight.store.protocol import Reading
from portlight.values.ids import RouterId


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterDetails:
    """What belongs to a router and is kept elsewhere."""

    hops: tuple[Hop, ...] = ()
    gateway_ips: tuple[FixedIp, ...] = ()


def create(work: Work, draft: RouterDraft) -> Router:
    """Make a router with its default table."""
    check_action(work.caller, "create_router")
    router_gateways.check_draft(work, draft.gateway)
    owner = owner_of(work.caller, draft.project_id)
    router = build_router(draft, work.birth(owner, "routers"))
    work.tx.insert(router)
    work.tx.insert(build_default_table(router, work.birth(owner, "route_tables")))
    return _with_parts(work, router, router, draft)


def update(work: Work, router_id: RouterId, draft: RouterDraft, if_revision: int | None) -> Router:
    """Change a router: all fields of the draft at once, or none."""
    router = load_own(work, Router, router_id, "update_router")
    check_revision(router, router_id, if_revision)
    router_gateways.check_draft(work, draft.gateway)
    return _with_parts(work, router, change_router(router, draft, now=work.now), draft)


def delete(work: Work, router_id: RouterId) -> None:
    """Remove a router with its tables; raise RouterInUseError when it has interfaces or users."""
    router = load_own(work, Router, router_id, "delete_router")
    users = _users(work, router)
    if users:
        raise RouterInUseError(router_id, users)
    tables = work.tx.find(RouteTable, {"router_id": [router_id]})
    for route in work.tx.find(Route, {"route_table_id": [table.id for table in tables]}):
        work.tx.delete(route)
    for table in tables:
        work.tx.delete(table)
    router_gateways.discard(work, router)
    peerings.discard_of(work, router_id)
    work.tx.delete(router)


def add_interface(work: Work, router_id: RouterId, draft: InterfaceDraft) -> Interface:
    """Join a router to a subnet."""
    router = load_own(work, Router, router_id, "add_router_interface")
    return router_interfaces.add(work, router, draft)


def remove_interface(work: Work, router_id: RouterId, draft: InterfaceDraft) -> Interface:
    """Take a router out of a subnet."""
    router = load_own(work, Router, router_id, "remove_router_interface")
    return router_interfaces.remove(work, router, draft)


def details(tx: Reading, routers: Iterable[Router]) -> Mapping[RouterId, RouterDetails]:
    """Return what belongs to routers and is kept elsewhere, at the cost of a few look-ups."""
    known = tuple(routers)
    if not known:
        return {}
    hops = extra_routes.hops_of(tx, [router.id for router in known])
    gateways = {router.id: router.gateway.port_id for router in known if router.gateway}
    found = tx.find(Port, {"id": list(gateways.values())}) if gateways else []
    ports = {port.id: port for port in found}
    return {
        router.id: RouterDetails(
            hops=hops.get(router.id, ()),
            gateway_ips=ports[gateways[router.id]].fixed_ips
            if gateways.get(router.id) in ports
            else (),
        )
        for router in known
    }


def _with_parts(work: Work, router: Router, changed: Router, draft: RouterDraft) -> Router:
    """Keep a router, with the gateway and the routes of the draft."""
    if not isinstance(draft.gateway, Unset):
        changed = replace(changed, gateway=router_gateways.fit(work, changed, draft.gateway))
    if not isinstance(draft.cidrs, Unset):
        _check_space(work, changed)
    if changed != router:
        work.tx.update(router, changed)
    if not isinstance(draft.hops, Unset):
        extra_routes.fit(work, changed, draft.hops)
    return changed


def _check_space(work: Work, router: Router) -> None:
    """Raise a DomainError when what a VPC has does not fit its address space."""
    legs = router_ports.interfaces_of(work.tx, router.id)
    for subnet in router_ports.subnets_of(work.tx, legs):
        check_in_address_space(router, subnet)
    router_interfaces.check_space(work, router, router.cidrs)


def _users(work: Work, router: Router) -> list[Blocker]:
    legs = router_ports.interfaces_of(work.tx, router.id)
    users = [
        blocker_of(port, f"interface in {', '.join(ip.subnet_id for ip in port.fixed_ips)}")
        for port in legs
    ]
    users += router_gateways.users_of(work, router)
    users += [blocker_of(one) for one in work.tx.find(NatGateway, {"router_id": [router.id]})]
    return users + peerings.active_of(work, router.id)
