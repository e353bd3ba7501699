"""Refusals on the wire: one table from error class to status and wire name.

A class without a row of its own has the row of its nearest ancestor. `NotFoundError` takes its wire
name from the kind that it names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from portlight.api.schema import TEXT, WHOLE, Schema, array, shape
from portlight.core import (
    errors,
    errors_address_group,
    errors_identity,
    errors_mirror,
    errors_network,
    errors_port,
    errors_routing,
    errors_security_group,
    errors_sharing,
    errors_subnet_pool,
    errors_vpc,
)


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
    blockers: tuple[errors.Blocker, ...] = ()
    """All that stands in the way, where the words may name only the first."""
    kind: type[errors.DomainError] = errors.DomainError
    resource: str = ""
    """What there is no more room for, when a quota refuses."""


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
    errors.QuotaBelowUsageError: Row(_INVALID, "HTTPBadRequest"),
    errors.InUseError: Row(_CONFLICT, "Conflict"),
    errors.PreconditionFailedError: Row(
        HTTPStatus.PRECONDITION_FAILED, "RevisionNumberConstraintFailed"
    ),
    errors.UnavailableError: Row(HTTPStatus.SERVICE_UNAVAILABLE, "HTTPServiceUnavailable"),
    # identity
    errors_identity.NameTakenError: Row(_CONFLICT, "Conflict"),
    errors_identity.ProjectInUseError: Row(_CONFLICT, "Conflict"),
    errors_identity.ProtectedError: Row(HTTPStatus.FORBIDDEN, "Forbidden"),
    errors_identity.NotInScopeError: Row(HTTPStatus.FORBIDDEN, "PolicyNotAuthorized"),
    errors_identity.TooManyAttemptsError: Row(HTTPStatus.TOO_MANY_REQUESTS, "TooManyAttempts"),
    errors_identity.KeyDoesNotFitError: Row(_CONFLICT, "KeyDoesNotFit"),
    errors_identity.IdentityUnavailableError: Row(
        HTTPStatus.SERVICE_UNAVAILABLE, "IdentityUnavailable"
    ),
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
    errors_network.SubnetServiceTypeError: Row(_INVALID, "InvalidSubnetServiceType"),
    errors_network.NoServiceSubnetError: Row(
        _CONFLICT, "IpAddressGenerationFailureNoMatchingSubnet"
    ),
    errors_network.DnsDomainError: Row(_INVALID, "HTTPBadRequest"),
    errors_network.AvailabilityZoneNotFoundError: Row(
        HTTPStatus.NOT_FOUND, "AvailabilityZoneNotFound"
    ),
    errors_network.HostAliveError: Row(_CONFLICT, "AgentInUse"),
    # subnet pools, address scopes
    errors_subnet_pool.EmptySubnetPoolError: Row(_INVALID, "EmptySubnetPoolPrefixList"),
    errors_subnet_pool.PrefixVersionMismatchError: Row(_INVALID, "PrefixVersionMismatch"),
    errors_subnet_pool.PrefixBoundsError: Row(_INVALID, "IllegalSubnetPoolPrefixBounds"),
    errors_subnet_pool.PrefixUpdateError: Row(_INVALID, "IllegalSubnetPoolPrefixUpdate"),
    errors_subnet_pool.SubnetPoolUpdateError: Row(_INVALID, "IllegalSubnetPoolUpdate"),
    errors_subnet_pool.SubnetPoolInUseError: Row(_INVALID, "SubnetPoolDeleteError"),
    errors_subnet_pool.PrefixTooShortError: Row(_INVALID, "MinPrefixSubnetAllocationError"),
    errors_subnet_pool.PrefixTooLongError: Row(_INVALID, "MaxPrefixSubnetAllocationError"),
    errors_subnet_pool.NoFreePrefixError: Row(_CONFLICT, "SubnetAllocationError"),
    errors_subnet_pool.PrefixQuotaExceededError: Row(_CONFLICT, "SubnetPoolQuotaExceeded"),
    errors_subnet_pool.SubnetPoolAffinityError: Row(_INVALID, "NetworkSubnetPoolAffinityError"),
    errors_subnet_pool.AddressScopeAffinityError: Row(_INVALID, "NetworkAddressScopeAffinityError"),
    errors_subnet_pool.AddressScopePrefixConflictError: Row(
        _CONFLICT, "AddressScopePrefixConflict"
    ),
    errors_subnet_pool.AddressScopeFamilyError: Row(
        _INVALID, "IllegalSubnetPoolIpVersionAssociationToAddressScope"
    ),
    errors_subnet_pool.AddressScopeInUseError: Row(_CONFLICT, "AddressScopeInUse"),
    errors_subnet_pool.AddressScopeUpdateError: Row(_INVALID, "AddressScopeUpdateError"),
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
    # traffic mirroring
    errors_mirror.MirrorFamilyError: Row(_INVALID, "MirrorFamilyMismatch"),
    errors_mirror.MirrorPortUnfitError: Row(_INVALID, "MirrorPortUnfit"),
    errors_mirror.MirrorTargetInsideError: Row(_INVALID, "MirrorTargetInside"),
    errors_mirror.MirrorPriorityTakenError: Row(_CONFLICT, "MirrorPriorityTaken"),
    errors_mirror.MirrorRoleError: Row(_CONFLICT, "MirrorRoleConflict"),
    errors_mirror.TooManyCopiesError: Row(_CONFLICT, "TooManyMirrorCopies"),
    errors_mirror.MirrorFilterInUseError: Row(_CONFLICT, "MirrorFilterInUse"),
    # routers, routes, public addresses
    errors_routing.RouterRequestError: Row(_INVALID, "BadRequest"),
    errors_routing.RouterInUseError: Row(_CONFLICT, "RouterInUse"),
    errors_routing.RouterSubnetOverlapError: Row(_INVALID, "BadRequest"),
    errors_routing.PeerOverlapError: Row(_CONFLICT, "PeeringOverlap"),
    errors_routing.SubnetOutsideAddressSpaceError: Row(_INVALID, "SubnetOutsideAddressSpace"),
    errors_routing.SubnetMismatchForPortError: Row(_INVALID, "SubnetMismatchForPort"),
    errors_routing.RouterInterfaceNotFoundForSubnetError: Row(
        HTTPStatus.NOT_FOUND, "RouterInterfaceNotFoundForSubnet"
    ),
    errors_routing.RouterInterfaceInUseByRouteError: Row(_CONFLICT, "RouterInterfaceInUseByRoute"),
    errors_routing.RouterInterfaceInUseByFloatingIpError: Row(
        _CONFLICT, "RouterInterfaceInUseByFloatingIP"
    ),
    errors_routing.RouterGatewayInUseError: Row(
        _CONFLICT, "RouterExternalGatewayInUseByFloatingIp"
    ),
    errors_routing.InvalidRoutesError: Row(_INVALID, "InvalidRoutes"),
    errors_routing.RoutesExhaustedError: Row(_INVALID, "RoutesExhausted"),
    errors_routing.RouteExistsError: Row(_CONFLICT, "RouteExists"),
    errors_routing.ExternalGatewayAddressError: Row(_INVALID, "BadRequest"),
    errors_routing.NotExternalError: Row(_INVALID, "BadRequest"),
    errors_routing.ExternalNetworkInUseError: Row(_CONFLICT, "ExternalNetworkInUse"),
    errors_routing.ExternalAddressExhaustedError: Row(_INVALID, "ExternalIpAddressExhausted"),
    errors_routing.FloatingIpPortAlreadyAssociatedError: Row(
        _CONFLICT, "FloatingIPPortAlreadyAssociated"
    ),
    errors_routing.FloatingIpProtectedError: Row(_CONFLICT, "FloatingIPProtected"),
    errors_routing.FloatingIpInUseError: Row(_CONFLICT, "FloatingIPInUse"),
    errors_routing.FloatingIpForwardsError: Row(_CONFLICT, "FipInUseByPortForwarding"),
    errors_routing.PortHasFloatingIpError: Row(_CONFLICT, "FipAssociated"),
    errors_routing.PortHasBindingFloatingIpError: Row(_CONFLICT, "PortHasBindingFloatingIP"),
    errors_routing.DuplicatePortForwardingError: Row(_INVALID, "BadRequest"),
    # VPCs
    errors_vpc.VpcCidrError: Row(_INVALID, "InvalidCidr"),
    errors_vpc.CidrInUseError: Row(_CONFLICT, "CidrInUse"),
    errors_vpc.VpcInUseError: Row(_CONFLICT, "VpcInUse"),
    errors_vpc.VpcSubnetInUseError: Row(_CONFLICT, "SubnetInUse"),
    errors_vpc.NotInRouterError: Row(_CONFLICT, "NotInVpc"),
    errors_vpc.DefaultTableError: Row(_CONFLICT, "DefaultRoutingTable"),
    errors_vpc.RouteTableInUseError: Row(_CONFLICT, "RoutingTableInUse"),
    errors_vpc.FixedRouteError: Row(_CONFLICT, "RouteIsFixed"),
    errors_vpc.NextHopError: Row(_INVALID, "InvalidNextHop"),
    errors_vpc.GatewayAttachedError: Row(_CONFLICT, "GatewayAttached"),
    errors_vpc.NoGatewayAttachedError: Row(_CONFLICT, "NoGatewayAttached"),
    errors_vpc.InternetGatewayInUseError: Row(_CONFLICT, "InternetGatewayInUse"),
    errors_vpc.OtherExternalNetworkError: Row(_CONFLICT, "OtherExternalNetwork"),
    errors_vpc.GatewayRoutesError: Row(_CONFLICT, "NextHopInUse"),
    errors_vpc.PeeringOverlapError: Row(_CONFLICT, "PeeringOverlap"),
    errors_vpc.PeeringExistsError: Row(_CONFLICT, "PeeringExists"),
    errors_vpc.PeeringStateError: Row(_CONFLICT, "PeeringState"),
    errors_vpc.NotOnInterfaceError: Row(_CONFLICT, "NotOnInterface"),
    # sharing
    errors_sharing.RbacObjectTypeError: Row(_INVALID, "InvalidInput"),
    errors_sharing.RbacForeignObjectError: Row(_INVALID, "InvalidInput"),
    errors_sharing.DuplicateRbacPolicyError: Row(_CONFLICT, "DuplicateRbacPolicy"),
    errors_sharing.RbacPolicyInUseError: Row(_CONFLICT, "RbacPolicyInUse"),
    # security groups
    errors_security_group.SecurityGroupInUseError: Row(_CONFLICT, "SecurityGroupInUse"),
    errors_security_group.SecondDefaultSecurityGroupError: Row(
        _CONFLICT, "SecurityGroupDefaultAlreadyExists"
    ),
    errors_security_group.DefaultSecurityGroupNameError: Row(
        _CONFLICT, "SecurityGroupCannotUpdateDefault"
    ),
    errors_security_group.DefaultSecurityGroupError: Row(
        _CONFLICT, "SecurityGroupCannotRemoveDefault"
    ),
    errors_security_group.SecurityGroupRuleExistsError: Row(_CONFLICT, "SecurityGroupRuleExists"),
    errors_security_group.DuplicateRuleInRequestError: Row(
        _CONFLICT, "DuplicateSecurityGroupRuleInPost"
    ),
    errors_security_group.DefaultRuleExistsError: Row(_CONFLICT, "DefaultSecurityGroupRuleExists"),
    errors_security_group.MixedStatefulnessError: Row(_CONFLICT, "SecurityGroupConflict"),
    errors_security_group.TooManyGroupsError: Row(_CONFLICT, "TooManySecurityGroups"),
    errors_security_group.TooManyRulesError: Row(_CONFLICT, "TooManySecurityGroupRules"),
    errors_address_group.AddressGroupInUseError: Row(_CONFLICT, "AddressGroupInUse"),
    errors_address_group.AddressesAlreadyExistError: Row(_INVALID, "AddressesAlreadyExist"),
    errors_address_group.TooManyAddressesError: Row(_CONFLICT, "TooManyAddresses"),
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
    errors_security_group.MultipleRemotesError: Row(_INVALID, "SecurityGroupMultipleRemoteEntites"),
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
        return Refusal(status=error.status, wire_name=name, message=str(error), kind=type(error))
    row = row_of(type(error))
    name = row.wire_name
    # a row of its own wins over the name that is made of the kind
    if isinstance(error, errors.NotFoundError) and row is ERROR_TABLE[errors.NotFoundError]:
        name = _not_found_name(error)
    blockers = error.blockers if isinstance(error, errors.InUseError) else ()
    return Refusal(
        status=row.status,
        wire_name=name,
        message=str(error),
        blockers=blockers,
        kind=type(error),
        resource=error.resource if isinstance(error, errors.QuotaExceededError) else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """How a face dresses a refusal, and the schema of that."""

    dress: Callable[[Refusal], dict[str, object]]
    schema: Schema

    def __call__(self, refusal: Refusal) -> dict[str, object]:
        """Return the body of the answer."""
        return self.dress(refusal)


def _as_neutron(refusal: Refusal) -> dict[str, object]:
    # one line for each blocker
    detail = "\n".join(str(blocker) for blocker in refusal.blockers)
    body = {"type": refusal.wire_name, "message": refusal.message, "detail": detail}
    return {"NeutronError": body}


def _as_keystone(refusal: Refusal) -> dict[str, object]:
    return {
        "error": {
            "code": int(refusal.status),
            "message": refusal.message,
            "title": refusal.status.phrase,
        }
    }


def _natively(refusal: Refusal) -> dict[str, object]:
    body: dict[str, object] = {
        "code": int(refusal.status),
        "type": refusal.wire_name,
        "message": refusal.message,
    }
    if refusal.blockers:
        body["blockers"] = [{"kind": one.kind, "id": one.id} for one in refusal.blockers]
    return {"error": body}


neutron_body = ErrorBody(
    dress=_as_neutron,
    schema=shape(
        {"NeutronError": shape({"type": TEXT, "message": TEXT, "detail": TEXT})},
        title="neutron_error",
    ),
)
identity_body = ErrorBody(
    dress=_as_keystone,
    schema=shape(
        {"error": shape({"code": WHOLE, "message": TEXT, "title": TEXT})}, title="identity_error"
    ),
)
native_body = ErrorBody(
    dress=_natively,
    schema=shape(
        {
            "error": shape(
                {"code": WHOLE, "type": TEXT, "message": TEXT},
                optional={"blockers": array(shape({"kind": TEXT, "id": TEXT}))},
            )
        },
        title="native_error",
    ),
)


def _not_found_name(error: errors.NotFoundError) -> str:
    words = error.kind.replace("_", " ").split()
    return "".join(word[0].upper() + word[1:] for word in words) + "NotFound"
