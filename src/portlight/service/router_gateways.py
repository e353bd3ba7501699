"""The leg of a router on an external network."""

from collections.abc import Iterable
from dataclasses import replace

from portlight.core.changes import given
from portlight.core.drafts import FixedIpRequest, PortDraft, Unset
from portlight.core.drafts_routing import GatewayDraft
from portlight.core.errors import Blocker
from portlight.core.errors_routing import NotExternalError, RouterGatewayInUseError
from portlight.core.gateways import InternetGateway
from portlight.core.host import NOBODY
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_ROUTER_GATEWAY
from portlight.core.ports import PortParts, change_port
from portlight.core.route_table import RouteTable
from portlight.core.router import ExternalGateway, Router
from portlight.core.routers import check_hops, check_no_overlap
from portlight.service import addresses, extra_routes, ports, router_ports, translations
from portlight.service.policy import check_action
from portlight.service.sharing import external_networks
from portlight.service.work import Work, blocker_of, is_set, load
from portlight.values.ids import NetworkId


def check_draft(work: Work, draft: GatewayDraft | Unset | None) -> None:
    """Raise ForbiddenError for what the caller may not choose about a gateway."""
    if isinstance(draft, Unset) or draft is None:
        return
    if is_set(draft.enable_snat):
        check_action(work.caller, "router:external_gateway_info:enable_snat")
    if is_set(draft.fixed_ips):
        check_action(work.caller, "router:external_gateway_info:external_fixed_ips")


def external_network(work: Work, network_id: NetworkId, field: str) -> Network:
    """Return a network that leads outside; raise NotExternalError when it is none."""
    network = load(work, Network, network_id)
    if not external_networks(work.tx, [network]):
        raise NotExternalError(field, network_id)
    return network


def fit(work: Work, router: Router, draft: GatewayDraft | None) -> ExternalGateway | None:
    """Return the gateway that the router has from now on, with its port in the store.

    The caller keeps the router. Raise RouterGatewayInUseError when somebody needs the present one.
    """
    present = router.gateway
    if draft is None:
        _drop(work, router)
        return None
    if not isinstance(draft.fixed_ips, Unset):
        network = load(work, Network, draft.network_id)
        router_ports.check_not_hosts_own(work, network, draft.fixed_ips, "external_gateway_info")
    snat = given(draft.enable_snat, default=True)
    if present is not None and present.network_id == draft.network_id:
        if not isinstance(draft.fixed_ips, Unset):
            _readdress(work, router, draft.fixed_ips)
        return replace(present, enable_snat=snat)
    network = external_network(work, draft.network_id, "external_gateway_info")
    inside = router_ports.subnets_of(work.tx, router_ports.interfaces_of(work.tx, router.id))
    check_no_overlap(work.tx.find(Subnet, {"network_id": [network.id]}), inside)
    _drop(work, router)
    port = router_ports.insert(
        work,
        network,
        owner=(OWNER_ROUTER_GATEWAY, router.id),
        project_id=NOBODY,
        fixed_ips=draft.fixed_ips,
    )
    return ExternalGateway(network_id=network.id, port_id=port.id, enable_snat=snat)


def discard(work: Work, router: Router) -> None:
    """Remove the gateway's port with a router that goes."""
    port = router_ports.gateway_of(work.tx, router)
    if port is not None:
        ports.discard(work, port)


def users_of(work: Work, router: Router) -> list[Blocker]:
    """Return what needs the gateway: floating IPs, and internet gateways, whose work it is."""
    tables = work.tx.find(RouteTable, {"router_id": [router.id]})
    ways = work.tx.find(InternetGateway, {"route_table_id": [table.id for table in tables]})
    return translations.users_of_router(work, router) + [blocker_of(way) for way in ways]


def _drop(work: Work, router: Router) -> None:
    if router.gateway is None:
        return
    users = users_of(work, router)
    if users:
        raise RouterGatewayInUseError(router.id, router.gateway.network_id, users)
    discard(work, router)
    without = replace(router, gateway=None)
    connected, own = router_ports.reach(work.tx, without)
    hops = extra_routes.hops_of(work.tx, [router.id]).get(router.id, ())
    check_hops(hops, router_id=router.id, connected=connected, own=own)


def _readdress(work: Work, router: Router, requests: Iterable[FixedIpRequest]) -> None:
    port = router_ports.gateway_of(work.tx, router)
    if port is None:
        return
    network = load(work, Network, port.network_id)
    who = addresses.seeker(work, network, port, port.mac, port.device_owner)
    fixed_ips = addresses.take_requested(work.tx, who, tuple(requests), port.fixed_ips)
    if fixed_ips == port.fixed_ips:
        return
    parts = PortParts(mac=port.mac, fixed_ips=fixed_ips, security_groups=())
    ports.save(work, port, change_port(port, PortDraft(), parts=parts, now=work.now))
