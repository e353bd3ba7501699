"""Use cases of roles: the fixed ones are shown; own ones allow nothing by themselves."""

from portlight.core.directory import build_role, change_role, check_role_changeable
from portlight.core.drafts_identity import RoleDraft
from portlight.core.errors import NotFoundError
from portlight.core.errors_identity import NameTakenError
from portlight.core.identity import Role, RoleAssignment
from portlight.service.identity.directory import DirectoryKind
from portlight.service.identity.lookup import all_roles, role_of
from portlight.service.identity.work import AnyView, IdentityWork, Where, end_membership
from portlight.store.protocol import Reading


def load(view: AnyView, identifier: str) -> Role:
    """Return a role; everybody knows them all."""
    role = role_of(view.tx, identifier)
    if role is None:
        raise NotFoundError("Role", identifier)
    return role


def search(view: AnyView, where: Where) -> list[Role]:
    """Return the roles."""
    names = where.get("name")
    return [role for role in all_roles(view.tx) if names is None or role.name in names]


def create(work: IdentityWork, draft: RoleDraft) -> Role:
    """Make a role."""
    role = build_role(draft, work.ids.uuid())
    _check_name_free(work.tx, role)
    work.tx.insert(role)
    return role


def update(work: IdentityWork, role: Role, draft: RoleDraft) -> Role:
    """Change a role."""
    changed = change_role(role, draft)
    if changed.name != role.name:
        _check_name_free(work.tx, changed)
    work.tx.update(role, changed)
    return changed


def delete(work: IdentityWork, role: Role) -> None:
    """Remove a role from everybody who has it."""
    check_role_changeable(role)
    for grant in work.tx.find(RoleAssignment, {"role": [role.id]}):
        target = grant.project_id or grant.domain_id or ""
        end_membership(work.tx, grant.user_id, target, role.id)
    work.tx.delete(role)


ROLES: DirectoryKind[Role, RoleDraft] = DirectoryKind(
    name="role", load=load, search=search, create=create, update=update, delete=delete
)


def _check_name_free(tx: Reading, role: Role) -> None:
    if tx.find(Role, {"name": [role.name]}):
        raise NameTakenError("role", role.name)
