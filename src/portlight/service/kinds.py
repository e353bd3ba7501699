"""The kinds of entity that people create, each with its use cases."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from portlight.core.address_group import AddressGroup
from portlight.core.default_rule import DefaultRule
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
from portlight.core.drafts_addressing import AddressScopeDraft, SubnetPoolDraft
from portlight.core.drafts_groups import AddressGroupDraft, DefaultRuleChange, DefaultRuleDraft
from portlight.core.drafts_sharing import RbacPolicyChange, RbacPolicyDraft
from portlight.core.host import Host, HostDraft
from portlight.core.instance import Instance
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.core.rbac import RbacPolicy
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.subnet_pool import AddressScope, SubnetPool
from portlight.core.virtual_ip import VirtualIp
from portlight.service import (
    address_groups,
    address_scopes,
    default_rules,
    hosts,
    instances,
    networks,
    ports,
    rbac,
    security_groups,
    subnet_pools,
    subnets,
    virtual_ips,
)
from portlight.service.caller import Caller
from portlight.service.collection import ANY, Collection, Kind, Where, one_by_one
from portlight.store.protocol import Window
from portlight.values.addresses import IpPrefix
from portlight.values.ids import (
    AddressGroupId,
    AddressScopeId,
    DefaultRuleId,
    HostId,
    InstanceId,
    NetworkId,
    PortId,
    RbacPolicyId,
    SecurityGroupId,
    SecurityGroupRuleId,
    SubnetId,
    SubnetPoolId,
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
SUBNET_POOLS: Final[Kind[SubnetPool, SubnetPoolId, SubnetPoolDraft, SubnetPoolDraft]] = Kind(
    entity=SubnetPool,
    name="subnetpool",
    create=one_by_one(subnet_pools.create),
    update=subnet_pools.update,
    delete=subnet_pools.delete,
)
ADDRESS_SCOPES: Final[Kind[AddressScope, AddressScopeId, AddressScopeDraft, AddressScopeDraft]] = (
    Kind(
        entity=AddressScope,
        name="address_scope",
        create=one_by_one(address_scopes.create),
        update=address_scopes.update,
        delete=address_scopes.delete,
    )
)
HOSTS: Final[Kind[Host, HostId, HostDraft, HostDraft]] = Kind(
    entity=Host,
    name="agent",
    create=hosts.create,
    update=hosts.update,
    delete=hosts.delete,
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
ADDRESS_GROUPS: Final[Kind[AddressGroup, AddressGroupId, AddressGroupDraft, AddressGroupDraft]] = (
    Kind(
        entity=AddressGroup,
        name="address_group",
        create=one_by_one(address_groups.create),
        update=address_groups.update,
        delete=address_groups.delete,
    )
)
DEFAULT_RULES: Final[Kind[DefaultRule, DefaultRuleId, DefaultRuleDraft, DefaultRuleChange]] = Kind(
    entity=DefaultRule,
    name="default_security_group_rule",
    create=one_by_one(default_rules.create),
    update=default_rules.update,
    delete=default_rules.delete,
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


class SubnetPools(Collection[SubnetPool, SubnetPoolId, SubnetPoolDraft, SubnetPoolDraft]):
    """Subnet pools, and the verbs that change what a pool holds."""

    def add_prefixes(
        self, caller: Caller, identifier: SubnetPoolId, prefixes: Sequence[IpPrefix]
    ) -> SubnetPool:
        """Let the pool have more prefixes."""
        return self._do.run(
            caller, lambda work: subnet_pools.add_prefixes(work, identifier, prefixes)
        )

    def remove_prefixes(
        self, caller: Caller, identifier: SubnetPoolId, prefixes: Sequence[IpPrefix]
    ) -> SubnetPool:
        """Take prefixes from the pool that no subnet has."""
        return self._do.run(
            caller, lambda work: subnet_pools.remove_prefixes(work, identifier, prefixes)
        )

    def onboard(
        self, caller: Caller, identifier: SubnetPoolId, network_id: NetworkId
    ) -> list[Subnet]:
        """Let the pool have the subnets of a network."""
        return self._do.run(caller, lambda work: subnet_pools.onboard(work, identifier, network_id))

    def scopes_of(self, subnets: Iterable[Subnet]) -> Mapping[SubnetPoolId, AddressScopeId]:
        """Return the address scopes of the pools that subnets are from, whoever owns them."""
        wanted = {subnet.subnetpool_id for subnet in subnets} - {None}
        if not wanted:
            return {}
        with self._do.read() as tx:
            pools = tx.find(SubnetPool, {"id": [str(one) for one in wanted]})
        return {pool.id: pool.address_scope_id for pool in pools if pool.address_scope_id}


class SecurityGroups(
    Collection[SecurityGroup, SecurityGroupId, SecurityGroupDraft, SecurityGroupDraft]
):
    """Groups; the default one of the caller's project is made when somebody first looks."""

    def find(
        self, caller: Caller, where: Where = ANY, window: Window | None = None
    ) -> list[SecurityGroup]:
        """Return those that the caller may see, with his project's default group."""
        with self._do.read() as tx:
            is_there = security_groups.default_of(tx, caller.project_id) is not None
        if not is_there:
            self._do.run(
                caller, lambda work: security_groups.ensure_default(work, caller.project_id)
            )
        return super().find(caller, where, window)


class AddressGroups(Collection[AddressGroup, AddressGroupId, AddressGroupDraft, AddressGroupDraft]):
    """Address groups; their addresses change by verbs."""

    def add_addresses(
        self, caller: Caller, identifier: AddressGroupId, addresses: Sequence[IpPrefix]
    ) -> AddressGroup:
        """Put addresses into a group, all or none."""
        return self._do.run(caller, lambda work: address_groups.add(work, identifier, addresses))

    def remove_addresses(
        self, caller: Caller, identifier: AddressGroupId, addresses: Sequence[IpPrefix]
    ) -> AddressGroup:
        """Take addresses out of a group, all or none."""
        return self._do.run(caller, lambda work: address_groups.remove(work, identifier, addresses))
