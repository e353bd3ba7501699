"""How the next hops of routes fare: what is not there leaves its routes as blackholes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from portlight.core.floating_ip import FloatingIp
from portlight.core.gateway_rules import nat_gateway_status
from portlight.core.gateways import InternetGateway, NatGateway, Peering, PeeringStatus
from portlight.core.instance import Instance, PowerState
from portlight.core.network import Network
from portlight.core.port import OWNER_INSTANCE, Port
from portlight.core.route_table import HopKind, Route
from portlight.core.router import PathStatus, Router
from portlight.core.virtual_ip import VirtualIp, VirtualIpState
from portlight.store.protocol import Reading
from portlight.values.ids import PortId, RouteId


@dataclass(frozen=True, slots=True, kw_only=True)
class HopState:
    """What is known of the next hop of a route."""

    address: str = ""
    """Where it is in the router's subnets, if it is in one."""
    is_there: bool = True
    """False: the route is a blackhole for now."""
    detail: str = ""
    """Why it is not there, or what may be wrong with it."""


def states_of(tx: Reading, routes: Iterable[Route]) -> Mapping[RouteId, HopState]:
    """Return the states of the next hops of routes; each thing is looked up once."""
    known: dict[tuple[HopKind, str], HopState] = {}
    found = {}
    for route in routes:
        if route.address is not None or not route.target:
            found[route.id] = HopState(address="" if route.address is None else str(route.address))
            continue
        key = route.kind, route.target
        if key not in known:
            known[key] = _STATES[route.kind](tx, route.target)
        found[route.id] = known[key]
    return found


def _port(tx: Reading, target: str) -> HopState:
    port = tx.get(Port, target)
    if port is None:
        return _gone("the port")
    if not port.device_id:
        return HopState(address=_first(port), is_there=False, detail="no device holds the port")
    return HopState(address=_first(port), detail=_checks([port]))


def _instance(tx: Reading, target: str) -> HopState:
    instance = tx.get(Instance, target)
    if instance is None:
        return _gone("the instance")
    ports = tx.find(Port, {"device_id": [target], "device_owner": [OWNER_INSTANCE]})
    address = _first(min(ports, key=lambda one: one.device_index or 0)) if ports else ""
    if instance.power_state is not PowerState.RUNNING or not ports:
        return HopState(address=address, is_there=False, detail="the instance does not run")
    return HopState(address=address, detail=_checks(ports))


def _virtual_ip(tx: Reading, target: str) -> HopState:
    virtual_ip = tx.get(VirtualIp, target)
    if virtual_ip is None:
        return _gone("the virtual IP")
    state = tx.get(VirtualIpState, target)
    owner = virtual_ip.pinned_owner or (state.owner_port_id if state else None)
    members = [tx.get(Port, member.port_id) for member in virtual_ip.members]
    address = str(virtual_ip.address)
    if owner is None:
        return HopState(address=address, is_there=False, detail="nobody has the virtual IP")
    return HopState(address=address, detail=_checks([one for one in members if one is not None]))


def _nat_gateway(tx: Reading, target: str) -> HopState:
    gateway = tx.get(NatGateway, target)
    if gateway is None:
        return _gone("the NAT gateway")
    port, router = tx.get(Port, gateway.port_id), tx.get(Router, gateway.router_id)
    floating_ip = tx.get(FloatingIp, gateway.floating_ip_id)
    world = tx.get(Network, floating_ip.floating_network_id) if floating_ip is not None else None
    status, detail = nat_gateway_status(router, port, world)
    address = "" if port is None else _first(port)
    return HopState(address=address, is_there=status is not PathStatus.DOWN, detail=detail)


def _peering(tx: Reading, target: str) -> HopState:
    peering = tx.get(Peering, target)
    if peering is None:
        return _gone("the peering")
    if peering.status is not PeeringStatus.ACTIVE:
        return HopState(is_there=False, detail=f"the peering is {peering.status}")
    return HopState()


def _internet_gateway(tx: Reading, target: str) -> HopState:
    gateway = tx.get(InternetGateway, target)
    if gateway is None:
        return _gone("the internet gateway")
    if gateway.route_table_id is None:
        return HopState(is_there=False, detail="the internet gateway is attached to no table")
    return HopState()


def _gone(what: str) -> HopState:
    return HopState(is_there=False, detail=f"{what} is gone")


def _first(port: Port) -> str:
    return str(port.fixed_ips[0].address) if port.fixed_ips else ""


def _checks(ports: Iterable[Port]) -> str:
    """Return which ports would drop what is not for themselves (row N22)."""
    checked: list[PortId] = [
        port.id for port in ports if port.source_destination_check and port.port_security_enabled
    ]
    if not checked:
        return ""
    return f"the source/destination check is on: port {', '.join(checked)} carries nothing further"


_STATES: Mapping[HopKind, Callable[[Reading, str], HopState]] = {
    HopKind.PORT: _port,
    HopKind.INSTANCE: _instance,
    HopKind.VIRTUAL_IP: _virtual_ip,
    HopKind.NAT_GATEWAY: _nat_gateway,
    HopKind.PEERING: _peering,
    HopKind.INTERNET_GATEWAY: _internet_gateway,
}
