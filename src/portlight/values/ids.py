"""Identifiers. Each is UUID text with its own type, so that none is passed for another."""

from typing import NewType

NetworkId = NewType("NetworkId", str)
SubnetId = NewType("SubnetId", str)
SubnetPoolId = NewType("SubnetPoolId", str)
AddressScopeId = NewType("AddressScopeId", str)
PortId = NewType("PortId", str)
SecurityGroupId = NewType("SecurityGroupId", str)
SecurityGroupRuleId = NewType("SecurityGroupRuleId", str)
DefaultRuleId = NewType("DefaultRuleId", str)
AddressGroupId = NewType("AddressGroupId", str)
VirtualIpId = NewType("VirtualIpId", str)
InstanceId = NewType("InstanceId", str)
DomainId = NewType("DomainId", str)
RbacPolicyId = NewType("RbacPolicyId", str)
ProjectId = NewType("ProjectId", str)
UserId = NewType("UserId", str)
HostId = NewType("HostId", str)
HostName = NewType("HostName", str)
