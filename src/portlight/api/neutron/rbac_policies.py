"""RBAC policies on the wire."""

from collections.abc import Sequence

from portlight.api.attributes import Attribute, Attributes, at_creation, read_only
from portlight.api.parser import parser
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, one_word
from portlight.api.wire import Json, identifier, one_of
from portlight.core.drafts_sharing import RbacPolicyChange, RbacPolicyDraft
from portlight.core.errors_sharing import RbacObjectTypeError
from portlight.core.rbac import EVERYONE, RbacAction, RbacPolicy
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.sharing import SHARABLE
from portlight.values.ids import RbacPolicyId

_TARGET_SCHEMA = {"anyOf": [{"const": EVERYONE}, identifier.schema]}


@parser(_TARGET_SCHEMA)
def _target(field: str, raw: object) -> str:
    """Accept the id of a project, or `*`."""
    return EVERYONE if raw == EVERYONE else identifier(field, raw)


@parser(one_word(*sorted(SHARABLE)))
def _object_type(_field: str, raw: object) -> str:
    """Accept a kind of things that can be shared."""
    if not isinstance(raw, str) or raw not in SHARABLE:
        raise RbacObjectTypeError(str(raw), sorted(SHARABLE))
    return raw


_ATTRIBUTES: Attributes = {
    "id": read_only(TEXT),
    "object_type": at_creation("object_type", _object_type, required=True),
    "object_id": at_creation("object_id", identifier, required=True),
    "action": at_creation("action", one_of(RbacAction), required=True),
    "target_tenant": Attribute(parse=_target, draft="target", required=True),
    "project_id": at_creation("project_id", identifier),
    "tenant_id": at_creation("project_id", identifier),
}


def _render(_cloud: Cloud, _caller: Caller, policies: Sequence[RbacPolicy]) -> list[Json]:
    return [
        {
            "id": policy.id,
            "object_type": policy.object_type,
            "object_id": policy.object_id,
            "action": policy.action,
            "target_tenant": policy.target,
            "project_id": policy.meta.project_id,
            "tenant_id": policy.meta.project_id,
        }
        for policy in policies
    ]


RBAC_POLICIES: Resource[RbacPolicy, RbacPolicyId, RbacPolicyDraft, RbacPolicyChange] = Resource(
    name="rbac_policy",
    plural="rbac_policies",
    attributes=_ATTRIBUTES,
    identifier=RbacPolicyId,
    draft=RbacPolicyDraft,
    change=RbacPolicyChange,
    use=lambda cloud: cloud.rbac_policies,
    render=_render,
    where={"object_id": "object_id", "target_tenant": "target"},
)
