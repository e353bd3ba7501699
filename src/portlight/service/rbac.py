"""Use cases of RBAC policies, and what sharing means for the thing that is shared."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from portlight.core.changes import given, next_meta
from portlight.core.drafts_sharing import RbacPolicyChange, RbacPolicyDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_routing import ExternalNetworkInUseError
from portlight.core.errors_sharing import (
    DuplicateRbacPolicyError,
    RbacForeignObjectError,
    RbacObjectTypeError,
    RbacPolicyInUseError,
)
from portlight.core.gateways import InternetGateway
from portlight.core.host import NOBODY
from portlight.core.network import Network
from portlight.core.port import OWNER_FLOATING_IP, OWNER_ROUTER_GATEWAY, Port
from portlight.core.rbac import EVERYONE, RbacAction, RbacPolicy, build_policy, retarget
from portlight.service.policy import check_action
from portlight.service.sharing import SHARABLE, SIGHTS, Owned, external_networks
from portlight.service.work import (
    Work,
    blocker_of,
    check_revision,
    load,
    load_own,
    owner_of,
    user_of,
)
from portlight.store.protocol import Where
from portlight.store.shapes import shape_of
from portlight.values.ids import RbacPolicyId


def create(work: Work, draft: RbacPolicyDraft) -> RbacPolicy:
    """Share a thing."""
    check_action(work.caller, "create_rbac_policy")
    kind = SHARABLE.get(draft.object_type)
    if kind is None:
        raise RbacObjectTypeError(draft.object_type, sorted(SHARABLE))
    thing = load(work, kind, draft.object_id)
    if not work.caller.is_admin and thing.meta.project_id != work.caller.project_id:
        raise RbacForeignObjectError(draft.object_id)
    _check_target(work, draft.target)
    _check_action(work, thing, draft.action)
    policy = build_policy(
        work.birth(owner_of(work.caller, draft.project_id)),
        object_type=draft.object_type,
        object_id=draft.object_id,
        target=draft.target,
        action=draft.action,
    )
    _check_no_twin(work, policy)
    work.tx.insert(policy)
    _touch(work, thing)
    return policy


def update(
    work: Work, policy_id: RbacPolicyId, change: RbacPolicyChange, if_revision: int | None
) -> RbacPolicy:
    """Share with another project instead; raise RbacPolicyInUseError when the old one needs it."""
    policy = load_own(work, RbacPolicy, policy_id, "update_rbac_policy")
    check_revision(policy, policy_id, if_revision)
    target = given(change.target, policy.target)
    if target == policy.target:
        return policy
    _check_target(work, target)
    thing = _thing(work, policy)
    changed = retarget(policy, target, work.now)
    _check_no_twin(work, changed)
    work.tx.update(policy, changed)
    if thing is not None:
        _check_unused(work, thing, policy)
        _touch(work, thing)
    return changed


def delete(work: Work, policy_id: RbacPolicyId) -> None:
    """Share no more; raise RbacPolicyInUseError, naming its users, when someone needs it."""
    policy = load_own(work, RbacPolicy, policy_id, "delete_rbac_policy")
    thing = _thing(work, policy)
    work.tx.delete(policy)
    if thing is not None:
        _check_unused(work, thing, policy)
        _touch(work, thing)


def set_public(work: Work, thing: Owned, *, public: bool) -> None:
    """Share a thing with everyone, or no more; raise RbacPolicyInUseError when someone needs it."""
    present = [
        policy
        for policy in _policies(work, thing)
        if _is_for_all(policy, RbacAction.ACCESS_AS_SHARED)
    ]
    if public and not present:
        _grant(work, thing, RbacAction.ACCESS_AS_SHARED)
    if present and not public:
        for policy in present:
            work.tx.delete(policy)
            _check_unused(work, thing, policy)


def is_public(work: Work, thing: Owned) -> bool:
    """Whether a thing is shared with everyone."""
    return any(
        _is_for_all(policy, RbacAction.ACCESS_AS_SHARED) for policy in _policies(work, thing)
    )


def set_external(work: Work, network: Network, *, external: bool) -> None:
    """Let everyone see a network as external, or nobody any more."""
    present = [
        policy
        for policy in _policies(work, network)
        if policy.action is RbacAction.ACCESS_AS_EXTERNAL
    ]
    if external and not present:
        _grant(work, network, RbacAction.ACCESS_AS_EXTERNAL)
    if present and not external:
        for policy in present:
            work.tx.delete(policy)
        _check_no_ways(work, network)


def discard(work: Work, thing: Owned) -> None:
    """Remove the policies of a thing that is gone."""
    for policy in _policies(work, thing):
        work.tx.delete(policy)


def _grant(work: Work, thing: Owned, action: RbacAction) -> None:
    """Let everyone."""
    policy = build_policy(
        work.birth(thing.meta.project_id),
        object_type=str(SIGHTS[type(thing)].object_type),
        object_id=shape_of(thing).identifier(thing),
        target=EVERYONE,
        action=action,
    )
    work.tx.insert(policy)


def _is_for_all(policy: RbacPolicy, action: RbacAction) -> bool:
    return (policy.target, policy.action) == (EVERYONE, action)


def _check_unused(work: Work, thing: Owned, gone: RbacPolicy) -> None:
    """Raise RbacPolicyInUseError when the target of a policy uses the thing and may no more.

    Who is on a network from outside it needs that it is external for somebody.
    """
    if gone.action is RbacAction.ACCESS_AS_EXTERNAL and isinstance(thing, Network):
        _check_no_ways(work, thing)
    if gone.action is not RbacAction.ACCESS_AS_SHARED:
        return
    allowed = {thing.meta.project_id} | {
        policy.target for policy in _policies(work, thing) if policy.action is gone.action
    }
    if EVERYONE in allowed or gone.target in allowed:
        return
    blockers = [
        blocker_of(user, f"project {user.meta.project_id}")
        for user in _users(work, thing)
        if gone.target in (EVERYONE, user.meta.project_id)
        and user.meta.project_id not in allowed | {NOBODY}
    ]
    if blockers:
        raise RbacPolicyInUseError(shape_of(thing).identifier(thing), blockers)


def _check_no_ways(work: Work, network: Network) -> None:
    """Raise ExternalNetworkInUseError when routers or public addresses need it to be external."""
    if external_networks(work.tx, [network]):
        return
    where: Where = {
        "network_id": [network.id],
        "device_owner": [OWNER_ROUTER_GATEWAY, OWNER_FLOATING_IP],
    }
    blockers = [user_of(port) for port in work.tx.find(Port, where)]
    ways = work.tx.find(InternetGateway, {"external_network_id": [network.id]})
    blockers += [blocker_of(gateway) for gateway in ways]
    if blockers:
        raise ExternalNetworkInUseError(network.id, blockers)


def _users(work: Work, thing: Owned) -> Iterable[Owned]:
    identifier = shape_of(thing).identifier(thing)
    for kind, key in SIGHTS[type(thing)].users:
        yield from work.tx.find(kind, {key: [identifier]})


def _policies(work: Work, thing: Owned) -> list[RbacPolicy]:
    return work.tx.find(RbacPolicy, {"object_id": [shape_of(thing).identifier(thing)]})


def _thing(work: Work, policy: RbacPolicy) -> Owned | None:
    return work.tx.get(SHARABLE[policy.object_type], policy.object_id)


def _touch(work: Work, thing: Any) -> None:  # noqa: ANN401 -- any kind of dataclass with a Meta
    # Who may see a thing is a property of it (`shared`): its revision tells.
    changed = replace(thing, meta=next_meta(thing.meta, None, work.now))
    work.tx.update(thing, changed)


def _check_target(work: Work, target: str) -> None:
    if target == EVERYONE:
        check_action(work.caller, "rbac_policy:everyone")


def _check_action(work: Work, thing: Owned, action: RbacAction) -> None:
    if action is not RbacAction.ACCESS_AS_EXTERNAL:
        return
    if not isinstance(thing, Network):
        raise InvalidRequestError("action", f"only a network can be {action}")
    check_action(work.caller, "network:router:external")


def _check_no_twin(work: Work, policy: RbacPolicy) -> None:
    for other in work.tx.find(RbacPolicy, {"object_id": [policy.object_id]}):
        if (other.target, other.action) == (policy.target, policy.action):
            raise DuplicateRbacPolicyError(other.id)
