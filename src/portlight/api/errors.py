"""Refusals on the wire: one table from error class to status and wire name.

A class without a row of its own has the row of its nearest ancestor. `NotFoundError` takes its wire
name from the kind that it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from portlight.core import errors


@dataclass(frozen=True, slots=True)
class Row:
    """How a class of refusals appears on the wire."""

    status: HTTPStatus
    wire_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal, ready for a face to dress."""

    status: HTTPStatus
    wire_name: str
    message: str


class RequestError(errors.DomainError):
    """The HTTP request itself cannot be served; carries its own status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class BadRequestError(RequestError):
    """The body or the query cannot be understood."""

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, message)


ERROR_TABLE: Mapping[type[errors.DomainError], Row] = {
    errors.DomainError: Row(HTTPStatus.BAD_REQUEST, "HTTPBadRequest"),
    errors.InvalidRequestError: Row(HTTPStatus.BAD_REQUEST, "HTTPBadRequest"),
    errors.NotFoundError: Row(HTTPStatus.NOT_FOUND, "HTTPNotFound"),
    errors.ConflictError: Row(HTTPStatus.CONFLICT, "Conflict"),
    errors.ForbiddenError: Row(HTTPStatus.FORBIDDEN, "PolicyNotAuthorized"),
    errors.UnauthenticatedError: Row(HTTPStatus.UNAUTHORIZED, "Unauthorized"),
    errors.QuotaExceededError: Row(HTTPStatus.CONFLICT, "OverQuota"),
    errors.PreconditionFailedError: Row(
        HTTPStatus.PRECONDITION_FAILED, "RevisionNumberConstraintFailed"
    ),
}

_REQUEST_NAMES: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "HTTPBadRequest",
    HTTPStatus.NOT_FOUND: "HTTPNotFound",
    HTTPStatus.METHOD_NOT_ALLOWED: "HTTPMethodNotAllowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "HTTPRequestEntityTooLarge",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "HTTPUnsupportedMediaType",
    HTTPStatus.INTERNAL_SERVER_ERROR: "HTTPInternalServerError",
}


def row_of(kind: type[errors.DomainError]) -> Row:
    """Return the row of the nearest class in the resolution order of `kind`."""
    return next(ERROR_TABLE[base] for base in kind.__mro__ if base in ERROR_TABLE)


def refusal_of(error: errors.DomainError) -> Refusal:
    """Return status, wire name and message of an error."""
    if isinstance(error, RequestError):
        name = _REQUEST_NAMES.get(error.status, "HTTPError")
        return Refusal(status=error.status, wire_name=name, message=str(error))
    row = row_of(type(error))
    name = _not_found_name(error) if isinstance(error, errors.NotFoundError) else row.wire_name
    return Refusal(status=row.status, wire_name=name, message=str(error))


def neutron_body(refusal: Refusal) -> dict[str, object]:
    """Dress a refusal as Neutron does."""
    return {"NeutronError": {"type": refusal.wire_name, "message": refusal.message, "detail": ""}}


def identity_body(refusal: Refusal) -> dict[str, object]:
    """Dress a refusal as Keystone does."""
    return {
        "error": {
            "code": int(refusal.status),
            "message": refusal.message,
            "title": refusal.status.phrase,
        }
    }


def native_body(refusal: Refusal) -> dict[str, object]:
    """Dress a refusal for the native API."""
    return {
        "error": {
            "code": int(refusal.status),
            "type": refusal.wire_name,
            "message": refusal.message,
        }
    }


def _not_found_name(error: errors.NotFoundError) -> str:
    words = error.kind.replace("_", " ").split()
    return "".join(word[0].upper() + word[1:] for word in words) + "NotFound"
