"""Use cases of domains. The default one is always there and is kept nowhere."""

from portlight.core.directory import build_domain, change_domain, check_domain_deletable
from portlight.core.drafts_identity import DomainDraft
from portlight.core.errors import NotFoundError
from portlight.core.errors_identity import NameTakenError
from portlight.core.identity import DEFAULT_DOMAIN, Domain, Project, RoleAssignment, User
from portlight.service.identity import projects, users
from portlight.service.identity.directory import DirectoryKind
from portlight.service.identity.lookup import domain_of
from portlight.service.identity.work import AnyView, IdentityWork, Where, end_membership, end_tokens
from portlight.store.protocol import Reading
from portlight.values.ids import DomainId


def load(view: AnyView, identifier: str) -> Domain:
    """Return a domain that the holder may know."""
    domain = domain_of(view.tx, identifier)
    if domain is None or not (view.by.is_admin or identifier in _own(view)):
        raise NotFoundError("Domain", identifier)
    return domain


def search(view: AnyView, where: Where) -> list[Domain]:
    """Return all domains to an admin, to others those that they belong to."""
    everything = [DEFAULT_DOMAIN, *view.tx.find(Domain)]
    own = _own(view)
    names = where.get("name")
    return [
        domain
        for domain in everything
        if (view.by.is_admin or domain.id in own) and (names is None or domain.name in names)
    ]


def create(work: IdentityWork, draft: DomainDraft) -> Domain:
    """Make a domain."""
    domain = build_domain(draft, DomainId(work.ids.uuid().replace("-", "")))
    _check_name_free(work.tx, domain)
    work.tx.insert(domain)
    return domain


def update(work: IdentityWork, domain: Domain, draft: DomainDraft) -> Domain:
    """Change a domain; disabling it ends every token of its users and for its projects."""
    changed = change_domain(domain, draft)
    if changed.name != domain.name:
        _check_name_free(work.tx, changed)
    work.tx.update(domain, changed)
    if domain.enabled and not changed.enabled:
        _end_tokens_of(work, domain)
    return changed


def delete(work: IdentityWork, domain: Domain) -> None:
    """Remove a disabled domain with its users and projects; ProjectInUseError when one has things.

    Nothing is removed in that case.
    """
    check_domain_deletable(domain)
    for project in work.tx.find(Project, {"domain_id": [domain.id]}):
        projects.delete(work, project)
    for user in work.tx.find(User, {"domain_id": [domain.id]}):
        users.delete(work, user)
    for grant in work.tx.find(RoleAssignment, {"target_id": [domain.id]}):
        end_membership(work.tx, grant.user_id, domain.id, grant.role)
    work.tx.delete(domain)


DOMAINS: DirectoryKind[Domain, DomainDraft] = DirectoryKind(
    name="domain", load=load, search=search, create=create, update=update, delete=delete
)


def _own(view: AnyView) -> set[str]:
    by = view.by
    return {by.user_domain.id} | ({by.domain.id} if by.domain is not None else set())


def _check_name_free(tx: Reading, domain: Domain) -> None:
    if tx.find(Domain, {"name": [domain.name]}):
        raise NameTakenError("domain", domain.name)


def _end_tokens_of(work: IdentityWork, domain: Domain) -> None:
    end_tokens(work.tx, {"domain_id": [domain.id]})
    for project in work.tx.find(Project, {"domain_id": [domain.id]}):
        end_tokens(work.tx, {"project_id": [project.id]})
    for user in work.tx.find(User, {"domain_id": [domain.id]}):
        end_tokens(work.tx, {"user_id": [user.id]})
