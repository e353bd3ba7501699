"""Everything that can be asked of Portlight. Faces translate; this decides.

Every method is one transaction and thread-safe, and raises the errors of `core`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Values
from collections.abc import Set as AbstractSet

from portlight.core import instances as instance_rules
from portlight.core.address_uses import Period, ProjectUsage
from portlight.core.audit import AuditEntry
from portlight.core.availability import NetworkAvailability
from portlight.core.drafts import InterfaceRequest
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.floating_ip import AddressUse
from portlight.core.host import Host, is_alive
from portlight.core.identity import ADMIN
from portlight.core.instance import Instance
from portlight.core.network import Network
from portlight.core.observation import HostState
from portlight.core.port import Port
from portlight.core.quotas import QuotaUse
from portlight.core.virtual_ip import VirtualIp, VirtualIpMember, VirtualIpState
from portlight.service import (
    address_uses,
    audit,
    counters,
    hosts,
    instances,
    kinds,
    kinds_routing,
    mirror_counters,
    observations,
    port_security,
    ports,
    public_ips,
    public_network,
    quotas,
    routes,
    usage,
    virtual_ips,
    vpc_kinds,
    vpc_subnets,
    vpcs,
)
from portlight.service.availability import availabilities
from portlight.service.caller import Caller
from portlight.service.collection import Collection
from portlight.service.feed import KEPT_CHANGES, changes_after
from portlight.service.identity.foreign import ForeignIdentity
from portlight.service.identity.identity import Identity
from portlight.service.identity.sealing import Sealer
from portlight.service.ids import IdSource
from portlight.service.policy import check_action
from portlight.service.report import AgentReport, ChangeBatch, MirrorCounters, PortCounters
from portlight.service.sharing import Owned, external_networks, shared_with
from portlight.service.transactions import Transactions
from portlight.service.usage import Orphan
from portlight.service.work import View, Work, check_revision, load
from portlight.store.protocol import Store
from portlight.values.addresses import IpPrefix
from portlight.values.ids import (
    HostName,
    InstanceId,
    MirrorSessionId,
    NetworkId,
    PortId,
    ProjectId,
    UserId,
    VirtualIpId,
)

HOUSEKEEPING_SECONDS = 600.0
_SYSTEM = Caller(
    user_id=UserId("system"),
    user_name="system",
    project_id=ProjectId("system"),
    project_name="system",
    roles=frozenset({ADMIN}),
)
"""Who acts when hosts report or time passes."""


class Cloud:
    """A collection for each kind (`service/kinds.py`), and the verbs that only some kinds have."""

    def __init__(  # noqa: PLR0913, PLR0915 -- all that comes from outside; a line for each kind
        self,
        *,
        store: Store,
        ids: IdSource,
        clock: Callable[[], float],
        host: HostName,
        sealer: Sealer | None = None,
        foreign: ForeignIdentity | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        """Keep all in `store`; `sealer` encrypts what must be read again (None: for one life).

        `foreign`: whose tokens count in the place of our own; `idle_seconds`: after how long a
        public address that nobody uses is given back (None: never).
        """
        self.identity = Identity(store=store, ids=ids, clock=clock, sealer=sealer)
        self.foreign_identity = foreign
        self.authenticate_token = (foreign or self.identity).authenticate_token
        self._do = Transactions(store=store, ids=ids, clock=clock, host=host)
        self.networks = Collection(self._do, kinds.NETWORKS)
        self.subnets = Collection(self._do, kinds.SUBNETS)
        self.subnet_pools = kinds.SubnetPools(self._do, kinds.SUBNET_POOLS)
        self.address_scopes = Collection(self._do, kinds.ADDRESS_SCOPES)
        self.agents = Collection(self._do, kinds.HOSTS)
        self.ports = Collection(self._do, kinds.PORTS)
        self.security_groups = kinds.SecurityGroups(self._do, kinds.SECURITY_GROUPS)
        self.security_group_rules = Collection(self._do, kinds.SECURITY_GROUP_RULES)
        self.address_groups = kinds.AddressGroups(self._do, kinds.ADDRESS_GROUPS)
        self.default_rules = Collection(self._do, kinds.DEFAULT_RULES)
        self.rbac_policies = Collection(self._do, kinds.RBAC_POLICIES)
        self.virtual_ips = Collection(self._do, kinds.VIRTUAL_IPS)
        self.instances = Collection(self._do, kinds.INSTANCES)
        self.mirror_filters = Collection(self._do, kinds.MIRROR_FILTERS)
        self.mirror_filter_rules = Collection(self._do, kinds.MIRROR_FILTER_RULES)
        self.mirror_sessions = kinds.MirrorSessions(self._do, kinds.MIRROR_SESSIONS)
        self.routers = kinds_routing.Routers(self._do, kinds_routing.ROUTERS)
        self.floating_ips = kinds_routing.FloatingIps(self._do, kinds_routing.FLOATING_IPS)
        self.port_forwardings = Collection(self._do, kinds_routing.PORT_FORWARDINGS)
        self.vpcs = vpcs.Vpcs(self._do, vpc_kinds.VPCS)
        self.vpc_subnets = vpc_subnets.VpcSubnets(self._do, vpc_kinds.VPC_SUBNETS)
        self.route_tables = vpc_kinds.RouteTables(self._do, vpc_kinds.ROUTE_TABLES)
        self.routes = routes.Routes(self._do, vpc_kinds.ROUTES)
        self.internet_gateways = Collection(self._do, vpc_kinds.INTERNET_GATEWAYS)
        self.nat_gateways = Collection(self._do, vpc_kinds.NAT_GATEWAYS)
        self.peerings = vpc_kinds.Peerings(self._do, vpc_kinds.PEERINGS)
        self.public_ips = public_ips.PublicIps(self._do, public_ips.PUBLIC_IPS)
        self.now = self._clock = clock
        self._idle_seconds = idle_seconds
        self._notebook = counters.Notebook()
        self._attendance = hosts.Attendance()
        self._swept_at = 0.0
        self.subscribe = self._do.subscribe
        self.notice_commits = self._do.notice

    def ensure_public_network(self, caller: Caller, pool: IpPrefix) -> None:
        """Make the first external network, of an administrator's project, if none ever was."""
        self._do.run(caller, lambda work: public_network.ensure(work, pool))

    @property
    def answers_at_once(self) -> bool:
        """Whether a look-up, and who asks for it, waits for nothing but memory and local disk."""
        return self._do.is_near and self.foreign_identity is None

    def shared_with(self, caller: Caller, kind: type[Owned]) -> frozenset[str]:
        """Return the ids of the things of a kind that are shared with the caller's project."""
        with self._do.read() as tx:
            return shared_with(tx, kind, caller.project_id)

    def external_networks(self, networks: Sequence[Network]) -> frozenset[NetworkId]:
        """Return which of these networks routers may have their gateway on."""
        with self._do.read() as tx:
            return external_networks(tx, networks)

    def quota(self, caller: Caller, project_id: ProjectId) -> list[QuotaUse]:
        """Return what a project may have and has."""
        return self._do.view(caller, lambda view: quotas.show(view, project_id))

    def default_quota(self, caller: Caller) -> list[QuotaUse]:
        """Return what a project has that nothing was set for."""
        return self._do.view(caller, quotas.show_default)

    def quotas(self, caller: Caller) -> list[QuotaUse]:
        """Return the same of every project that has limits of its own."""
        return self._do.view(caller, quotas.show_all)

    def set_quota(self, caller: Caller, project_id: ProjectId, draft: QuotaDraft) -> list[QuotaUse]:
        """Set limits of a project, or, for `default`, of all that have none of their own."""
        return self._do.run(caller, lambda work: quotas.change(work, project_id, draft))

    def reset_quota(self, caller: Caller, project_id: ProjectId) -> None:
        """Let a project follow the defaults again."""
        self._do.run(caller, lambda work: quotas.reset(work, project_id))

    def all_quota_uses(self) -> list[QuotaUse]:
        """Return what every project has and may have of it."""
        with self._do.read() as tx:
            return quotas.measure(tx)

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
        started = after is None
        now = self._clock()
        if self._attendance.is_due(host, now) or started:
            self._do.run(
                _SYSTEM, lambda work: hosts.note(work, host, started=started), now=now, wakes=False
            )
        # every host gets all, until there are several
        with self._do.read() as tx:
            return changes_after(tx, after)

    def report(self, host: HostName, report: AgentReport) -> None:
        """Take in what a host has seen; raise InvalidRequestError when it speaks for another."""
        if report.host != host:
            raise InvalidRequestError("host", f"the report is of {report.host}, not of {host}")
        now = self._clock()
        self._notebook.add(report, now)
        if report.tells_of_entities:
            self._do.run(_SYSTEM, lambda work: _save_report(work, report), wakes=False)
        self._keep_notes(now)

    def port_counters(self, caller: Caller, identifier: PortId) -> PortCounters:
        """Return what became of a port's packets."""
        port = self.ports.get(caller, identifier)
        notes = self._notebook.peek()
        with self._do.read() as tx:
            return counters.of_port(tx, notes, port)

    def all_counters(self) -> list[PortCounters]:
        """Return the counters of every port."""
        notes = self._notebook.peek()
        with self._do.read() as tx:
            return counters.of_all(tx, notes)

    def mirror_counters(self, caller: Caller, identifier: MirrorSessionId) -> list[MirrorCounters]:
        """Return what became of the copies of a session, for each source and direction."""
        session = self.mirror_sessions.get(caller, identifier)
        notes = self._notebook.peek()
        with self._do.read() as tx:
            return mirror_counters.of_session(tx, notes, session)

    def all_mirror_counters(self) -> list[MirrorCounters]:
        """Return the same of every session."""
        notes = self._notebook.peek()
        with self._do.read() as tx:
            return mirror_counters.of_all(tx, notes)

    def all_virtual_ip_states(self) -> list[VirtualIpState]:
        """Return owner and alarm of every virtual IP that was ever announced."""
        with self._do.read() as tx:
            return tx.find(VirtualIpState)

    def delete_port_by_force(
        self, caller: Caller, identifier: PortId, *, if_revision: int | None = None
    ) -> None:
        """Take a port from the device that uses it, and remove it (row N20)."""

        def delete(work: Work) -> None:
            check_revision(load(work, Port, identifier), identifier, if_revision)
            ports.delete_by_force(work, identifier)

        self._do.run(caller, delete)

    def audit_entries(
        self, caller: Caller, identifiers: Values[str] | None = None
    ) -> list[AuditEntry]:
        """Return who loosened which protection (None: all that the caller may see)."""
        return self._do.view(caller, lambda view: audit.list_entries(view, identifiers))

    def usage(self, caller: Caller, period: Period) -> list[ProjectUsage]:
        """Return for how long projects held public addresses in a period, and used them."""
        return self._do.view(caller, lambda view: usage.usage(view, period))

    def address_uses(self, caller: Caller) -> list[AddressUse]:
        """Return the records that this is summed up from."""
        return self._do.view(caller, usage.uses)

    def orphans(self, caller: Caller) -> list[Orphan]:
        """Return what nobody uses."""
        return self._do.view(caller, usage.orphans)

    def is_alive(self, host: Host) -> bool:
        """Whether the host's agent was heard of lately."""
        return is_alive(host, self._clock())

    def ip_availabilities(
        self, caller: Caller, network_ids: Values[str] | None
    ) -> list[NetworkAvailability]:
        """Return how many addresses networks (None: all) have, and how many are held."""
        return self._do.view(caller, lambda view: availabilities(view, network_ids))

    def hosts(self) -> Sequence[HostState]:
        """Return what every host said last."""
        notes = self._notebook.peek()
        with self._do.read() as tx:
            return counters.hosts(tx, notes)

    def tick(self, now: float) -> None:
        """Let time pass: end grace windows and alarms; now and then, throw away what is over."""
        with self._do.read() as tx:
            due = observations.is_due(tx, now)
        if due:
            self._do.run(_SYSTEM, _end_what_is_due, now=now)
        self._keep_notes(now)
        if now - self._swept_at >= HOUSEKEEPING_SECONDS:
            self._swept_at = now
            self.identity.forget_expired()
            with self._do.read() as tx:
                gone = counters.gone_ports(tx)
                ended = mirror_counters.ended_sessions(tx)
            self._do.run(_SYSTEM, lambda work: _forget(work, gone, ended), now=now, wakes=False)
            if (idle := self._idle_seconds) is not None:
                self._do.run(_SYSTEM, lambda work: public_ips.release_idle(work, idle), now=now)

    def settle(self) -> None:
        """Keep what is only remembered: before the process ends."""
        self._keep_notes(math.inf)

    def _keep_notes(self, now: float) -> None:
        notes = self._notebook.take(now)
        if notes is not None:
            self._do.run(_SYSTEM, lambda work: counters.save_notes(work, notes), wakes=False)
            self._notebook.drop(notes)

    def _power(self, caller: Caller, identifier: InstanceId, action: str) -> Instance:
        change = _POWER[action]
        return self._do.run(
            caller, lambda work: instances.change_power(work, identifier, action, change)
        )


_POWER: Mapping[str, Callable[..., Instance]] = {
    "start_instance": instance_rules.start,
    "stop_instance": instance_rules.stop,
    "reboot_instance": instance_rules.reboot,
    "renew_instance": instance_rules.renew,
}


def _save_report(work: Work, report: AgentReport) -> None:
    observations.save_statuses(work, report)
    observations.save_claims(work, report.claims)


def _end_what_is_due(work: Work) -> None:
    ports.end_grace(work)
    port_security.end_openings(work)
    observations.end_alarms(work)


def _forget(work: Work, gone: AbstractSet[int], ended: AbstractSet[int]) -> None:
    counters.forget_gone(work, gone)
    mirror_counters.forget_ended(work, ended)
    address_uses.forget_old(work, turn=int(work.now // HOUSEKEEPING_SECONDS))
    work.tx.prune_changes(KEPT_CHANGES)


def _state(view: View, identifier: VirtualIpId) -> VirtualIpState:
    key = load(view, VirtualIp, identifier).id
    return view.tx.get(VirtualIpState, key) or VirtualIpState(virtual_ip_id=key)
