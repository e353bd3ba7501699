"""Use cases of projects."""

from collections import Counter
from collections.abc import Callable

from portlight.core.audit import AuditEntry
from portlight.core.directory import build_project, change_project
from portlight.core.drafts_identity import ProjectDraft
from portlight.core.errors import ForbiddenError, NotFoundError
from portlight.core.errors_identity import NameTakenError, ProjectInUseError
from portlight.core.identity import (
    AccessKey,
    ApplicationCredential,
    Project,
    RoleAssignment,
    TokenRecord,
)
from portlight.core.port import Port
from portlight.core.quotas import QuotaLimits
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.service.identity.directory import DirectoryKind
from portlight.service.identity.lookup import domain_of
from portlight.service.identity.work import AnyView, IdentityWork, Where, end_tokens
from portlight.store.protocol import Reading
from portlight.store.shapes import SHAPES
from portlight.values.ids import ProjectId

Tags = frozenset[str]

_GO_WITH_IT = (ApplicationCredential, AccessKey, TokenRecord)
"""Kinds of a project that nobody made for their own sake."""
_NOT_OWNED = (RoleAssignment, SecurityGroupRule, AuditEntry)
"""Kinds that go with something else, or (what was done) are never deleted."""
_COUNTED = tuple(
    kind
    for kind, shape in SHAPES.items()
    if "project_id" in shape.columns and kind not in (*_GO_WITH_IT, *_NOT_OWNED)
)


def load(view: AnyView, identifier: str) -> Project:
    """Return a project that the holder may know.

    Of another one he learns not even whether it exists: ForbiddenError, as from Keystone. Clients
    then take what they were given for an id, and so name the target of an RBAC policy.
    """
    if not (view.by.is_admin or identifier in _own(view)):
        raise ForbiddenError("get_project")
    project = view.tx.get(Project, identifier)
    if project is None:
        raise NotFoundError("Project", identifier)
    return project


def search(view: AnyView, where: Where) -> list[Project]:
    """Return all projects to an admin, to others those in which they have a role.

    Who asks for the name of another one is refused, whether or not it exists (see `load`).
    """
    if view.by.is_admin:
        return view.tx.find(Project, where)
    own = _own(view)
    found = [project for project in view.tx.find(Project, where) if project.id in own]
    if "name" in where and not found:
        raise ForbiddenError("get_project")
    return found


def of_user(tx: Reading, user_id: str) -> list[Project]:
    """Return the projects in which a user has a role."""
    grants = tx.find(RoleAssignment, {"user_id": [user_id]})
    return tx.find(Project, {"id": {grant.project_id for grant in grants if grant.project_id}})


def create(work: IdentityWork, draft: ProjectDraft) -> Project:
    """Make a project."""
    project = build_project(draft, ProjectId(work.ids.uuid()))
    if domain_of(work.tx, project.domain_id) is None:
        raise NotFoundError("Domain", project.domain_id)
    _check_name_free(work.tx, project)
    work.tx.insert(project)
    return project


def update(work: IdentityWork, project: Project, draft: ProjectDraft) -> Project:
    """Change a project; disabling it ends its tokens."""
    changed = change_project(project, draft)
    if changed.name != project.name:
        _check_name_free(work.tx, changed)
    work.tx.update(project, changed)
    if project.enabled and not changed.enabled:
        end_tokens(work.tx, {"project_id": [project.id]})
    return changed


def retag(work: IdentityWork, identifier: str, changed: Callable[[Tags], Tags]) -> Project:
    """Replace the tags of a project by what becomes of the present ones."""
    project = load(work, identifier)
    return update(work, project, ProjectDraft(tags=changed(project.tags)))


def delete(work: IdentityWork, project: Project) -> None:
    """Remove a project that owns nothing but its default security group.

    Raise ProjectInUseError, counting what there is: things without an owner could be seen, changed
    and deleted by nobody but an admin, and packets would still obey them.
    """
    counts = _things_of(work.tx, project.id)
    if counts:
        raise ProjectInUseError(project.name, counts)
    _delete_default_group(work, project.id)
    for kind in _GO_WITH_IT:
        for entity in work.tx.find(kind, {"project_id": [project.id]}):
            work.tx.delete(entity)
    for grant in work.tx.find(RoleAssignment, {"target_id": [project.id]}):
        work.tx.delete(grant)
    for limits in work.tx.find(QuotaLimits, {"id": [project.id]}):
        work.tx.delete(limits)
    work.tx.delete(project)


PROJECTS: DirectoryKind[Project, ProjectDraft] = DirectoryKind(
    name="project", load=load, search=search, create=create, update=update, delete=delete
)


def _own(view: AnyView) -> set[str]:
    own: set[str] = {project.id for project in of_user(view.tx, view.by.user.id)}
    return own | ({view.by.project.id} if view.by.project is not None else set())


def _check_name_free(tx: Reading, project: Project) -> None:
    if tx.find(Project, {"name": [project.name], "domain_id": [project.domain_id]}):
        raise NameTakenError("project", project.name)


def _things_of(tx: Reading, project_id: ProjectId) -> Counter[str]:
    counts: Counter[str] = Counter()
    for kind in _COUNTED:
        number = tx.count(kind, {"project_id": [project_id]})
        counts[SHAPES[kind].table.replace("_", " ")] = number
    defaults = tx.find(SecurityGroup, {"default_of": [project_id]})
    counts["security groups"] -= len(defaults)
    for group in defaults:
        # others can only name it when an admin arranged that
        users = tx.find(Port, {"security_group_id": [group.id]})
        namers = tx.find(SecurityGroupRule, {"remote_group_id": [group.id]})
        counts["users of the default security group"] += len(users) + sum(
            rule.meta.project_id != project_id for rule in namers
        )
    return +counts


def _delete_default_group(work: IdentityWork, project_id: ProjectId) -> None:
    for group in work.tx.find(SecurityGroup, {"default_of": [project_id]}):
        for rule in work.tx.find(SecurityGroupRule, {"security_group_id": [group.id]}):
            work.tx.delete(rule)
        work.tx.delete(group)
