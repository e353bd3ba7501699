"""Everything that can be asked of Portlight. Faces translate; this decides.

Every method is one transaction and thread-safe, and raises the errors of `core`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from portlight.core import instances as instance_rules
from portlight.core.drafts import (
    InstanceDraft,
    InterfaceRequest,
    NetworkDraft,
    PortDraft,
    SecurityGroupDraft,
    SecurityGroupRuleDraft,
    SubnetDraft,
    VirtualIpDraft,
)
from portlight.core.errors import InvalidRequestError
from portlight.core.identity import ADMIN
from portlight.core.instance import Instance
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_VIRTUAL_IP, Port
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.virtual_ip import VirtualIp, VirtualIpMember, VirtualIpState
from portlight.service import (
    instances,
    networks,
    observations,
    ports,
    security_groups,
    subnets,
    virtual_ips,
)
from portlight.service.caller import Caller
from portlight.service.feed import KEPT_CHANGES, changes_after
from portlight.service.identity import Identity
from portlight.service.ids import IdSource
from portlight.service.policy import check_action
from portlight.service.report import AgentReport, ChangeBatch, HostState, PortCounters
from portlight.service.transactions import Transactions
from portlight.service.work import O, View, Work, check_revision, load, search
from portlight.store.protocol import Store
from portlight.values.ids import (
    HostName,
    InstanceId,
    NetworkId,
    PortId,
    ProjectId,
    SecurityGroupId,
    SecurityGroupRuleId,
    SubnetId,
    UserId,
    VirtualIpId,
)

HOUSEKEEPING_SECONDS = 600.0
I = TypeVar("I", bound=str)  # noqa: E741 -- an identifier, beside O
Where = Mapping[str, Collection[str]]
_ANY: Where = {}
_SYSTEM = Caller(
    user_id=UserId("system"),
    user_name="system",
    project_id=ProjectId("system"),
    project_name="system",
    roles=frozenset({ADMIN}),
)
"""Who acts when hosts report or time passes."""


class Cloud:
    """The use cases, each delegated to the module of its kind."""

    def __init__(
        self, *, store: Store, ids: IdSource, clock: Callable[[], float], host: HostName
    ) -> None:
        self.identity = Identity(store=store, ids=ids, clock=clock)
        self.authenticate_password = self.identity.authenticate_password
        self.authenticate_token = self.identity.authenticate_token
        self._do = Transactions(store=store, ids=ids, clock=clock, host=host)
        self._clock = clock
        self._contests = observations.Contests()
        self._counters = observations.Counters()
        self._swept_at = 0.0
        self.subscribe = self._do.subscribe

    def create_network(self, caller: Caller, draft: NetworkDraft) -> Network:
        """Make one."""
        return self._do.run(caller, lambda work: networks.create(work, draft))

    def create_networks(self, caller: Caller, drafts: Sequence[NetworkDraft]) -> list[Network]:
        """Make several, all or none."""
        return self._do.run(caller, lambda work: [networks.create(work, draft) for draft in drafts])

    def update_network(
        self,
        caller: Caller,
        identifier: NetworkId,
        draft: NetworkDraft,
        *,
        if_revision: int | None = None,
    ) -> Network:
        """Change what the draft names."""
        return self._do.run(
            caller, lambda work: networks.update(work, identifier, draft, if_revision)
        )

    def delete_network(
        self, caller: Caller, identifier: NetworkId, *, if_revision: int | None = None
    ) -> None:
        """Remove it; raise a ConflictError that names its users when it has some."""
        self._delete(caller, Network, identifier, networks.delete, if_revision)

    def get_network(self, caller: Caller, identifier: NetworkId) -> Network:
        """Return it; raise NotFoundError when the caller may not see it."""
        return self._get(caller, Network, "get_network", identifier)

    def list_networks(self, caller: Caller, where: Where = _ANY) -> list[Network]:
        """Return those that the caller may see."""
        return self._list(caller, Network, "get_network", where)

    def create_subnet(self, caller: Caller, draft: SubnetDraft) -> Subnet:
        """Make one."""
        return self._do.run(caller, lambda work: subnets.create(work, draft))

    def create_subnets(self, caller: Caller, drafts: Sequence[SubnetDraft]) -> list[Subnet]:
        """Make several, all or none."""
        return self._do.run(caller, lambda work: [subnets.create(work, draft) for draft in drafts])

    def update_subnet(
        self,
        caller: Caller,
        identifier: SubnetId,
        draft: SubnetDraft,
        *,
        if_revision: int | None = None,
    ) -> Subnet:
        """Change what the draft names."""
        return self._do.run(
            caller, lambda work: subnets.update(work, identifier, draft, if_revision)
        )

    def delete_subnet(
        self, caller: Caller, identifier: SubnetId, *, if_revision: int | None = None
    ) -> None:
        """Remove it; raise a ConflictError that names its users when it has some."""
        self._delete(caller, Subnet, identifier, subnets.delete, if_revision)

    def get_subnet(self, caller: Caller, identifier: SubnetId) -> Subnet:
        """Return it; raise NotFoundError when the caller may not see it."""
        return self._get(caller, Subnet, "get_subnet", identifier)

    def list_subnets(self, caller: Caller, where: Where = _ANY) -> list[Subnet]:
        """Return those that the caller may see."""
        return self._list(caller, Subnet, "get_subnet", where)

    def create_port(self, caller: Caller, draft: PortDraft) -> Port:
        """Make one."""
        return self._do.run(caller, lambda work: _create_port(work, draft))

    def create_ports(self, caller: Caller, drafts: Sequence[PortDraft]) -> list[Port]:
        """Make several, all or none."""
        return self._do.run(caller, lambda work: [_create_port(work, draft) for draft in drafts])

    def update_port(
        self,
        caller: Caller,
        identifier: PortId,
        draft: PortDraft,
        *,
        if_revision: int | None = None,
    ) -> Port:
        """Change what the draft names."""
        return self._do.run(caller, lambda work: ports.update(work, identifier, draft, if_revision))

    def delete_port(
        self, caller: Caller, identifier: PortId, *, if_revision: int | None = None
    ) -> None:
        """Remove it; raise a ConflictError that names its users when it has some."""
        self._delete(caller, Port, identifier, virtual_ips.delete_port, if_revision)

    def get_port(self, caller: Caller, identifier: PortId) -> Port:
        """Return it; raise NotFoundError when the caller may not see it."""
        return self._get(caller, Port, "get_port", identifier)

    def list_ports(self, caller: Caller, where: Where = _ANY) -> list[Port]:
        """Return those that the caller may see."""
        return self._list(caller, Port, "get_port", where)

    def create_security_group(self, caller: Caller, draft: SecurityGroupDraft) -> SecurityGroup:
        """Make one."""
        return self._do.run(caller, lambda work: security_groups.create(work, draft))

    def create_security_groups(
        self, caller: Caller, drafts: Sequence[SecurityGroupDraft]
    ) -> list[SecurityGroup]:
        """Make several, all or none."""
        return self._do.run(
            caller, lambda work: [security_groups.create(work, draft) for draft in drafts]
        )

    def update_security_group(
        self,
        caller: Caller,
        identifier: SecurityGroupId,
        draft: SecurityGroupDraft,
        *,
        if_revision: int | None = None,
    ) -> SecurityGroup:
        """Change what the draft names."""
        return self._do.run(
            caller, lambda work: security_groups.update(work, identifier, draft, if_revision)
        )

    def delete_security_group(
        self, caller: Caller, identifier: SecurityGroupId, *, if_revision: int | None = None
    ) -> None:
        """Remove it; raise a ConflictError that names its users when it has some."""
        self._delete(caller, SecurityGroup, identifier, security_groups.delete, if_revision)

    def get_security_group(self, caller: Caller, identifier: SecurityGroupId) -> SecurityGroup:
        """Return it; raise NotFoundError when the caller may not see it."""
        return self._get(caller, SecurityGroup, "get_security_group", identifier)

    def list_security_groups(self, caller: Caller, where: Where = _ANY) -> list[SecurityGroup]:
        """Return those that the caller may see; his project's default group is always there."""
        with self._do.read() as tx:
            is_there = security_groups.default_of(tx, caller.project_id) is not None
        if not is_there:
            self._do.run(
                caller, lambda work: security_groups.ensure_default(work, caller.project_id)
            )
        return self._list(caller, SecurityGroup, "get_security_group", where)

    def create_security_group_rule(
        self, caller: Caller, draft: SecurityGroupRuleDraft
    ) -> SecurityGroupRule:
        """Add a rule."""
        return self.create_security_group_rules(caller, [draft])[0]

    def create_security_group_rules(
        self, caller: Caller, drafts: Sequence[SecurityGroupRuleDraft]
    ) -> list[SecurityGroupRule]:
        """Add several, all or none."""
        return self._do.run(caller, lambda work: security_groups.create_rules(work, drafts))

    def update_security_group_rule(
        self,
        caller: Caller,
        identifier: SecurityGroupRuleId,
        description: str,
        *,
        if_revision: int | None = None,
    ) -> SecurityGroupRule:
        """Change the description, the only thing of a rule that changes."""

        def describe(work: Work) -> SecurityGroupRule:
            _check_revision(work, SecurityGroupRule, identifier, if_revision)
            return security_groups.describe(work, identifier, description)

        return self._do.run(caller, describe)

    def delete_security_group_rule(
        self, caller: Caller, identifier: SecurityGroupRuleId, *, if_revision: int | None = None
    ) -> None:
        """Remove a rule."""
        self._delete(
            caller, SecurityGroupRule, identifier, security_groups.delete_rule, if_revision
        )

    def get_security_group_rule(
        self, caller: Caller, identifier: SecurityGroupRuleId
    ) -> SecurityGroupRule:
        """Return it; raise NotFoundError when the caller may not see it."""
        return self._get(caller, SecurityGroupRule, "get_security_group_rule", identifier)

    def list_security_group_rules(
        self, caller: Caller, where: Where = _ANY
    ) -> list[SecurityGroupRule]:
        """Return those that the caller may see."""
        return self._list(caller, SecurityGroupRule, "get_security_group_rule", where)

    def create_virtual_ip(self, caller: Caller, draft: VirtualIpDraft) -> VirtualIp:
        """Make one."""
        return self._do.run(caller, lambda work: virtual_ips.create(work, draft))

    def update_virtual_ip(
        self,
        caller: Caller,
        identifier: VirtualIpId,
        draft: VirtualIpDraft,
        *,
        if_revision: int | None = None,
    ) -> VirtualIp:
        """Change what the draft names."""
        return self._do.run(
            caller, lambda work: virtual_ips.update(work, identifier, draft, if_revision)
        )

    def delete_virtual_ip(
        self, caller: Caller, identifier: VirtualIpId, *, if_revision: int | None = None
    ) -> None:
        """Remove it; raise a ConflictError that names its users when it has some."""
        self._delete(caller, VirtualIp, identifier, virtual_ips.delete, if_revision)

    def get_virtual_ip(self, caller: Caller, identifier: VirtualIpId) -> VirtualIp:
        """Return it; raise NotFoundError when the caller may not see it."""
        return self._get(caller, VirtualIp, "get_virtual_ip", identifier)

    def list_virtual_ips(self, caller: Caller, where: Where = _ANY) -> list[VirtualIp]:
        """Return those that the caller may see."""
        return self._list(caller, VirtualIp, "get_virtual_ip", where)

    def add_virtual_ip_member(
        self, caller: Caller, identifier: VirtualIpId, member: VirtualIpMember
    ) -> VirtualIp:
        """Let a port hold the address; adding it again changes its virtual router id."""
        return self._do.run(caller, lambda work: virtual_ips.add_member(work, identifier, member))

    def remove_virtual_ip_member(
        self, caller: Caller, identifier: VirtualIpId, port_id: PortId
    ) -> VirtualIp:
        """End a port's membership."""
        return self._do.run(
            caller, lambda work: virtual_ips.remove_member(work, identifier, port_id)
        )

    def move_virtual_ip(
        self, caller: Caller, identifier: VirtualIpId, port_id: PortId
    ) -> VirtualIp:
        """Make a member the owner."""
        return self._do.run(caller, lambda work: virtual_ips.move(work, identifier, port_id))

    def virtual_ip_state(self, caller: Caller, identifier: VirtualIpId) -> VirtualIpState:
        """Return owner, history and alarm as the hosts saw them."""
        check_action(caller, "get_virtual_ip")
        return self._do.view(caller, lambda view: _state(view, identifier))

    def create_instance(self, caller: Caller, draft: InstanceDraft) -> Instance:
        """Make one."""
        return self._do.run(caller, lambda work: instances.create(work, draft))

    def delete_instance(
        self, caller: Caller, identifier: InstanceId, *, if_revision: int | None = None
    ) -> None:
        """Remove it; raise a ConflictError that names its users when it has some."""
        self._delete(caller, Instance, identifier, instances.delete, if_revision)

    def get_instance(self, caller: Caller, identifier: InstanceId) -> Instance:
        """Return it; raise NotFoundError when the caller may not see it."""
        return self._get(caller, Instance, "get_instance", identifier)

    def list_instances(self, caller: Caller, where: Where = _ANY) -> list[Instance]:
        """Return those that the caller may see."""
        return self._list(caller, Instance, "get_instance", where)

    def update_instance(
        self,
        caller: Caller,
        identifier: InstanceId,
        draft: InstanceDraft,
        *,
        if_revision: int | None = None,
    ) -> Instance:
        """Change name, description or tags."""
        return self._do.run(
            caller, lambda work: instances.update(work, identifier, draft, if_revision)
        )

    def start_instance(self, caller: Caller, identifier: InstanceId) -> Instance:
        """Let it run."""
        return self._power(caller, identifier, "start_instance")

    def stop_instance(self, caller: Caller, identifier: InstanceId) -> Instance:
        """Let it stop; its ports stay attached."""
        return self._power(caller, identifier, "stop_instance")

    def reboot_instance(self, caller: Caller, identifier: InstanceId) -> Instance:
        """Let it stop and start."""
        return self._power(caller, identifier, "reboot_instance")

    def renew_instance(self, caller: Caller, identifier: InstanceId) -> Instance:
        """Let its DHCP clients ask again (row N19)."""
        return self._power(caller, identifier, "renew_instance")

    def attach_interface(
        self, caller: Caller, instance_id: InstanceId, request: InterfaceRequest
    ) -> Port:
        """Give an instance one more interface, running or not."""
        return self._do.run(caller, lambda work: instances.attach(work, instance_id, request))

    def detach_interface(self, caller: Caller, instance_id: InstanceId, port_id: PortId) -> None:
        """Take an interface away, from a running instance or not."""
        self._do.run(caller, lambda work: instances.detach(work, instance_id, port_id))

    def changes_after(self, host: HostName, after: int | None) -> ChangeBatch:
        """Return what an agent has to know; never waits."""
        del host  # every host gets all, until there are several
        with self._do.read() as tx:
            return changes_after(tx, after)

    def report(self, host: HostName, report: AgentReport) -> None:
        """Take in what a host has seen; raise InvalidRequestError when it speaks for another."""
        if report.host != host:
            raise InvalidRequestError("host", f"the report is of {report.host}, not of {host}")
        self._counters.note(report, self._clock())
        if report.ports or report.instances or report.claims:
            self._do.run(_SYSTEM, lambda work: self._save_report(work, report), wakes=False)

    def port_counters(self, caller: Caller, identifier: PortId) -> PortCounters:
        """Return what became of a port's packets."""
        return self._counters.of_port(self.get_port(caller, identifier))

    def all_counters(self) -> list[PortCounters]:
        """Return the counters of every port."""
        with self._do.read() as tx:
            return self._counters.of_all(tx)

    def all_virtual_ip_states(self) -> list[VirtualIpState]:
        """Return owner and alarm of every virtual IP that was ever announced."""
        with self._do.read() as tx:
            return tx.find(VirtualIpState)

    def hosts(self) -> Sequence[HostState]:
        """Return what every host said last."""
        return self._counters.hosts()

    def tick(self, now: float) -> None:
        """Let time pass: end grace windows and alarms; now and then, throw away what is over."""
        with self._do.read() as tx:
            due = observations.is_due(tx, now)
        if due:
            self._do.run(_SYSTEM, self._end_what_is_due, now=now)
        if now - self._swept_at >= HOUSEKEEPING_SECONDS:
            self._swept_at = now
            self.identity.forget_expired()
            self._do.run(_SYSTEM, lambda work: work.tx.prune_changes(KEPT_CHANGES), now=now)

    def _save_report(self, work: Work, report: AgentReport) -> None:
        observations.save_statuses(work, report)
        self._contests.save_claims(work, report.claims)

    def _end_what_is_due(self, work: Work) -> None:
        ports.end_grace(work)
        self._contests.end_alarms(work)

    def _delete(
        self,
        caller: Caller,
        kind: type[O],
        identifier: I,
        use_case: Callable[[Work, I], None],
        if_revision: int | None,
    ) -> None:
        def delete(work: Work) -> None:
            _check_revision(work, kind, identifier, if_revision)
            use_case(work, identifier)

        self._do.run(caller, delete)

    def _power(self, caller: Caller, identifier: InstanceId, action: str) -> Instance:
        change = _POWER[action]
        return self._do.run(
            caller, lambda work: instances.change_power(work, identifier, action, change)
        )

    def _get(self, caller: Caller, kind: type[O], action: str, identifier: str) -> O:
        check_action(caller, action)
        return self._do.view(caller, lambda view: load(view, kind, identifier))

    def _list(self, caller: Caller, kind: type[O], action: str, where: Where) -> list[O]:
        check_action(caller, action)
        return self._do.view(caller, lambda view: search(view, kind, where))


_POWER: Mapping[str, Callable[..., Instance]] = {
    "start_instance": instance_rules.start,
    "stop_instance": instance_rules.stop,
    "reboot_instance": instance_rules.reboot,
    "renew_instance": instance_rules.renew,
}


def _check_revision(work: Work, kind: type[O], identifier: str, if_revision: int | None) -> None:
    if if_revision is not None:
        check_revision(load(work, kind, identifier), identifier, if_revision)


def _create_port(work: Work, draft: PortDraft) -> Port:
    if draft.device_owner == OWNER_VIRTUAL_IP:
        return virtual_ips.create_port(work, draft)
    return ports.create(work, draft)


def _state(view: View, identifier: VirtualIpId) -> VirtualIpState:
    virtual_ip = load(view, VirtualIp, identifier)
    state = view.tx.get(VirtualIpState, virtual_ip.id)
    return state or VirtualIpState(virtual_ip_id=virtual_ip.id)
