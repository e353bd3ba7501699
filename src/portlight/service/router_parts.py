"""What a router consists of, as the store has it: interfaces, subnets, tables."""

from collections.abc import Collection

from portlight.core.network import Subnet
from portlight.core.port import OWNER_ROUTER_INTERFACE, Port
from portlight.core.route_table import RouteTable
from portlight.store.protocol import Reading
from portlight.values.addresses import IpPrefix
from portlight.values.ids import RouterId, SubnetId

_INTERFACE = (OWNER_ROUTER_INTERFACE,)


def interfaces_of(tx: Reading, routers: Collection[RouterId]) -> list[Port]:
    """Return the interfaces of routers."""
    if not routers:
        return []
    return tx.find(Port, {"device_id": list(routers), "device_owner": _INTERFACE})


def subnets_of(tx: Reading, router_id: RouterId) -> list[Subnet]:
    """Return the subnets that a router has an interface in."""
    ids = {ip.subnet_id for port in interfaces_of(tx, [router_id]) for ip in port.fixed_ips}
    return tx.find(Subnet, {"id": sorted(ids)}) if ids else []


def routers_of(tx: Reading, subnet_id: SubnetId) -> dict[RouterId, Port]:
    """Return the routers that have an interface in a subnet, with the interface."""
    found = tx.find(Port, {"subnet_id": [subnet_id], "device_owner": _INTERFACE})
    return {RouterId(port.device_id): port for port in found}


def tables_of(tx: Reading, routers: Collection[RouterId]) -> list[RouteTable]:
    """Return the route tables of routers, the oldest first."""
    found = tx.find(RouteTable, {"router_id": [*routers]}) if routers else []
    return sorted(found, key=lambda table: table.number)


def prefixes_of(tx: Reading, router_id: RouterId) -> list[IpPrefix]:
    """Return the prefixes of the subnets that a router has an interface in."""
    return [subnet.cidr for subnet in subnets_of(tx, router_id)]
