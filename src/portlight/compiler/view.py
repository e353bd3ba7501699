"""The part of the topology that one host is about.

A port is here when the instance that holds it is. A network is here when a port of it is; a router
when one of its networks is, and then all of its networks are.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from portlight.compiler.memo import Index, Memo
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.gateways import NatGateway
from portlight.core.instance import Instance
from portlight.core.mirror import MirrorFilterRule, MirrorSession
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_ROUTER_INTERFACE, Port
from portlight.core.route_table import Route, RouteTable
from portlight.core.router import Router
from portlight.core.security_group import SecurityGroupRule
from portlight.core.topology import Topology
from portlight.core.virtual_ip import VirtualIp
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.ids import (
    FloatingIpId,
    HostName,
    InstanceId,
    MirrorFilterId,
    NatGatewayId,
    NetworkId,
    PortId,
    RouterId,
    RouteTableId,
    SecurityGroupId,
)

_OUTWARD: Final = "outward"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """What the families of the compiler read."""

    topology: Topology
    memo: Memo
    instances: Mapping[InstanceId, Instance]
    ports: Mapping[InstanceId, tuple[Port, ...]]
    """The ports of each instance of this host, in interface order."""
    networks: Mapping[NetworkId, Network]
    routers: Mapping[RouterId, Router]
    nat_gateways: Mapping[NatGatewayId, NatGateway]

    def attached(self) -> Iterator[tuple[Port, Network]]:
        """Yield every port of this host with its network."""
        for ports in self.ports.values():
            for port in ports:
                yield port, self.networks[port.network_id]

    def ports_of(self, network: NetworkId) -> Mapping[object, Port]:
        """Return the ports of a network, on every host."""
        return self.memo.indexes["ports"]["network", network]

    def interfaces_of(self, router: RouterId) -> list[Port]:
        """Return the ports by which a router is in its networks, the gateway not, in order."""
        held = self.memo.indexes["ports"]["device", router].values()
        found = (port for port in held if port.device_owner == OWNER_ROUTER_INTERFACE)
        return sorted(found, key=lambda port: port.number)

    def routers_in(self, network: NetworkId) -> list[Port]:
        """Return the interfaces of the routers of this host in a network."""
        held = self.memo.indexes["ports"]["interface", network].values()
        return [port for port in held if port.device_id in self.routers]

    def tables_of(self, router: RouterId) -> list[RouteTable]:
        """Return the route tables of a router, in order."""
        held = self.memo.indexes["route_tables"][router].values()
        return sorted(held, key=lambda table: table.number)

    def routes_of(self, table: RouteTableId) -> Mapping[object, Route]:
        """Return the routes of a table."""
        return self.memo.indexes["routes"][table]

    def routes_to(self, table: RouteTableId, destination: IpPrefix) -> Mapping[object, Route]:
        """Return the routes of a table to one destination."""
        return self.memo.indexes["routes"][table, destination]

    def floating_ips_of(self, router: RouterId) -> Mapping[object, FloatingIp]:
        """Return the floating IPs that a router translates."""
        return self.memo.indexes["floating_ips"][router]

    def forwardings_of(self, floating_ip: FloatingIpId) -> Mapping[object, PortForwarding]:
        """Return the port forwardings of a floating IP."""
        return self.memo.indexes["port_forwardings"][floating_ip]

    def held_by(self, instance: str) -> tuple[Port, ...]:
        """Return the interfaces of an instance, on whatever host, in interface order."""
        return _interfaces(self.topology, self.memo, InstanceId(instance))

    def subnets_of(self, network: NetworkId) -> tuple[Subnet, ...]:
        """Return the subnets of a network in the order of their prefixes."""
        found = self.memo.indexes["subnets"][network].values()
        return tuple(sorted(found, key=lambda subnet: (subnet.cidr.version, subnet.cidr)))

    def virtual_ips_of(self, network: NetworkId) -> tuple[VirtualIp, ...]:
        """Return the virtual IPs of a network in the order of their addresses."""
        found = self.memo.indexes["virtual_ips"][network].values()
        return tuple(sorted(found, key=lambda vip: (vip.address.version, vip.address)))

    def rules_of(self, group: SecurityGroupId) -> Mapping[object, SecurityGroupRule]:
        """Return the rules of a security group."""
        return self.memo.indexes["rules"][group]

    def mirror_rules_of(self, mirror_filter: MirrorFilterId) -> Mapping[object, MirrorFilterRule]:
        """Return the rules of a mirror filter."""
        return self.memo.indexes["mirror_rules"][mirror_filter]

    def floating_ips_at(self, address: IpAddress) -> Mapping[object, FloatingIp]:
        """Return the floating IPs of an address."""
        return self.memo.indexes["floating_ips"][address]

    def mirror_sessions_outward(self) -> Mapping[object, MirrorSession]:
        """Return the enabled mirror sessions whose target is outside the cloud."""
        return self.memo.indexes["mirror_sessions"][_OUTWARD]

    def mirror_sessions_of(self, port: PortId) -> Mapping[object, MirrorSession]:
        """Return the mirror sessions that a port is a source of."""
        return self.memo.indexes["mirror_sessions"][port]


def host_view(topology: Topology, host: HostName, memo: Memo) -> HostView:
    """Look at the topology from one host."""
    _update_indexes(topology, memo)
    instances = {key: entity for key, entity in topology.instances.items() if entity.host == host}
    ports = {key: _interfaces(topology, memo, key) for key in instances}
    here = {port.network_id for held in ports.values() for port in held}
    routers, gateways = _routers_here(topology, memo, here)
    return HostView(
        topology=topology,
        memo=memo,
        instances=instances,
        ports=ports,
        networks={key: topology.networks[key] for key in sorted(here)},
        routers={key: topology.routers[key] for key in sorted(routers)},
        nat_gateways={key: topology.nat_gateways[key] for key in sorted(gateways)},
    )


def _routers_here(
    topology: Topology, memo: Memo, here: set[NetworkId]
) -> tuple[set[RouterId], set[NatGatewayId]]:
    """Return the routers of this host; the networks that they join are added to those here.

    An external network brings no further routers: it would bring them all.
    """
    found: set[RouterId] = set()
    waiting = list(here)
    while waiting:
        for port in memo.indexes["ports"]["interface", waiting.pop()].values():
            router = topology.routers.get(RouterId(port.device_id))
            if router is None or router.id in found or not router.admin_state_up:
                continue
            found.add(router.id)
            joined = {one.network_id for one in memo.indexes["ports"]["device", router.id].values()}
            fresh = (joined & topology.networks.keys()) - here
            here |= fresh
            waiting += [one for one in fresh if one != _outside(router)]
    gateways = {one.id for one in topology.nat_gateways.values() if one.router_id in found}
    for key in gateways:
        address = topology.floating_ips.get(topology.nat_gateways[key].floating_ip_id)
        if address is not None and address.floating_network_id in topology.networks:
            here.add(address.floating_network_id)
    return found, gateways


def _outside(router: Router) -> NetworkId | None:
    return router.gateway.network_id if router.gateway is not None else None


def _interfaces(topology: Topology, memo: Memo, instance: InstanceId) -> tuple[Port, ...]:
    """Return the ports that an instance holds and that have a place and a network."""
    held = [
        (port.device_index, port.number, port)
        for port in memo.indexes["ports"]["device", instance].values()
        if port.device_index is not None and port.network_id in topology.networks
    ]
    return tuple(port for _, _, port in sorted(held, key=lambda place: place[:2]))


def _update_indexes(topology: Topology, memo: Memo) -> None:
    if not memo.indexes:
        memo.indexes |= {
            "ports": Index(_port_groups),
            "subnets": Index(lambda subnet: (subnet.network_id,)),
            "virtual_ips": Index(lambda vip: (vip.network_id,)),
            "route_tables": Index(lambda table: (table.router_id,)),
            "routes": Index(
                lambda route: (route.route_table_id, (route.route_table_id, route.destination))
            ),
            "floating_ips": Index(_floating_ip_groups),
            "port_forwardings": Index(lambda one: (one.floating_ip_id,)),
            "rules": Index(lambda rule: (rule.security_group_id,)),
            "mirror_rules": Index(lambda rule: (rule.mirror_filter_id,)),
            "mirror_sessions": Index(_mirror_groups),
        }
    memo.indexes["ports"].update(topology.ports)
    memo.indexes["subnets"].update(topology.subnets)
    memo.indexes["virtual_ips"].update(topology.virtual_ips)
    memo.indexes["route_tables"].update(topology.route_tables)
    memo.indexes["routes"].update(topology.routes)
    memo.indexes["floating_ips"].update(topology.floating_ips)
    memo.indexes["port_forwardings"].update(topology.port_forwardings)
    memo.indexes["rules"].update(topology.security_group_rules)
    memo.indexes["mirror_rules"].update(topology.mirror_filter_rules)
    memo.indexes["mirror_sessions"].update(topology.mirror_sessions)


def _port_groups(port: Port) -> tuple[Hashable, ...]:
    network = ("network", port.network_id)
    if not port.device_id:
        return (network,)
    held = (network, ("device", port.device_id))
    if port.device_owner == OWNER_ROUTER_INTERFACE:
        return (*held, ("interface", port.network_id))
    return held


def _floating_ip_groups(one: FloatingIp) -> tuple[Hashable, ...]:
    """Return its address, and the router that translates it or lets its last flows drain."""
    router = one.router_id or one.draining_router_id
    return (one.address, router) if router is not None else (one.address,)


def _mirror_groups(session: MirrorSession) -> tuple[Hashable, ...]:
    is_outward = session.enabled and session.target_ip is not None
    return (*session.source_port_ids, _OUTWARD) if is_outward else session.source_port_ids
