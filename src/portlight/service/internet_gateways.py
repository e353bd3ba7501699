"""Use cases of internet gateways: the way out of a VPC, given to one of its route tables."""

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from portlight.core.changes import next_meta
from portlight.core.drafts_routing import GatewayDraft
from portlight.core.drafts_vpc import InternetGatewayDraft, NextHop, RouteDraft
from portlight.core.errors_routing import RouteExistsError
from portlight.core.errors_vpc import (
    GatewayAttachedError,
    InternetGatewayInUseError,
    NoGatewayAttachedError,
    OtherExternalNetworkError,
)
from portlight.core.gateway_rules import attach_gateway, build_internet_gateway, rename
from portlight.core.gateways import InternetGateway
from portlight.core.network import Subnet
from portlight.core.route_table import HopKind, Route, RouteTable
from portlight.core.route_tables import build_route, is_default
from portlight.core.router import Router
from portlight.service.policy import check_action
from portlight.service.router_gateways import external_network, fit
from portlight.service.router_ports import tables_of
from portlight.service.work import (
    Work,
    blocker_of,
    check_revision,
    load,
    load_own,
    owner_of,
)
from portlight.values.addresses import IpPrefix
from portlight.values.ids import InternetGatewayId, RouteTableId

EVERYTHING: tuple[IpPrefix, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def create(work: Work, draft: InternetGatewayDraft) -> InternetGateway:
    """Make a gateway to an external network; it is on no route table yet."""
    check_action(work.caller, "create_internet_gateway")
    owner = owner_of(work.caller, draft.project_id)
    gateway = build_internet_gateway(draft, work.birth(owner))
    external_network(work, gateway.external_network_id, "external_network_id")
    work.tx.insert(gateway)
    return gateway


def update(
    work: Work, gateway_id: InternetGatewayId, draft: InternetGatewayDraft, if_revision: int | None
) -> InternetGateway:
    """Rename a gateway."""
    gateway = load_own(work, InternetGateway, gateway_id, "update_internet_gateway")
    check_revision(gateway, gateway_id, if_revision)
    fixed: dict[str, tuple[object, object]] = {
        "external_network_id": (draft.external_network_id, gateway.external_network_id)
    }
    changed = rename(gateway, draft, fixed, work.now)
    work.tx.update(gateway, changed)
    return changed


def delete(work: Work, gateway_id: InternetGatewayId) -> None:
    """Remove a gateway that is on no route table."""
    gateway = load_own(work, InternetGateway, gateway_id, "delete_internet_gateway")
    if gateway.route_table_id is not None:
        raise GatewayAttachedError(gateway.id, gateway.route_table_id)
    work.tx.delete(gateway)


def attach(work: Work, table_id: RouteTableId, gateway_id: InternetGatewayId) -> RouteTable:
    """Let a table lead to the outside: a route to everything, and a leg of the router there.

    Nothing is translated by it: only what has a floating IP gets an answer.
    """
    table = load_own(work, RouteTable, table_id, "attach_internet_gateway")
    gateway = load_own(work, InternetGateway, gateway_id, "attach_internet_gateway")
    if gateway.route_table_id is not None:
        raise GatewayAttachedError(gateway.id, gateway.route_table_id)
    if table.internet_gateway_id is not None:
        raise GatewayAttachedError(table.internet_gateway_id, table.id)
    _give_leg(work, table, gateway)
    work.tx.update(gateway, attach_gateway(gateway, table.id, now=work.now))
    changed = replace(
        table, meta=next_meta(table.meta, None, work.now), internet_gateway_id=gateway.id
    )
    work.tx.update(table, changed)
    for destination in _families(work, gateway):
        _add_route(work, table, gateway, destination)
    return changed


def detach(work: Work, table_id: RouteTableId) -> RouteTable:
    """Take the way to the outside from a table; refused while floating IPs need it."""
    table = load_own(work, RouteTable, table_id, "detach_internet_gateway")
    if table.internet_gateway_id is None:
        raise NoGatewayAttachedError(table.id)
    gateway = load_own(work, InternetGateway, table.internet_gateway_id, "detach_internet_gateway")
    users = work.tx.find(Route, {"target": [gateway.id]})
    chosen = [blocker_of(route) for route in users if not is_default(route.destination)]
    if chosen:
        raise InternetGatewayInUseError(gateway.id, chosen)
    return take_off(work, table, gateway)


def take_off(work: Work, table: RouteTable, gateway: InternetGateway) -> RouteTable:
    """Detach a gateway with all routes to it."""
    for route in work.tx.find(Route, {"target": [gateway.id]}):
        work.tx.delete(route)
    work.tx.update(gateway, attach_gateway(gateway, None, now=work.now))
    changed = replace(table, meta=next_meta(table.meta, None, work.now), internet_gateway_id=None)
    work.tx.update(table, changed)
    if not any(one.internet_gateway_id for one in tables_of(work.tx, table.router_id)):
        _set_leg(work, load(work, Router, table.router_id), None)
    return changed


def _give_leg(work: Work, table: RouteTable, gateway: InternetGateway) -> None:
    router = load(work, Router, table.router_id)
    wanted = gateway.external_network_id
    if router.gateway is None:
        _set_leg(work, router, GatewayDraft(network_id=wanted, enable_snat=False))
    elif router.gateway.network_id != wanted:
        raise OtherExternalNetworkError(router.id, router.gateway.network_id, wanted)


def _set_leg(work: Work, router: Router, leg: GatewayDraft | None) -> None:
    meta = next_meta(router.meta, None, work.now)
    work.tx.update(router, replace(router, meta=meta, gateway=fit(work, router, leg)))


def _families(work: Work, gateway: InternetGateway) -> list[IpPrefix]:
    subnets = work.tx.find(Subnet, {"network_id": [gateway.external_network_id]})
    versions = {4} | {subnet.cidr.version for subnet in subnets}
    return [one for one in EVERYTHING if one.version in versions]


def _add_route(
    work: Work, table: RouteTable, gateway: InternetGateway, destination: IpPrefix
) -> None:
    for present in work.tx.find(Route, {"destination": [f"{table.id} {destination}"]}):
        raise RouteExistsError(destination, present.id)
    draft = RouteDraft(
        route_table_id=table.id,
        destination=destination,
        hop=NextHop(kind=HopKind.INTERNET_GATEWAY, target=gateway.id),
    )
    work.tx.insert(build_route(draft, work.birth(table.meta.project_id)))
