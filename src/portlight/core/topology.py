"""Everything the network is supposed to be, as one value.

Pure: a snapshot. The agent keeps one up to date from the server's changes; the verdict and the
compiler read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from portlight.core.address_group import AddressGroup
from portlight.core.instance import Instance
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.virtual_ip import VirtualIp
from portlight.values.ids import (
    AddressGroupId,
    InstanceId,
    NetworkId,
    PortId,
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


KIND_OF: Mapping[type, str] = {
    Network: "networks",
    Subnet: "subnets",
    Port: "ports",
    SecurityGroup: "security_groups",
    SecurityGroupRule: "security_group_rules",
    AddressGroup: "address_groups",
    VirtualIp: "virtual_ips",
    Instance: "instances",
}
"""Entity class to its field in Topology; also the `kind` in the change stream."""
