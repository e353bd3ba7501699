"""One transaction of identity on behalf of a token's holder, and what every use case shares."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from portlight.core.errors import ForbiddenError
from portlight.core.identity import AccessKey, ApplicationCredential, IdentityEpoch, TokenRecord
from portlight.service.identity.lookup import assignments_on
from portlight.service.identity.token import Token
from portlight.service.ids import IdSource
from portlight.store.protocol import Reading, Writing

Where = Mapping[str, Collection[str]]
EPOCH = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityView:
    """A read transaction."""

    tx: Reading
    by: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityWork:
    """A write transaction."""

    tx: Writing
    by: Token
    ids: IdSource
    now: float
    """Seconds since the epoch, UTC."""


AnyView = IdentityView | IdentityWork


def end_tokens(tx: Writing, where: Where) -> None:
    """End tokens for good: enabling again what was disabled does not revive them."""
    for record in tx.find(TokenRecord, where):
        tx.delete(record)


def end_what_user_has(tx: Writing, user_id: str) -> None:
    """Remove tokens, application credentials and access keys of a user."""
    end_tokens(tx, {"user_id": [user_id]})
    for kind in (ApplicationCredential, AccessKey):
        for entity in tx.find(kind, {"user_id": [user_id]}):
            tx.delete(entity)


def end_membership(tx: Writing, user_id: str, target_id: str, role: str) -> None:
    """Remove what a user holds by a role on a project or domain."""
    for assignment in assignments_on(tx, user_id, target_id):
        if assignment.role == role:
            tx.delete(assignment)
    for credential in tx.find(
        ApplicationCredential, {"user_id": [user_id], "project_id": [target_id]}
    ):
        if role in credential.roles:
            tx.delete(credential)
    for key in ("project_id", "domain_id"):
        end_tokens(tx, {"user_id": [user_id], key: [target_id]})


def check_unrestricted(by: Token, action: str) -> None:
    """Raise ForbiddenError for an application credential that must not breed others."""
    if by.is_restricted:
        raise ForbiddenError(action)


def epoch_of(tx: Reading) -> int:
    """Return how often identity changed."""
    epoch = tx.get(IdentityEpoch, EPOCH)
    return 0 if epoch is None else epoch.number


def raise_epoch(tx: Writing) -> None:
    """Let every server process know that what it remembers of tokens is old."""
    before = tx.get(IdentityEpoch, EPOCH)
    if before is None:
        tx.insert(IdentityEpoch(id=EPOCH, number=1))
    else:
        tx.update(before, IdentityEpoch(id=EPOCH, number=before.number + 1))
