"""Use cases of access keys: pairs of access and secret, for signed requests."""

import hashlib
from dataclasses import dataclass, field

from portlight.core.directory import check_name, check_password
from portlight.core.drafts_identity import AccessKeyDraft
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.errors_identity import NameTakenError
from portlight.core.identity import AccessKey, Project, User
from portlight.service.identity.lookup import roles_on
from portlight.service.identity.sealing import Sealer
from portlight.service.identity.work import AnyView, IdentityWork, Where, check_unrestricted
from portlight.service.policy import check_action


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccessKey:
    """An access key with its secret in clear."""

    key: AccessKey
    secret: str = field(repr=False)


def key_id(access: str) -> str:
    """Return the id of the key with this access."""
    return hashlib.sha256(access.encode()).hexdigest()


def create(work: IdentityWork, sealer: Sealer, draft: AccessKeyDraft) -> OpenAccessKey:
    """Make a key for a user in a project where he has a role."""
    check_unrestricted(work.by, "create_credential")
    check_action(work.by, "create_credential", own=work.by.user.id == draft.user_id)
    if work.tx.get(User, draft.user_id) is None:
        raise NotFoundError("User", draft.user_id)
    _check_project(work, draft.user_id, draft.project_id)
    access = check_name(draft.access or work.ids.uuid().replace("-", ""), "access")
    secret = check_password(draft.secret or work.ids.secret(), "secret")
    key = AccessKey(
        id=key_id(access),
        access=access,
        sealed_secret=sealer.seal(secret),
        user_id=draft.user_id,
        project_id=draft.project_id,
    )
    if work.tx.get(AccessKey, key.id) is not None:
        raise NameTakenError("credential", access)
    work.tx.insert(key)
    return OpenAccessKey(key=key, secret=secret)


def load(view: AnyView, sealer: Sealer, identifier: str) -> OpenAccessKey:
    """Return a key that the holder may know."""
    key = view.tx.get(AccessKey, identifier)
    if key is None or not _may_know(view, key.user_id):
        raise NotFoundError("Credential", identifier)
    return OpenAccessKey(key=key, secret=sealer.unseal(key.sealed_secret))


def search(view: AnyView, sealer: Sealer, where: Where) -> list[OpenAccessKey]:
    """Return the keys that the holder may know."""
    return [
        OpenAccessKey(key=key, secret=sealer.unseal(key.sealed_secret))
        for key in view.tx.find(AccessKey, where)
        if _may_know(view, key.user_id)
    ]


def delete(work: IdentityWork, identifier: str) -> None:
    """Remove a key."""
    key = work.tx.get(AccessKey, identifier)
    if key is None or not _may_know(work, key.user_id):
        raise NotFoundError("Credential", identifier)
    check_unrestricted(work.by, "delete_credential")
    check_action(work.by, "delete_credential", own=work.by.user.id == key.user_id)
    work.tx.delete(key)


def _check_project(work: IdentityWork, user_id: str, project_id: str) -> None:
    known = work.by.is_admin or bool(roles_on(work.tx, work.by.user.id, project_id))
    if not known or work.tx.get(Project, project_id) is None:
        raise NotFoundError("Project", project_id)
    if not roles_on(work.tx, user_id, project_id):
        raise InvalidRequestError("project_id", "the user has no role in this project")


def _may_know(view: AnyView, user_id: str) -> bool:
    # A credential for a program must not hand out one that is good for more.
    return not view.by.is_restricted and (view.by.is_admin or view.by.user.id == user_id)
