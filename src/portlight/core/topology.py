"""Everything the network is supposed to be, as one value.

Pure: a snapshot. The agent keeps one up to date from the server's changes; the verdict and the
compiler read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from portlight.core.address_group import AddressGroup
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.gateways import InternetGateway, NatGateway, Peering
from portlight.core.instance import Instance
from portlight.core.mirror import MirrorFilter, MirrorFilterRule, MirrorSession
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.core.route_table import Route, RouteTable
from portlight.core.router import Router
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.virtual_ip import VirtualIp
from portlight.values.ids import (
    AddressGroupId,
    FloatingIpId,
    InstanceId,
    InternetGatewayId,
    MirrorFilterId,
    MirrorFilterRuleId,
    MirrorSessionId,
    NatGatewayId,
    NetworkId,
    PeeringId,
    PortForwardingId,
    PortId,
    RouteId,
    RouterId,
    RouteTableId,
    SecurityGroupId,
    SecurityGroupRuleId,
    SubnetId,
    VirtualIpId,
)

Entity = (
    Network
    | Subnet
    | Port
    | SecurityGroup
    | SecurityGroupRule
    | AddressGroup
    | VirtualIp
    | Instance
    | MirrorFilter
    | MirrorFilterRule
    | MirrorSession
    | Router
    | RouteTable
    | Route
    | InternetGateway
    | NatGateway
    | Peering
    | FloatingIp
    | PortForwarding
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All entities by id. The mappings are never changed once given."""

    networks: Mapping[NetworkId, Network] = field(default_factory=dict)
    subnets: Mapping[SubnetId, Subnet] = field(default_factory=dict)
    ports: Mapping[PortId, Port] = field(default_factory=dict)
    security_groups: Mapping[SecurityGroupId, SecurityGroup] = field(default_factory=dict)
    security_group_rules: Mapping[SecurityGroupRuleId, SecurityGroupRule] = field(
        default_factory=dict
    )
    address_groups: Mapping[AddressGroupId, AddressGroup] = field(default_factory=dict)
    virtual_ips: Mapping[VirtualIpId, VirtualIp] = field(default_factory=dict)
    instances: Mapping[InstanceId, Instance] = field(default_factory=dict)
    mirror_filters: Mapping[MirrorFilterId, MirrorFilter] = field(default_factory=dict)
    mirror_filter_rules: Mapping[MirrorFilterRuleId, MirrorFilterRule] = field(default_factory=dict)
    mirror_sessions: Mapping[MirrorSessionId, MirrorSession] = field(default_factory=dict)
    routers: Mapping[RouterId, Router] = field(default_factory=dict)
    route_tables: Mapping[RouteTableId, RouteTable] = field(default_factory=dict)
    routes: Mapping[RouteId, Route] = field(default_factory=dict)
    internet_gateways: Mapping[InternetGatewayId, InternetGateway] = field(default_factory=dict)
    nat_gateways: Mapping[NatGatewayId, NatGateway] = field(default_factory=dict)
    peerings: Mapping[PeeringId, Peering] = field(default_factory=dict)
    floating_ips: Mapping[FloatingIpId, FloatingIp] = field(default_factory=dict)
    port_forwardings: Mapping[PortForwardingId, PortForwarding] = field(default_factory=dict)


KIND_OF: Mapping[type, str] = {
    Network: "networks",
    Subnet: "subnets",
    Port: "ports",
    SecurityGroup: "security_groups",
    SecurityGroupRule: "security_group_rules",
    AddressGroup: "address_groups",
    VirtualIp: "virtual_ips",
    Instance: "instances",
    MirrorFilter: "mirror_filters",
    MirrorFilterRule: "mirror_filter_rules",
    MirrorSession: "mirror_sessions",
    Router: "routers",
    RouteTable: "route_tables",
    Route: "routes",
    InternetGateway: "internet_gateways",
    NatGateway: "nat_gateways",
    Peering: "peerings",
    FloatingIp: "floating_ips",
    PortForwarding: "port_forwardings",
}
"""Entity class to its field in Topology; also the `kind` in the change stream."""
