"""Use cases of NAT gateways: a subnet's way out under a floating IP of its own."""

from portlight.core.changes import required
from portlight.core.drafts import FixedIpRequest
from portlight.core.drafts_vpc import NatGatewayDraft
from portlight.core.errors import Blocker
from portlight.core.errors_routing import FloatingIpInUseError
from portlight.core.errors_vpc import GatewayRoutesError, NotInRouterError
from portlight.core.floating_ip import FloatingIp
from portlight.core.gateway_rules import build_nat_gateway, rename
from portlight.core.gateways import NatGateway
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_NAT_GATEWAY, Port
from portlight.core.route_table import Route
from portlight.core.router import Router
from portlight.service import address_uses, floating_ips, ports, router_ports
from portlight.service.policy import check_action
from portlight.service.work import Work, blocker_of, check_revision, load, load_own
from portlight.values.ids import NatGatewayId


def create(work: Work, draft: NatGatewayDraft) -> NatGateway:
    """Make a gateway in a subnet of the VPC, with a floating IP that leads nowhere yet."""
    check_action(work.caller, "create_nat_gateway")
    router = load_own(work, Router, required(draft.router_id, "vpc_id"), "create_nat_gateway")
    subnet = load(work, Subnet, required(draft.subnet_id, "subnet_id"))
    if router.id not in {leg.device_id for leg in router_ports.in_subnets(work.tx, [subnet.id])}:
        raise NotInRouterError(blocker_of(subnet), router.id)
    floating_ip = load_own(
        work, FloatingIp, required(draft.floating_ip_id, "floatingips_id"), "create_nat_gateway"
    )
    _check_free(work, floating_ip)
    birth = work.birth(router.meta.project_id, "routers")
    port = router_ports.insert(
        work,
        load(work, Network, subnet.network_id),
        owner=(OWNER_NAT_GATEWAY, birth.id),
        project_id=router.meta.project_id,
        fixed_ips=(FixedIpRequest(subnet_id=subnet.id),),
    )
    gateway = build_nat_gateway(draft, port.id, birth)
    work.tx.insert(gateway)
    address_uses.noted(work, floating_ip, in_use=True)
    return gateway


def update(
    work: Work, gateway_id: NatGatewayId, draft: NatGatewayDraft, if_revision: int | None
) -> NatGateway:
    """Rename a gateway; VPC, subnet and floating IP are fixed for life."""
    gateway = load_own(work, NatGateway, gateway_id, "update_nat_gateway")
    check_revision(gateway, gateway_id, if_revision)
    fixed: dict[str, tuple[object, object]] = {
        "vpc_id": (draft.router_id, gateway.router_id),
        "subnet_id": (draft.subnet_id, gateway.subnet_id),
        "floatingips_id": (draft.floating_ip_id, gateway.floating_ip_id),
    }
    changed = rename(gateway, draft, fixed, work.now)
    work.tx.update(gateway, changed)
    return changed


def delete(work: Work, gateway_id: NatGatewayId) -> None:
    """Remove a gateway that no route leads to; its floating IP stays, and is free."""
    gateway = load_own(work, NatGateway, gateway_id, "delete_nat_gateway")
    users = [blocker_of(route) for route in work.tx.find(Route, {"target": [gateway.id]})]
    if users:
        raise GatewayRoutesError(blocker_of(gateway), users)
    work.tx.delete(gateway)
    port = work.tx.get(Port, gateway.port_id)
    if port is not None:
        ports.discard(work, port)
    floating_ip = work.tx.get(FloatingIp, gateway.floating_ip_id)
    if floating_ip is not None:
        address_uses.noted(work, floating_ip, in_use=False)


def _check_free(work: Work, floating_ip: FloatingIp) -> None:
    """Raise FloatingIpInUseError when a floating IP leads somewhere, in whatever way."""
    if floating_ip.port_id is not None:
        taken = Blocker(kind="Port", id=floating_ip.port_id)
        raise FloatingIpInUseError(floating_ip.id, [taken])
    floating_ips.check_free(work, floating_ip)
