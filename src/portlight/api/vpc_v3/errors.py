"""Refusals in the manner of the face: a code and words. The number comes with each answer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from portlight.api.errors import ErrorBody, Refusal, RequestError
from portlight.api.schema import TEXT, shape
from portlight.api.vpc_v3.names import QUOTA_NAMES
from portlight.core.errors import (
    ConflictError,
    DomainError,
    ForbiddenError,
    NotFoundError,
    QuotaExceededError,
    UnauthenticatedError,
)
from portlight.core.errors_identity import NotInScopeError
from portlight.core.errors_mirror import MirrorFamilyError


class SignatureError(UnauthenticatedError):
    """The request is signed wrongly, too late, or by nobody that is known."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Incorrect IAM authentication information: {detail}")


class OtherProjectError(RequestError):
    """The project in the address, or in a header, is not the one of the credential."""

    def __init__(self, project_id: str) -> None:
        super().__init__(
            HTTPStatus.BAD_REQUEST,
            f"The project {project_id} is not the project of the credential.",
        )


_INVALID: Final = "VPC.9901"
_CODES: Mapping[type[DomainError], str] = {
    DomainError: _INVALID,
    NotFoundError: "VPC.9904",
    ConflictError: "VPC.9902",
    MirrorFamilyError: "VPC.9902",
    QuotaExceededError: "VPC.9905",
    ForbiddenError: "VPC.2201",
    NotInScopeError: "VPC.2201",
    UnauthenticatedError: "VPC.0008",
    SignatureError: "APIGW.0301",
    OtherProjectError: "VPC.0007",
}
"""A class without a row of its own has that of its nearest ancestor."""
_STATUS_CODES: Mapping[HTTPStatus, str] = {HTTPStatus.NOT_FOUND: "VPC.9904"}
"""Of refusals of the request itself."""
_OUR_TROUBLE: Final = "VPC.9999"


def code_of(refusal: Refusal) -> str:
    """Return the face's code for a refusal."""
    if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _OUR_TROUBLE
    if refusal.kind is RequestError:
        return _STATUS_CODES.get(refusal.status, _INVALID)
    return next(_CODES[base] for base in refusal.kind.__mro__ if base in _CODES)


def _dress(refusal: Refusal) -> dict[str, object]:
    message = refusal.message
    if refusal.resource:
        name = QUOTA_NAMES.get(refusal.resource, refusal.resource)
        message = f"Quota exceeded for resources: ['{name}']."
    return {"error_code": code_of(refusal), "error_msg": message}


vpc_v3_body = ErrorBody(
    dress=_dress,
    schema=shape({"request_id": TEXT, "error_code": TEXT, "error_msg": TEXT}, title="vpc_v3_error"),
)
