"""Route tables and routes of routers. Meaning: docs/design/routing.md, section 2."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portlight.core.meta import Meta
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import InternetGatewayId, RouteId, RouterId, RouteTableId, SubnetId

MAX_PATHS: Final = 16
"""Equal-cost routes to one destination."""


class HopKind(StrEnum):
    """What the next hop of a route is, and so what `Route.target` names."""

    ADDRESS = "address"
    """`address`, in a subnet of the router. A virtual IP's address follows its owner."""
    PORT = "port"
    """A network interface (port id); its first address of the family."""
    INSTANCE = "instance"
    """An instance (id): its first interface in the router's subnets."""
    VIRTUAL_IP = "virtual_ip"
    """A virtual IP (id): its live owner."""
    PEERING = "peering"
    NAT_GATEWAY = "nat_gateway"
    INTERNET_GATEWAY = "internet_gateway"
    BLACKHOLE = "blackhole"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """The routes that packets from some subnets of a router follow."""

    id: RouteTableId
    number: int
    """1..2^31-1, unique for ever within a deployment."""
    meta: Meta
    router_id: RouterId
    is_default: bool = False
    """Exactly one of each router: for its subnets without a table of their own."""
    subnet_ids: tuple[SubnetId, ...] = ()
    """Sorted: those that follow it explicitly. A subnet follows one table."""
    internet_gateway_id: InternetGatewayId | None = None
    distributed: bool = True
    """Kept for clients: the data path is distributed always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route. That to the router's own subnets is implied and kept nowhere."""

    id: RouteId
    meta: Meta
    route_table_id: RouteTableId
    destination: IpPrefix
    """Unique within the table, unless both are ADDRESS hops (several: equal-cost paths)."""
    kind: HopKind
    target: str = ""
    """Id of what the kind names; empty for ADDRESS and BLACKHOLE."""
    address: IpAddress | None = None
    """Only with ADDRESS; of the destination's family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRoute:
    """The implied way to the router's own addresses: shown, kept nowhere, never changed."""

    id: RouteId
    """Made of the table's id and the destination."""
    meta: Meta
    """The table's."""
    route_table_id: RouteTableId
    destination: IpPrefix
