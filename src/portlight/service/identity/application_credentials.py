"""Use cases of application credentials: secrets of users for their programs."""

from dataclasses import dataclass, field

from portlight.core.directory import check_name
from portlight.core.drafts_identity import ApplicationCredentialDraft
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.errors_identity import NameTakenError, NotInScopeError
from portlight.core.identity import ApplicationCredential
from portlight.service.identity.token import Token
from portlight.service.identity.work import AnyView, IdentityWork, check_unrestricted, end_tokens
from portlight.service.policy import check_action


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApplicationCredential:
    """A credential with its secret, which is shown this once."""

    credential: ApplicationCredential
    secret: str = field(repr=False)


def check_creation(by: Token, user_id: str) -> None:
    """Raise ForbiddenError when the holder may not make one for this user."""
    action = "create_application_credential"
    check_action(by, action, own=by.user.id == user_id)
    check_unrestricted(by, action)


def create(
    work: IdentityWork, draft: ApplicationCredentialDraft, secret_hash: str
) -> ApplicationCredential:
    """Make one for the project of the token, with some of its roles."""
    by = work.by
    if by.project is None:
        raise NotInScopeError(
            "An application credential is made with a token that has a project as scope."
        )
    if draft.expires_at is not None and draft.expires_at <= work.now:
        raise InvalidRequestError("expires_at", "it is in the past")
    credential = ApplicationCredential(
        id=work.ids.uuid().replace("-", ""),
        user_id=by.user.id,
        project_id=by.project.id,
        name=check_name(draft.name),
        description=draft.description,
        secret_hash=secret_hash,
        roles=_roles(by, draft.roles),
        expires_at=draft.expires_at,
        unrestricted=draft.unrestricted,
    )
    if work.tx.find(ApplicationCredential, {"user_id": [by.user.id], "name": [draft.name]}):
        raise NameTakenError("application_credential", draft.name)
    work.tx.insert(credential)
    return credential


def load(view: AnyView, user_id: str, identifier: str) -> ApplicationCredential:
    """Return a credential of a user; raise NotFoundError for those of others."""
    credential = view.tx.get(ApplicationCredential, identifier)
    if credential is None or credential.user_id != user_id or not _may_know(view, user_id):
        raise NotFoundError("ApplicationCredential", identifier)
    return credential


def search(view: AnyView, user_id: str) -> list[ApplicationCredential]:
    """Return the credentials of a user; none of those of others."""
    if not _may_know(view, user_id):
        return []
    return view.tx.find(ApplicationCredential, {"user_id": [user_id]})


def delete(work: IdentityWork, user_id: str, identifier: str) -> None:
    """Remove a credential; its tokens end."""
    action = "delete_application_credential"
    check_action(work.by, action, own=work.by.user.id == user_id)
    check_unrestricted(work.by, action)
    credential = load(work, user_id, identifier)
    end_tokens(work.tx, {"application_credential_id": [credential.id]})
    work.tx.delete(credential)


def _may_know(view: AnyView, user_id: str) -> bool:
    return view.by.is_admin or view.by.user.id == user_id


def _roles(by: Token, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    if wanted is None:
        return tuple(sorted(role.id for role in by.held_roles))
    known = {name: role.id for role in by.held_roles for name in (role.id, role.name)}
    for one in wanted:
        if one not in known:
            raise InvalidRequestError("roles", f"the token has no role '{one}'")
    if not wanted:
        raise InvalidRequestError("roles", "at least one is needed")
    return tuple(sorted({known[one] for one in wanted}))
