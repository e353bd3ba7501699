"""Use cases of address scopes."""

from portlight.core.changes import given
from portlight.core.drafts import Unset
from portlight.core.drafts_addressing import AddressScopeDraft
from portlight.core.errors_subnet_pool import AddressScopeInUseError, AddressScopeUpdateError
from portlight.core.subnet_pool import AddressScope, SubnetPool
from portlight.core.subnet_pools import build_scope, change_scope
from portlight.service import rbac
from portlight.service.policy import check_action
from portlight.service.work import Work, blocker_of, check_revision, is_set, load_own, owner_of
from portlight.values.ids import AddressScopeId


def create(work: Work, draft: AddressScopeDraft) -> AddressScope:
    """Make an address scope."""
    check_action(work.caller, "create_address_scope")
    _check_fields(work, draft)
    scope = build_scope(draft, work.birth(owner_of(work.caller, draft.project_id)))
    work.tx.insert(scope)
    rbac.set_public(work, scope, public=given(draft.shared, default=False))
    return scope


def update(
    work: Work, scope_id: AddressScopeId, draft: AddressScopeDraft, if_revision: int | None
) -> AddressScope:
    """Change an address scope."""
    scope = load_own(work, AddressScope, scope_id, "update_address_scope")
    check_revision(scope, scope_id, if_revision)
    _check_fields(work, draft)
    changed = change_scope(scope, draft, now=work.now)
    work.tx.update(scope, changed)
    if not isinstance(draft.shared, Unset):
        _share(work, changed, public=draft.shared)
    return changed


def delete(work: Work, scope_id: AddressScopeId) -> None:
    """Remove an address scope; raise AddressScopeInUseError when it has pools."""
    scope = load_own(work, AddressScope, scope_id, "delete_address_scope")
    users = [
        blocker_of(pool) for pool in work.tx.find(SubnetPool, {"address_scope_id": [scope_id]})
    ]
    if users:
        raise AddressScopeInUseError(scope_id, users)
    rbac.discard(work, scope)
    work.tx.delete(scope)


def _share(work: Work, scope: AddressScope, *, public: bool) -> None:
    if not public and rbac.is_public(work, scope):
        raise AddressScopeUpdateError(scope.id, "Shared address scope can't be unshared")
    rbac.set_public(work, scope, public=public)


def _check_fields(work: Work, draft: AddressScopeDraft) -> None:
    if is_set(draft.shared) and draft.shared:
        check_action(work.caller, "address_scope:shared")
