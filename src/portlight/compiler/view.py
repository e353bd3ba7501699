"""The part of the topology that one host is about.

A port is here when the instance that holds it is. A network is here when a port of it is.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from portlight.compiler.memo import Index, Memo
from portlight.core.instance import Instance
from portlight.core.mirror import MirrorFilterRule, MirrorSession
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.core.security_group import SecurityGroupRule
from portlight.core.topology import Topology
from portlight.core.virtual_ip import VirtualIp
from portlight.values.ids import (
    HostName,
    InstanceId,
    MirrorFilterId,
    NetworkId,
    PortId,
    SecurityGroupId,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """What the families of the compiler read."""

    topology: Topology
    memo: Memo
    instances: Mapping[InstanceId, Instance]
    ports: Mapping[InstanceId, tuple[Port, ...]]
    """The ports of each instance of this host, in interface order."""
    networks: Mapping[NetworkId, Network]

    def attached(self) -> Iterator[tuple[Port, Network]]:
        """Yield every port of this host with its network."""
        for ports in self.ports.values():
            for port in ports:
                yield port, self.networks[port.network_id]

    def ports_of(self, network: NetworkId) -> Mapping[object, Port]:
        """Return the ports of a network, on every host."""
        return self.memo.indexes["ports"]["network", network]

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

    def mirror_sessions_of(self, port: PortId) -> Mapping[object, MirrorSession]:
        """Return the mirror sessions that a port is a source of."""
        return self.memo.indexes["mirror_sessions"][port]


def host_view(topology: Topology, host: HostName, memo: Memo) -> HostView:
    """Look at the topology from one host."""
    _update_indexes(topology, memo)
    instances = {key: entity for key, entity in topology.instances.items() if entity.host == host}
    ports = {key: _interfaces(topology, memo, key) for key in instances}
    here = sorted({port.network_id for held in ports.values() for port in held})
    return HostView(
        topology=topology,
        memo=memo,
        instances=instances,
        ports=ports,
        networks={key: topology.networks[key] for key in here},
    )


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
            "rules": Index(lambda rule: (rule.security_group_id,)),
            "mirror_rules": Index(lambda rule: (rule.mirror_filter_id,)),
            "mirror_sessions": Index(lambda session: session.source_port_ids),
        }
    memo.indexes["ports"].update(topology.ports)
    memo.indexes["subnets"].update(topology.subnets)
    memo.indexes["virtual_ips"].update(topology.virtual_ips)
    memo.indexes["rules"].update(topology.security_group_rules)
    memo.indexes["mirror_rules"].update(topology.mirror_filter_rules)
    memo.indexes["mirror_sessions"].update(topology.mirror_sessions)


def _port_groups(port: Port) -> tuple[Hashable, ...]:
    network = ("network", port.network_id)
    return (network, ("device", port.device_id)) if port.device_id else (network,)
