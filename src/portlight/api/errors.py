"""Refusals on the wire: one table from error class to status and wire name.

A class without a row of its own has the row of its nearest ancestor. `NotFoundError` takes its wire
name from the kind that it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from portlight.core import errors, errors_network, errors_port, errors_security_group


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

    wire_name: ClassVar[str | None] = None
    """None: the name of the status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class BadRequestError(RequestError):
    """The body or the query cannot be understood."""

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, message)


class InvalidQueryError(BadRequestError):
    """A control of a list, or a condition of a change, cannot be understood."""

    wire_name: ClassVar[str | None] = "BadRequest"


_INVALID = HTTPStatus.BAD_REQUEST
_CONFLICT = HTTPStatus.CONFLICT

ERROR_TABLE: Mapping[type[errors.DomainError], Row] = {
    errors.DomainError: Row(_INVALID, "HTTPBadRequest"),
    errors.InvalidRequestError: Row(_INVALID, "InvalidInput"),
    errors.MalformedValueError: Row(_INVALID, "HTTPBadRequest"),
    errors.NotFoundError: Row(HTTPStatus.NOT_FOUND, "HTTPNotFound"),
    errors.ConflictError: Row(_CONFLICT, "Conflict"),
    errors.ForbiddenError: Row(HTTPStatus.FORBIDDEN, "PolicyNotAuthorized"),
    errors.UnauthenticatedError: Row(HTTPStatus.UNAUTHORIZED, "Unauthorized"),
    errors.QuotaExceededError: Row(_CONFLICT, "OverQuota"),
    errors.PreconditionFailedError: Row(
        HTTPStatus.PRECONDITION_FAILED, "RevisionNumberConstraintFailed"
    ),
    errors.UnavailableError: Row(HTTPStatus.SERVICE_UNAVAILABLE, "HTTPServiceUnavailable"),
    # networks, subnets, addresses
    errors_network.SubnetOverlapError: Row(_INVALID, "InvalidInput"),
    errors_network.InvalidIpForSubnetError: Row(_INVALID, "InvalidIpForSubnet"),
    errors_network.InvalidIpForNetworkError: Row(_INVALID, "InvalidIpForNetwork"),
    errors_network.AutoAddressSubnetError: Row(_INVALID, "InvalidInput"),
    errors_network.AllocationPoolOutOfBoundsError: Row(_INVALID, "OutOfBoundsAllocationPool"),
    errors_network.AllocationPoolsOverlapError: Row(_CONFLICT, "OverlappingAllocationPools"),
    errors_network.GatewayInAllocationPoolError: Row(
        _CONFLICT, "GatewayConflictWithAllocationPools"
    ),
    errors_network.GatewayInUseError: Row(_CONFLICT, "GatewayIpInUse"),
    errors_network.NetworkInUseError: Row(_CONFLICT, "NetworkInUse"),
    errors_network.NetworkSharedInUseError: Row(_CONFLICT, "InvalidSharedSetting"),
    errors_network.SubnetInUseError: Row(_CONFLICT, "SubnetInUse"),
    errors_network.IpAddressInUseError: Row(_CONFLICT, "IpAddressAlreadyAllocated"),
    errors_network.NoFreeAddressError: Row(_CONFLICT, "IpAddressGenerationFailure"),
    errors_network.MacAddressInUseError: Row(_CONFLICT, "MacAddressInUse"),
    # ports, virtual IPs, instances
    errors_port.PortInUseError: Row(_CONFLICT, "PortInUse"),
    errors_port.ServicePortError: Row(_CONFLICT, "ServicePortInUse"),
    errors_port.AddressPairAndPortSecurityRequiredError: Row(
        _CONFLICT, "AddressPairAndPortSecurityRequired"
    ),
    errors_port.PortSecurityRequiredForGroupsError: Row(
        _INVALID, "PortSecurityAndIPRequiredForSecurityGroups"
    ),
    errors_port.PortHasSecurityGroupsError: Row(_CONFLICT, "PortSecurityPortHasSecurityGroup"),
    errors_port.DuplicateAddressPairError: Row(_INVALID, "DuplicateAddressPairInRequest"),
    errors_port.VirtualIpHasNoGroupsError: Row(_CONFLICT, "VirtualIpHasNoGroups"),
    errors_port.VirtualIpNotAttachableError: Row(_CONFLICT, "VirtualIpNotAttachable"),
    errors_port.VirtualIpInUseError: Row(_CONFLICT, "VirtualIpInUse"),
    errors_port.VirtualIpMemberOutsideSubnetError: Row(_INVALID, "VirtualIpMemberOutsideSubnet"),
    errors_port.VirtualIpMemberUnfitError: Row(_INVALID, "VirtualIpMemberUnfit"),
    errors_port.NotAMemberError: Row(_CONFLICT, "NotAMember"),
    errors_port.PortNotAttachedError: Row(_CONFLICT, "PortNotAttached"),
    errors_port.InstanceStoppedError: Row(_CONFLICT, "InstanceStopped"),
    # security groups
    errors_security_group.SecurityGroupInUseError: Row(_CONFLICT, "SecurityGroupInUse"),
    errors_security_group.DefaultSecurityGroupError: Row(
        _CONFLICT, "SecurityGroupCannotRemoveDefault"
    ),
    errors_security_group.SecurityGroupRuleExistsError: Row(_CONFLICT, "SecurityGroupRuleExists"),
    errors_security_group.InvalidProtocolError: Row(_INVALID, "SecurityGroupRuleInvalidProtocol"),
    errors_security_group.ProtocolFamilyError: Row(
        _INVALID, "SecurityGroupEthertypeConflictWithProtocol"
    ),
    errors_security_group.ProtocolRequiredWithPortsError: Row(
        _INVALID, "SecurityGroupProtocolRequiredWithPorts"
    ),
    errors_security_group.ProtocolWithoutPortsError: Row(
        _INVALID, "SecurityGroupInvalidProtocolForPort"
    ),
    errors_security_group.InvalidPortRangeError: Row(_INVALID, "SecurityGroupInvalidPortRange"),
    errors_security_group.InvalidPortValueError: Row(_INVALID, "SecurityGroupInvalidPortValue"),
    errors_security_group.InvalidIcmpValueError: Row(_INVALID, "SecurityGroupInvalidIcmpValue"),
    errors_security_group.MissingIcmpTypeError: Row(_INVALID, "SecurityGroupMissingIcmpType"),
    errors_security_group.RemoteGroupAndPrefixError: Row(
        _INVALID, "SecurityGroupRemoteGroupAndRemoteIpPrefix"
    ),
    errors_security_group.RemotePrefixFamilyError: Row(
        _INVALID, "SecurityGroupRuleParameterConflict"
    ),
}

_REQUEST_NAMES: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "HTTPBadRequest",
    HTTPStatus.NOT_FOUND: "HTTPNotFound",
    HTTPStatus.METHOD_NOT_ALLOWED: "HTTPMethodNotAllowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "HTTPRequestEntityTooLarge",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "HTTPUnsupportedMediaType",
    HTTPStatus.INTERNAL_SERVER_ERROR: "HTTPInternalServerError",
    HTTPStatus.SERVICE_UNAVAILABLE: "HTTPServiceUnavailable",
}


def row_of(kind: type[errors.DomainError]) -> Row:
    """Return the row of the nearest class in the resolution order of `kind`."""
    return next(ERROR_TABLE[base] for base in kind.__mro__ if base in ERROR_TABLE)


def refusal_of(error: errors.DomainError) -> Refusal:
    """Return status, wire name and message of an error."""
    if isinstance(error, RequestError):
        name = error.wire_name or _REQUEST_NAMES.get(error.status, "HTTPError")
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
