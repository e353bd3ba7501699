"""Who else may see and use a thing: RBAC policies. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from portlight.core.changes import Birth, next_meta
from portlight.core.meta import Meta
from portlight.values.ids import ProjectId, RbacPolicyId

EVERYONE: Final = "*"
"""The target that is every project."""


class RbacAction(StrEnum):
    """What a policy permits."""

    ACCESS_AS_SHARED = "access_as_shared"
    ACCESS_AS_EXTERNAL = "access_as_external"
    """See a network to which routers have their gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RbacPolicy:
    """A project (or everyone) may see and use a thing of another."""

    id: RbacPolicyId
    meta: Meta
    object_type: str
    """As in Neutron: `network`, `security_group`, ..."""
    object_id: str
    action: RbacAction
    target: str
    """A project, or EVERYONE."""


def build_policy(
    birth: Birth,
    *,
    object_type: str,
    object_id: str,
    target: str,
    action: RbacAction = RbacAction.ACCESS_AS_SHARED,
) -> RbacPolicy:
    """Return the new policy."""
    meta = Meta(
        project_id=birth.project_id,
        revision_number=1,
        created_at=birth.now,
        updated_at=birth.now,
    )
    return RbacPolicy(
        id=RbacPolicyId(birth.id),
        meta=meta,
        object_type=object_type,
        object_id=object_id,
        action=action,
        target=target,
    )


def retarget(policy: RbacPolicy, target: str, now: float) -> RbacPolicy:
    """Return the policy for another project."""
    return replace(policy, meta=next_meta(policy.meta, None, now), target=target)


def reach(action: RbacAction, object_type: str, target: str) -> str:
    """Return the key that all policies of one action, type and target have in common."""
    return f"{action} {object_type} {target}"


def reaches(action: RbacAction, object_type: str, project_id: ProjectId) -> tuple[str, str]:
    """Return the two keys of the policies that reach a project."""
    return reach(action, object_type, project_id), reach(action, object_type, EVERYONE)
