"""A token with all that is said about it, read from the store as things stand now."""

from dataclasses import dataclass, field

from portlight.core.errors_identity import NotInScopeError
from portlight.core.identity import (
    ADMIN,
    ApplicationCredential,
    Domain,
    Project,
    Role,
    TokenRecord,
    User,
)
from portlight.service.caller import Caller
from portlight.service.identity.lookup import domain_of, roles_on
from portlight.store.protocol import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who asks, in which project or domain, with which roles."""

    secret: str = field(repr=False)
    """The value of `X-Auth-Token`."""
    user: User
    user_domain: Domain
    project: Project | None = None
    domain: Domain | None = None
    """Of the project, or the scope itself; None with neither."""
    held_roles: tuple[Role, ...] = ()
    """By name; empty without a scope."""
    roles: frozenset[str] = frozenset()
    """Their names, as the policy speaks of them."""
    issued_at: float
    """Seconds since the epoch, UTC."""
    expires_at: float
    audit_ids: tuple[str, ...]
    """Its own, and that of the token it was exchanged for."""
    methods: tuple[str, ...]
    application_credential: ApplicationCredential | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the holder may act on everyone's things."""
        return ADMIN in self.roles

    @property
    def is_restricted(self) -> bool:
        """Whether the holder may not make or delete credentials (row H139)."""
        credential = self.application_credential
        return credential is not None and not credential.unrestricted


def read_token(tx: Reading, secret: str, record: TokenRecord, now: float) -> Token | None:
    """Return the token as it is now; None when its user may not act with it any more."""
    user = tx.get(User, record.user_id)
    if user is None or not user.enabled or now >= record.expires_at:
        return None
    home = domain_of(tx, user.domain_id)
    project = None if record.project_id is None else tx.get(Project, record.project_id)
    domain_id = record.domain_id if project is None else project.domain_id
    domain = None if domain_id is None else domain_of(tx, domain_id)
    if home is None or not home.enabled or not _is_open(record, project, domain):
        return None
    credential = _credential(tx, record)
    if record.application_credential_id is not None and (
        credential is None or is_over(credential, now)
    ):
        return None
    roles = roles_on(tx, user.id, record.project_id or record.domain_id)
    if credential is not None:
        roles = tuple(role for role in roles if role.id in credential.roles)
    if domain is not None and not roles:
        return None
    return Token(
        secret=secret,
        user=user,
        user_domain=home,
        project=project,
        domain=domain,
        held_roles=roles,
        issued_at=record.issued_at,
        expires_at=record.expires_at,
        audit_ids=tuple(one for one in (record.audit_id, record.parent_audit_id) if one),
        methods=record.methods,
        application_credential=credential,
        roles=frozenset(role.name for role in roles),
    )


def is_over(credential: ApplicationCredential, now: float) -> bool:
    """Whether the time of an application credential has come."""
    return credential.expires_at is not None and now >= credential.expires_at


def caller_of(token: Token) -> Caller:
    """Return who calls; raise NotInScopeError for a token that is of no project."""
    if token.project is None:
        raise NotInScopeError("The token is of no project; ask for one with a project as scope.")
    return Caller(
        user_id=token.user.id,
        user_name=token.user.name,
        project_id=token.project.id,
        project_name=token.project.name,
        roles=token.roles,
    )


def _is_open(record: TokenRecord, project: Project | None, domain: Domain | None) -> bool:
    """Whether what the token is for is still there, and enabled."""
    if record.project_id is not None and (project is None or not project.enabled):
        return False
    if record.project_id is None and record.domain_id is None:
        return True
    return domain is not None and domain.enabled


def _credential(tx: Reading, record: TokenRecord) -> ApplicationCredential | None:
    identifier = record.application_credential_id
    return None if identifier is None else tx.get(ApplicationCredential, identifier)
