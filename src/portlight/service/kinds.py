"""The kinds of entity that people create, each with its use cases."""

from typing import Final

from portlight.core.drafts import (
    InstanceDraft,
    NetworkDraft,
    PortDraft,
    SecurityGroupDraft,
    SecurityGroupRuleChange,
    SecurityGroupRuleDraft,
    SubnetDraft,
    VirtualIpDraft,
)
from portlight.core.drafts_sharing import RbacPolicyChange, RbacPolicyDraft
from portlight.core.instance import Instance
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.core.rbac import RbacPolicy
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.virtual_ip import VirtualIp
from portlight.service import (
    instances,
    networks,
    ports,
    rbac,
    security_groups,
    subnets,
    virtual_ips,
)
from portlight.service.caller import Caller
from portlight.service.collection import ANY, Collection, Kind, Where, one_by_one
from portlight.values.ids import (
    InstanceId,
    NetworkId,
    PortId,
    RbacPolicyId,
    SecurityGroupId,
    SecurityGroupRuleId,
    SubnetId,
    VirtualIpId,
)

NETWORKS: Final[Kind[Network, NetworkId, NetworkDraft, NetworkDraft]] = Kind(
    entity=Network,
    name="network",
    create=one_by_one(networks.create),
    update=networks.update,
    delete=networks.delete,
)
SUBNETS: Final[Kind[Subnet, SubnetId, SubnetDraft, SubnetDraft]] = Kind(
    entity=Subnet,
    name="subnet",
    create=one_by_one(subnets.create),
    update=subnets.update,
    delete=subnets.delete,
)
PORTS: Final[Kind[Port, PortId, PortDraft, PortDraft]] = Kind(
    entity=Port,
    name="port",
    create=virtual_ips.create_ports,
    update=ports.update,
    delete=virtual_ips.delete_port,
)
SECURITY_GROUPS: Final[
    Kind[SecurityGroup, SecurityGroupId, SecurityGroupDraft, SecurityGroupDraft]
] = Kind(
    entity=SecurityGroup,
    name="security_group",
    create=one_by_one(security_groups.create),
    update=security_groups.update,
    delete=security_groups.delete,
)
SECURITY_GROUP_RULES: Final[
    Kind[SecurityGroupRule, SecurityGroupRuleId, SecurityGroupRuleDraft, SecurityGroupRuleChange]
] = Kind(
    entity=SecurityGroupRule,
    name="security_group_rule",
    create=security_groups.create_rules,
    update=security_groups.update_rule,
    delete=security_groups.delete_rule,
)
RBAC_POLICIES: Final[Kind[RbacPolicy, RbacPolicyId, RbacPolicyDraft, RbacPolicyChange]] = Kind(
    entity=RbacPolicy,
    name="rbac_policy",
    create=one_by_one(rbac.create),
    update=rbac.update,
    delete=rbac.delete,
)
VIRTUAL_IPS: Final[Kind[VirtualIp, VirtualIpId, VirtualIpDraft, VirtualIpDraft]] = Kind(
    entity=VirtualIp,
    name="virtual_ip",
    create=one_by_one(virtual_ips.create),
    update=virtual_ips.update,
    delete=virtual_ips.delete,
)
INSTANCES: Final[Kind[Instance, InstanceId, InstanceDraft, InstanceDraft]] = Kind(
    entity=Instance,
    name="instance",
    create=one_by_one(instances.create),
    update=instances.update,
    delete=instances.delete,
)


class SecurityGroups(
    Collection[SecurityGroup, SecurityGroupId, SecurityGroupDraft, SecurityGroupDraft]
):
    """Groups; the default one of the caller's project is made when somebody first looks."""

    def find(self, caller: Caller, where: Where = ANY) -> list[SecurityGroup]:
        """Return those that the caller may see, with his project's default group."""
        with self._do.read() as tx:
            is_there = security_groups.default_of(tx, caller.project_id) is not None
        if not is_there:
            self._do.run(
                caller, lambda work: security_groups.ensure_default(work, caller.project_id)
            )
        return super().find(caller, where)
