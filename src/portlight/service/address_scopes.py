"""Use cases of address scopes."""

from portlight.core.drafts_addressing import AddressScopeDraft
from portlight.core.errors_subnet_pool import AddressScopeInUseError
from portlight.core.subnet_pool import AddressScope, SubnetPool
from portlight.core.subnet_pools import build_scope, change_scope
from portlight.service.policy import check_action
from portlight.service.work import Work, check_revision, is_set, load_own, owner_of
from portlight.values.ids import AddressScopeId


def create(work: Work, draft: AddressScopeDraft) -> AddressScope:
    """Make an address scope."""
    check_action(work.caller, "create_address_scope")
    _check_fields(work, draft)
    scope = build_scope(draft, work.birth(owner_of(work.caller, draft.project_id)))
    work.tx.insert(scope)
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
    return changed


def delete(work: Work, scope_id: AddressScopeId) -> None:
    """Remove an address scope; raise AddressScopeInUseError when it has pools."""
    scope = load_own(work, AddressScope, scope_id, "delete_address_scope")
    users = [pool.id for pool in work.tx.find(SubnetPool, {"address_scope_id": [scope_id]})]
    if users:
        raise AddressScopeInUseError(scope_id, users)
    work.tx.delete(scope)


def _check_fields(work: Work, draft: AddressScopeDraft) -> None:
    if is_set(draft.shared) and draft.shared:
        check_action(work.caller, "address_scope:shared")
