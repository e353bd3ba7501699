"""How drafts make and change internet gateways, NAT gateways and peerings. Pure."""

from dataclasses import replace
from typing import TypeVar

from portlight.core.changes import Birth, Described, first_meta, given, next_meta, required
from portlight.core.drafts_vpc import InternetGatewayDraft, NatGatewayDraft, PeeringDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_vpc import PeeringStateError
from portlight.core.gateways import InternetGateway, NatGateway, Peering, PeeringStatus
from portlight.core.network import Network
from portlight.core.port import Port, PortStatus
from portlight.core.router import PathStatus, Router
from portlight.values.ids import (
    InternetGatewayId,
    NatGatewayId,
    PeeringId,
    PortId,
    ProjectId,
    RouteTableId,
)

G = TypeVar("G", InternetGateway, NatGateway, Peering)


def build_internet_gateway(draft: InternetGatewayDraft, birth: Birth) -> InternetGateway:
    """Return the new gateway, on no route table yet."""
    return InternetGateway(
        id=InternetGatewayId(birth.id),
        meta=first_meta(draft, birth),
        external_network_id=required(draft.external_network_id, "external_network_id"),
    )


def build_nat_gateway(draft: NatGatewayDraft, port_id: PortId, birth: Birth) -> NatGateway:
    """Return the new gateway."""
    return NatGateway(
        id=NatGatewayId(birth.id),
        number=birth.number,
        meta=first_meta(draft, birth),
        router_id=required(draft.router_id, "vpc_id"),
        subnet_id=required(draft.subnet_id, "subnet_id"),
        port_id=port_id,
        floating_ip_id=required(draft.floating_ip_id, "floatingips_id"),
    )


def nat_gateway_status(
    router: Router | None, port: Port | None, world: Network | None
) -> tuple[PathStatus, str]:
    """Return how the way through a NAT gateway is, and what is in its way.

    `router` is that of its VPC, `port` its interface, `world` the network of its floating IP.
    """
    if router is None or not router.admin_state_up:
        return PathStatus.DOWN, "the router is down"
    if world is None or not world.admin_state_up:
        return PathStatus.DOWN, "no way out: the external network is down"
    if port is None or not port.admin_state_up:
        return PathStatus.DOWN, "its interface is down"
    # The host reports the interface up once all of the gateway is in place.
    return (PathStatus.ACTIVE if port.status is PortStatus.ACTIVE else PathStatus.BUILD), ""


def build_peering(draft: PeeringDraft, peer: ProjectId, birth: Birth) -> Peering:
    """Return the new peering: at once active within one project."""
    router_id = required(draft.router_id, "router_id")
    peer_router_id = required(draft.peer_router_id, "peer_router_id")
    if router_id == peer_router_id:
        raise InvalidRequestError("peer_router_id", "a router cannot be peered with itself")
    is_own = peer == birth.project_id
    return Peering(
        id=PeeringId(birth.id),
        number=birth.number,
        meta=first_meta(draft, birth),
        router_id=router_id,
        peer_router_id=peer_router_id,
        peer_project_id=peer,
        status=PeeringStatus.ACTIVE if is_own else PeeringStatus.PENDING_ACCEPTANCE,
    )


def answer_peering(peering: Peering, status: PeeringStatus, *, now: float) -> Peering:
    """Return the peering as its other side wants it; raise PeeringStateError when it has said."""
    if peering.status is not PeeringStatus.PENDING_ACCEPTANCE:
        raise PeeringStateError(peering.id, peering.status)
    return replace(peering, meta=next_meta(peering.meta, None, now), status=status)


def attach_gateway(
    gateway: InternetGateway, table_id: RouteTableId | None, *, now: float
) -> InternetGateway:
    """Return the gateway on a route table, or on none."""
    return replace(gateway, meta=next_meta(gateway.meta, None, now), route_table_id=table_id)


def rename(one: G, draft: Described, fixed: dict[str, tuple[object, object]], now: float) -> G:
    """Return it under another name; raise InvalidRequestError for what is fixed for life.

    `fixed`: field to what was asked for, and what is.
    """
    for field, (asked, present) in fixed.items():
        if given(asked, present) != present:
            raise InvalidRequestError(field, "it cannot be changed")
    return replace(one, meta=next_meta(one.meta, draft, now))
