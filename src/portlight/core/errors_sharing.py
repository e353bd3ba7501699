"""Refusals about RBAC policies. The words follow Neutron's."""

from collections.abc import Sequence

from portlight.core.errors import Blocker, ConflictError, InUseError, InvalidRequestError, named


class RbacObjectTypeError(InvalidRequestError):
    """Nothing of this type can be shared."""

    def __init__(self, object_type: str, known: Sequence[str]) -> None:
        super().__init__(
            "object_type",
            f"'{object_type}' is not a valid RBAC object type (valid: {', '.join(known)})",
        )
        self.object_type = object_type


class RbacForeignObjectError(InvalidRequestError):
    """The caller may use the thing, but it is not his to share."""

    def __init__(self, object_id: str) -> None:
        super().__init__(
            "object_id", "Only admins can manipulate policies on objects they do not own"
        )
        self.object_id = object_id


class DuplicateRbacPolicyError(ConflictError):
    """The same policy is there already."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(f"An RBAC policy already exists with those values: {policy_id}.")
        self.policy_id = policy_id


class RbacPolicyInUseError(InUseError):
    """Without the policy someone would use what he cannot see."""

    def __init__(self, object_id: str, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"RBAC policy on object {object_id} cannot be removed because other objects depend "
            f"on it.\nDetails: {named(blockers)}",
            blockers,
        )
        self.object_id = object_id
