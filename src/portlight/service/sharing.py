"""Who sees and uses what he does not own: one table for every kind.

A thing is seen by its owner, by whom an RBAC policy lets, and through its parent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from portlight.core.address_group import AddressGroup
from portlight.core.default_rule import DefaultRule
from portlight.core.gateways import Peering
from portlight.core.meta import Meta
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.core.rbac import EVERYONE, RbacAction, RbacPolicy, reaches
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.subnet_pool import AddressScope, SubnetPool
from portlight.store.protocol import Alternative, Chosen, Reading
from portlight.store.shapes import SHAPES
from portlight.values.ids import NetworkId, ProjectId


class Owned(Protocol):
    """An entity with an owner."""

    @property
    def meta(self) -> Meta:
        """Its common facts."""


O = TypeVar("O", bound=Owned)  # noqa: E741 -- one letter, as for every type variable here


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The thing through which another one is seen."""

    kind: type[Owned]
    key: str
    """The column of the child that names it."""
    owner_key: str | None = None
    """The column with the parent's owner, when that is another than the child's; None: it never is.

    A column of the child's own, so that a page of a list is read from an index in its order.
    """
    owner_only: bool = False
    """Whether only the parent's owner sees the child, not those it is shared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How things of a kind are seen by others than their owner."""

    object_type: str | None = None
    """What RBAC policies call the kind; None: it is not shared by itself."""
    users: tuple[tuple[type[Owned], str], ...] = ()
    """Who uses a thing: kinds with their key that names it."""
    parent: Parent | None = None
    is_public: bool = False
    """Whether everybody sees all of them: they belong to the deployment."""
    partner: str | None = None
    """The column with a second project that sees a thing as its owner does."""


SIGHTS: Mapping[type[Owned], Sight] = {
    Network: Sight(object_type="network", users=((Port, "network_id"), (Subnet, "network_id"))),
    Subnet: Sight(parent=Parent(kind=Network, key="network_id", owner_key="network_owner")),
    Port: Sight(
        parent=Parent(kind=Network, key="network_id", owner_key="network_owner", owner_only=True)
    ),
    SecurityGroup: Sight(
        object_type="security_group",
        users=((Port, "security_group_id"), (SecurityGroupRule, "remote_group_id")),
    ),
    AddressGroup: Sight(
        object_type="address_group", users=((SecurityGroupRule, "remote_address_group_id"),)
    ),
    SubnetPool: Sight(object_type="subnetpool", users=((Subnet, "subnetpool_id"),)),
    AddressScope: Sight(object_type="address_scope", users=((SubnetPool, "address_scope_id"),)),
    DefaultRule: Sight(is_public=True),
    SecurityGroupRule: Sight(parent=Parent(kind=SecurityGroup, key="security_group_id")),
    Peering: Sight(partner="peer_project_id"),
}

SHARABLE: Mapping[str, type[Owned]] = {
    sight.object_type: kind for kind, sight in SIGHTS.items() if sight.object_type is not None
}
_NONE = Sight()


def seen_by(kind: type[Owned], project_id: ProjectId) -> tuple[Alternative, ...]:
    """Return the alternatives by which the store finds what a project sees of a kind.

    None of them: everything.
    """
    sight = SIGHTS.get(kind, _NONE)
    if sight.is_public:
        return ()
    found: list[Alternative] = [{"project_id": [project_id]}]
    if sight.object_type is not None:
        found.append({"id": _granted(sight.object_type, project_id)})
    if sight.partner is not None:
        found.append({sight.partner: [project_id]})
    parent = sight.parent
    if parent is not None:
        if parent.owner_key is not None:
            found.append({parent.owner_key: [project_id]})
        shared_as = SIGHTS[parent.kind].object_type
        if shared_as is not None and not parent.owner_only:
            found.append({parent.key: _granted(shared_as, project_id)})
    return tuple(found)


def sees(tx: Reading, project_id: ProjectId, entity: Owned) -> bool:
    """Whether a project sees a thing."""
    if entity.meta.project_id == project_id:
        return True
    sight = SIGHTS.get(type(entity), _NONE)
    if sight.is_public or _is_partner(sight, project_id, entity):
        return True
    if sight.object_type is not None and _grants_of(tx, project_id, entity):
        return True
    if sight.parent is None or sight.parent.owner_only:
        return owns_parent(tx, project_id, entity)
    parent = _parent_of(tx, entity)
    return parent is not None and sees(tx, project_id, parent)


def may_use(tx: Reading, project_id: ProjectId, entity: Owned) -> bool:
    """Whether a thing is a project's own or shared with it, not only seen by it as external."""
    if entity.meta.project_id == project_id:
        return True
    granted = _grants_of(tx, project_id, entity)
    return any(policy.action is RbacAction.ACCESS_AS_SHARED for policy in granted)


def owns_parent(tx: Reading, project_id: ProjectId, entity: Owned) -> bool:
    """Whether a project owns the thing through which another one is seen."""
    parent = _parent_of(tx, entity)
    return parent is not None and parent.meta.project_id == project_id


def shared_with(tx: Reading, kind: type[Owned], project_id: ProjectId) -> frozenset[str]:
    """Return the ids of the things of a kind that are shared with a project or with everyone."""
    object_type = SIGHTS[kind].object_type
    if object_type is None:
        return frozenset()
    keys = reaches(RbacAction.ACCESS_AS_SHARED, object_type, project_id)
    return frozenset(policy.object_id for policy in tx.find(RbacPolicy, {"reach": keys}))


def external_networks(tx: Reading, networks: Sequence[Network]) -> frozenset[NetworkId]:
    """Return which of these networks are external for anybody."""
    if not networks:
        return frozenset()
    policies = tx.find(RbacPolicy, {"object_id": [network.id for network in networks]})
    return frozenset(
        NetworkId(policy.object_id)
        for policy in policies
        if policy.action is RbacAction.ACCESS_AS_EXTERNAL
    )


def _is_partner(sight: Sight, project_id: ProjectId, entity: Owned) -> bool:
    if sight.partner is None:
        return False
    return SHAPES[type(entity)].columns[sight.partner](entity) == project_id


def _parent_of(tx: Reading, entity: Owned) -> Owned | None:
    parent = SIGHTS.get(type(entity), _NONE).parent
    if parent is None:
        return None
    identifier = SHAPES[type(entity)].columns[parent.key](entity)
    return None if identifier is None else tx.get(parent.kind, identifier)


def _granted(object_type: str, project_id: ProjectId) -> Chosen:
    keys = [key for action in RbacAction for key in reaches(action, object_type, project_id)]
    return Chosen(kind=RbacPolicy, key="object_id", where={"reach": keys})


def _grants_of(tx: Reading, project_id: ProjectId, entity: Owned) -> list[RbacPolicy]:
    identifier = SHAPES[type(entity)].identifier(entity)
    return tx.find(RbacPolicy, {"object_id": [identifier], "target": [project_id, EVERYONE]})
