"""One unit of work: a transaction, the caller, and everything that comes from outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from portlight.core.address_group import AddressGroup
from portlight.core.changes import Birth, given
from portlight.core.default_rule import DefaultRule
from portlight.core.drafts import UNSET, Unset
from portlight.core.errors import Blocker, NotFoundError, PreconditionFailedError
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.gateways import InternetGateway, NatGateway, Peering
from portlight.core.host import Host
from portlight.core.instance import Instance
from portlight.core.mirror import MirrorFilter, MirrorFilterRule, MirrorSession
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.core.rbac import RbacPolicy
from portlight.core.route_table import Route, RouteTable
from portlight.core.router import Router
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.subnet_pool import AddressScope, SubnetPool
from portlight.core.virtual_ip import VirtualIp
from portlight.service.caller import Caller
from portlight.service.ids import IdSource
from portlight.service.policy import PARENT_OWNER_TOO, check_action, check_owner
from portlight.service.sharing import O, Owned, owns_parent, seen_by, sees
from portlight.store.protocol import Reading, Window, Writing
from portlight.store.shapes import SHAPES
from portlight.values.ids import HostName, ProjectId

MAX_NUMBER = {"networks": (1 << 24) - 1}
"""The highest number of a sequence, where it is less than 2^31-1."""

LABELS: Mapping[type, str] = {
    Network: "Network",
    Subnet: "Subnet",
    Port: "Port",
    SecurityGroup: "SecurityGroup",
    SecurityGroupRule: "SecurityGroupRule",
    AddressGroup: "AddressGroup",
    DefaultRule: "DefaultSecurityGroupRule",
    SubnetPool: "SubnetPool",
    AddressScope: "AddressScope",
    Host: "Agent",
    VirtualIp: "VirtualIp",
    Instance: "Instance",
    MirrorFilter: "MirrorFilter",
    MirrorFilterRule: "MirrorFilterRule",
    MirrorSession: "MirrorSession",
    RbacPolicy: "RbacPolicy",
    Router: "Router",
    RouteTable: "RoutingTable",
    Route: "Route",
    InternetGateway: "InternetGateway",
    NatGateway: "NatGateway",
    Peering: "Peering",
    FloatingIp: "FloatingIP",
    PortForwarding: "PortForwarding",
}
"""The `kind` in NotFoundError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A read transaction on behalf of a caller."""

    tx: Reading
    caller: Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A write transaction on behalf of a caller."""

    tx: Writing
    caller: Caller
    ids: IdSource
    now: float
    """Seconds since the epoch, UTC."""
    host: HostName
    """Where instances and network services run."""
    claims: set[tuple[type, ProjectId]] = field(default_factory=set)
    """Of which kinds the caller made more in which projects: quotas judge them before the end."""

    def birth(self, project_id: ProjectId, sequence: str | None = None) -> Birth:
        """Return what a new entity needs, with a number when its kind has a sequence."""
        return self.births([project_id], sequence)[0]

    def births(self, projects: Sequence[ProjectId], sequence: str | None = None) -> list[Birth]:
        """Return what new entities of these projects need, with numbers in this order."""
        first = 0 if sequence is None else self.tx.next_number(sequence, len(projects))
        by = 0 if sequence is None else 1
        return [
            Birth(id=self.ids.uuid(), project_id=project, now=self.now, number=first + by * index)
            for index, project in enumerate(projects)
        ]


def owner_of(caller: Caller, project_id: ProjectId | Unset) -> ProjectId:
    """Return the project of a new entity; raise ForbiddenError for another one's."""
    owner = given(project_id, caller.project_id)
    check_owner(caller, "any_project", owner)
    return owner


def load(view: View | Work, kind: type[O], identifier: str) -> O:
    """Return an entity that the caller may see; raise NotFoundError otherwise."""
    entity = view.tx.get(kind, identifier)
    if entity is None or not _is_visible(view, entity):
        raise NotFoundError(LABELS[kind], identifier)
    return entity


def load_own(work: Work, kind: type[O], identifier: str, action: str) -> O:
    """Return an entity that the caller may change.

    Raise NotFoundError when he may not even see it, ForbiddenError when he only may see it.
    """
    entity = load(work, kind, identifier)
    check_action(work.caller, action)
    if action in PARENT_OWNER_TOO and owns_parent(work.tx, work.caller.project_id, entity):
        return entity
    check_owner(work.caller, action, entity.meta.project_id)
    return entity


def search(
    view: View,
    kind: type[O],
    where: Mapping[str, Collection[str]],
    window: Window | None = None,
) -> list[O]:
    """Return the entities that the caller may see: by time of creation, or a window by id."""
    seen = () if view.caller.is_admin else seen_by(kind, view.caller.project_id)
    found = view.tx.find(kind, where, seen, window)
    if window is not None:
        return found
    return sorted(found, key=lambda entity: entity.meta.created_at)


def check_revision(entity: Owned, identifier: str, expected: int | None) -> None:
    """Raise PreconditionFailedError when the caller has seen another revision."""
    if expected is not None and expected != entity.meta.revision_number:
        raise PreconditionFailedError(identifier, entity.meta.revision_number)


def blocker_of(entity: Owned, note: str = "") -> Blocker:
    """Return the entity as a reason of a refusal."""
    kind = type(entity)
    return Blocker(kind=LABELS[kind], id=SHAPES[kind].identifier(entity), note=note)


def user_of(port: Port) -> Blocker:
    """Return a port as a reason of a refusal, with what it belongs to: a router, an address."""
    return blocker_of(port, f"{port.device_owner} {port.device_id}".strip())


def is_set(value: object) -> bool:
    """Whether a draft says anything about a field."""
    return value is not UNSET


def _is_visible(view: View | Work, entity: Owned) -> bool:
    return view.caller.is_admin or sees(view.tx, view.caller.project_id, entity)
