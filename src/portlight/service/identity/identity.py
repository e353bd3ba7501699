"""Everything that can be asked of identity. Faces translate; this decides. Thread-safe."""

from collections.abc import Callable
from typing import assert_never

from argon2 import PasswordHasher

from portlight.core.drafts_identity import (
    AccessKeyDraft,
    ApplicationCredentialDraft,
    DomainDraft,
    ProjectDraft,
    RoleDraft,
    UserDraft,
)
from portlight.core.errors import NotFoundError, UnauthenticatedError
from portlight.core.identity import (
    AccessKey,
    ApplicationCredential,
    Domain,
    Project,
    Role,
    User,
)
from portlight.service.caller import Caller
from portlight.service.identity import access_keys, application_credentials, grants, users
from portlight.service.identity.access_keys import OpenAccessKey
from portlight.service.identity.application_credentials import NewApplicationCredential
from portlight.service.identity.directory import ANY, Directory, DirectoryKind, Registry
from portlight.service.identity.domains import DOMAINS
from portlight.service.identity.grants import Grant
from portlight.service.identity.logins import (
    CredentialLogin,
    Login,
    PasswordLogin,
    Scope,
    TokenLogin,
)
from portlight.service.identity.lookup import Reference
from portlight.service.identity.passwords import (
    FREE_FAILURES_PER_ADDRESS,
    REFUSED,
    Passwords,
)
from portlight.service.identity.projects import PROJECTS, Tags, of_user, retag
from portlight.service.identity.roles import ROLES
from portlight.service.identity.sealing import Sealer
from portlight.service.identity.throttle import Throttle
from portlight.service.identity.token import Token, caller_of
from portlight.service.identity.tokens import Proof, Tokens, digest
from portlight.service.identity.work import Where, end_tokens
from portlight.service.ids import IdSource
from portlight.service.policy import check_action
from portlight.store.protocol import Store


class Identity:
    """Tokens, the directory of who there is, and the credentials of users."""

    def __init__(
        self,
        *,
        store: Store,
        ids: IdSource,
        clock: Callable[[], float],
        sealer: Sealer | None = None,
        hasher: PasswordHasher | None = None,
    ) -> None:
        """Keep all in `store`; without a sealer, access keys live as long as the process."""
        self._store = store
        self._clock = clock
        self._sealer = sealer or Sealer.fresh()
        self._passwords = Passwords(store=store, clock=clock, hasher=hasher)
        self._registry = Registry(store=store, ids=ids, clock=clock)
        self._tokens = Tokens(store=store, ids=ids, clock=clock, registry=self._registry)
        self._ids = ids
        self._signatures = Throttle(FREE_FAILURES_PER_ADDRESS)
        self.domains: Directory[Domain, DomainDraft] = Directory(self._registry, DOMAINS)
        self.projects: Directory[Project, ProjectDraft] = Directory(self._registry, PROJECTS)
        self.roles: Directory[Role, RoleDraft] = Directory(self._registry, ROLES)
        self.users: Directory[User, UserDraft] = Directory(
            self._registry,
            DirectoryKind(
                name="user",
                load=users.load,
                search=users.search,
                create=users.create,
                update=users.update,
                delete=users.delete,
                prepare=self._passwords.hashed,
            ),
        )

    def log_in(self, login: Login, scope: Scope, *, address: str = "") -> Token:
        """Return a new token; `address` is the client's, for counting failures.

        Raise UnauthenticatedError on any mismatch, without saying which.
        """
        return self._tokens.issue(self._prove(login, address), scope)

    def token_of(self, secret: str) -> Token:
        """Return a valid token; raise UnauthenticatedError otherwise."""
        return self._tokens.recognise(secret)

    def authenticate_token(self, secret: str) -> Caller:
        """Return who calls; raise NotInScopeError when the token is of no project."""
        return caller_of(self._tokens.recognise(secret))

    def subject(self, by: Token, secret: str, action: str) -> Token:
        """Return a token that `by` asks about; one that is not valid cannot be found."""
        try:
            token = self._tokens.recognise(secret)
        except UnauthenticatedError as error:
            raise NotFoundError("Token", "of X-Subject-Token") from error
        check_action(by, action, own=token.user.id == by.user.id)
        return token

    def revoke(self, by: Token, secret: str) -> None:
        """End a token."""
        token = self.subject(by, secret, "revoke_token")
        ended = {"id": [digest(token.secret)]}
        self._registry.change(by, lambda work: end_tokens(work.tx, ended))

    def forget_expired(self) -> None:
        """Remove the records of tokens that are over."""
        self._tokens.forget_expired()

    def change_password(self, user_id: str, original: str, fresh: str, *, address: str) -> None:
        """Give a user another password, on proof of the present one; his tokens end."""
        user = self._passwords.prove_user(Reference(id=user_id), original, address)
        draft = UserDraft(password_hash=self._passwords.hash(fresh))
        by = self._tokens.standing_for(user.id, None)
        self._registry.change(by, lambda work: users.update(work, users.load(work, user.id), draft))

    def projects_of(self, by: Token, user_id: str) -> list[Project]:
        """Return the projects in which a user has a role."""
        user = self.users.get(by, user_id)
        check_action(by, "list_user_projects", own=by.user.id == user.id)
        return self._registry.read(by, lambda view: of_user(view.tx, user.id))

    def retag_project(self, by: Token, identifier: str, changed: Callable[[Tags], Tags]) -> Tags:
        """Replace the tags of a project by what becomes of the present ones."""
        check_action(by, "update_project")
        return self._registry.change(by, lambda work: retag(work, identifier, changed)).tags

    def domains_of(self, by: Token) -> list[Domain]:
        """Return the domains that the holder may have as scope."""
        return self._registry.read(by, lambda view: grants.domains_of(view, by.user.id))

    def give_role(self, by: Token, grant: Grant) -> None:
        """Give a user a role on a project or domain; giving it again changes nothing."""
        self._registry.change(by, lambda work: grants.give(work, grant))

    def take_role(self, by: Token, grant: Grant) -> None:
        """Take a role away, with the tokens and credentials that stood on it."""
        self._registry.change(by, lambda work: grants.take(work, grant))

    def check_role(self, by: Token, grant: Grant) -> None:
        """Raise NotFoundError when the user has not got the role."""
        self._registry.read(by, lambda view: grants.check(view, grant))

    def role_assignments(self, by: Token, where: Where = ANY) -> list[grants.NamedAssignment]:
        """Return the assignments that the holder may know, with everybody's names."""
        return self._registry.read(by, lambda view: grants.search_named(view, where))

    def create_application_credential(
        self, by: Token, user_id: str, draft: ApplicationCredentialDraft
    ) -> NewApplicationCredential:
        """Make an application credential of the holder; its secret is told this once."""
        application_credentials.check_creation(by, user_id)
        secret = draft.secret or self._ids.secret()
        secret_hash = self._passwords.hash(secret)
        made = self._registry.change(
            by, lambda work: application_credentials.create(work, draft, secret_hash)
        )
        return NewApplicationCredential(credential=made, secret=secret)

    def get_application_credential(
        self, by: Token, user_id: str, identifier: str
    ) -> ApplicationCredential:
        """Return a credential of a user, without its secret."""
        return self._registry.read(
            by, lambda view: application_credentials.load(view, user_id, identifier)
        )

    def application_credentials(self, by: Token, user_id: str) -> list[ApplicationCredential]:
        """Return the credentials of a user, without their secrets."""
        return self._registry.read(by, lambda view: application_credentials.search(view, user_id))

    def delete_application_credential(self, by: Token, user_id: str, identifier: str) -> None:
        """Remove a credential; its tokens end."""
        self._registry.change(
            by, lambda work: application_credentials.delete(work, user_id, identifier)
        )

    def create_access_key(self, by: Token, draft: AccessKeyDraft) -> OpenAccessKey:
        """Make a key for signed requests."""
        return self._registry.change(by, lambda work: access_keys.create(work, self._sealer, draft))

    def get_access_key(self, by: Token, identifier: str) -> OpenAccessKey:
        """Return a key by its id."""
        return self._registry.read(
            by, lambda view: access_keys.load(view, self._sealer, identifier)
        )

    def access_keys(self, by: Token, where: Where = ANY) -> list[OpenAccessKey]:
        """Return the keys that the holder may know."""
        return self._registry.read(by, lambda view: access_keys.search(view, self._sealer, where))

    def delete_access_key(self, by: Token, identifier: str) -> None:
        """Remove a key; requests signed with it are refused from now on."""
        self._registry.change(by, lambda work: access_keys.delete(work, identifier))

    def secret_of_access_key(self, access: str) -> tuple[str, Caller]:
        """Return the secret that signs with this access, and who calls then.

        Raise UnauthenticatedError when there is none, or its user may not act any more.
        """
        with self._store.reading() as tx:
            key = tx.get(AccessKey, access_keys.key_id(access))
        if key is None:
            raise UnauthenticatedError(REFUSED)
        token = self._tokens.standing_for(key.user_id, key.project_id)
        return self._sealer.unseal(key.sealed_secret), caller_of(token)

    def prove_signature(
        self, access: str, check: Callable[[str, float], None], *, address: str
    ) -> Caller:
        """Return who signed a request; `check` gets the secret and the time, and raises.

        Raise UnauthenticatedError when the access is unknown or its user may not act any more,
        TooManyAttemptsError when this address has failed too often with it.
        """
        now, attempt = self._clock(), f"{access} {address}"
        self._signatures.check(attempt, now)
        try:
            secret, caller = self.secret_of_access_key(access)
            check(secret, now)
        except UnauthenticatedError:
            self._signatures.fail(attempt, now)
            raise
        self._signatures.succeed(attempt)
        return caller

    def _prove(self, login: Login, address: str) -> Proof:
        match login:
            case PasswordLogin():
                user = self._passwords.prove_user(login.user, login.password, address)
                return Proof(user=user, methods=("password",))
            case CredentialLogin():
                user, credential = self._passwords.prove_credential(login, address)
                return Proof(user=user, methods=("application_credential",), credential=credential)
            case TokenLogin():
                old = self._tokens.recognise(login.token)
                methods = (*(method for method in old.methods if method != "token"), "token")
                return Proof(
                    user=old.user,
                    methods=methods,
                    not_after=old.expires_at,
                    parent=old,
                    credential=old.application_credential,
                )
            case _:
                assert_never(login)
