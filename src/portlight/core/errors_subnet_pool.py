"""Refusals about subnet pools and address scopes. The words follow Neutron's."""

from collections.abc import Sequence

from portlight.core.errors import (
    Blocker,
    ConflictError,
    InUseError,
    InvalidRequestError,
    QuotaExceededError,
    named,
)
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressScopeId, SubnetPoolId


class EmptySubnetPoolError(InvalidRequestError):
    """A new pool has no prefix."""

    def __init__(self) -> None:
        super().__init__("prefixes", "Empty subnet pool prefix list")


class PrefixVersionMismatchError(InvalidRequestError):
    """The prefixes of a pool are of both families."""

    def __init__(self) -> None:
        super().__init__("prefixes", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool")


class PrefixBoundsError(InvalidRequestError):
    """The bounds of prefix lengths contradict each other or the family."""

    def __init__(self, field: str, length: int, bound: str, bound_length: int) -> None:
        super().__init__(field, f"Illegal prefix bounds: {field}={length}, {bound}={bound_length}")
        self.length = length
        self.bound_length = bound_length


class PrefixUpdateError(InvalidRequestError):
    """A pool would lose prefixes that it must keep."""

    def __init__(self, rule: str) -> None:
        super().__init__("prefixes", f"Illegal update to prefixes: {rule}")


class SubnetPoolUpdateError(InvalidRequestError):
    """The pool cannot be changed in this way."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, f"Illegal subnetpool update: {rule}")


class SubnetPoolInUseError(InUseError):
    """The pool that is to go has subnets."""

    def __init__(self, pool_id: SubnetPoolId, users: Sequence[Blocker]) -> None:
        super().__init__(
            f"Unable to delete subnet pool {pool_id}: Subnet pool has existing allocations: "
            f"{named(users)}.",
            users,
        )
        self.pool_id = pool_id


class PrefixTooShortError(InvalidRequestError):
    """The subnet would be larger than the pool gives."""

    def __init__(self, length: int, minimum: int) -> None:
        super().__init__(
            "prefixlen",
            f"Unable to allocate subnet with prefix length {length}, "
            f"minimum allowed prefix is {minimum}",
        )
        self.length = length
        self.minimum = minimum


class PrefixTooLongError(InvalidRequestError):
    """The subnet would be smaller than the pool gives."""

    def __init__(self, length: int, maximum: int) -> None:
        super().__init__(
            "prefixlen",
            f"Unable to allocate subnet with prefix length {length}, "
            f"maximum allowed prefix is {maximum}",
        )
        self.length = length
        self.maximum = maximum


class NoFreePrefixError(ConflictError):
    """The pool has no free prefix of the length, or the one asked for is not free in it."""

    def __init__(self, pool_id: SubnetPoolId, wanted: int | IpPrefix) -> None:
        super().__init__(
            "Failed to allocate subnet: "
            + (
                f"Insufficient prefix space to allocate subnet size /{wanted}"
                if isinstance(wanted, int)
                else f"Cannot allocate requested subnet {wanted} from the available set of prefixes"
            )
            + f" of subnet pool {pool_id}."
        )
        self.pool_id = pool_id
        self.wanted = wanted


class PrefixQuotaExceededError(QuotaExceededError):
    """The project would hold more of the pool than one project may."""

    def __init__(self, pool_id: SubnetPoolId, limit: int) -> None:
        super().__init__(f"prefixes of subnet pool {pool_id}", limit)
        self.pool_id = pool_id


class SubnetPoolAffinityError(InvalidRequestError):
    """The network has subnets of this family from elsewhere."""

    def __init__(self) -> None:
        super().__init__(
            "subnetpool_id",
            "Subnets hosted on the same network must be allocated from the same subnet pool",
        )


class AddressScopeAffinityError(InvalidRequestError):
    """The network has subnets of this family in another address scope."""

    def __init__(self) -> None:
        super().__init__(
            "subnetpool_id",
            "Subnets of the same address family hosted on the same network must all "
            "participate in the same address scope",
        )


class AddressScopePrefixConflictError(ConflictError):
    """Another pool of the scope has some of the addresses."""

    def __init__(self, scope_id: AddressScopeId, pool_id: SubnetPoolId) -> None:
        super().__init__(
            "Failed to associate address scope: subnetpools within an address scope must have "
            f"unique prefixes, and subnet pool {pool_id} of address scope {scope_id} has some "
            "of these."
        )
        self.scope_id = scope_id
        self.pool_id = pool_id


class AddressScopeFamilyError(InvalidRequestError):
    """The pool is of another family than the scope."""

    def __init__(self, scope_id: AddressScopeId, version: int) -> None:
        super().__init__(
            "address_scope_id",
            "Illegal subnetpool association: subnetpool cannot associate with address scope "
            f"{scope_id} because subnetpool ip_version is not {version}",
        )
        self.scope_id = scope_id
        self.version = version


class AddressScopeInUseError(InUseError):
    """The scope that is to go has pools."""

    def __init__(self, scope_id: AddressScopeId, users: Sequence[Blocker]) -> None:
        super().__init__(
            f"Unable to complete operation on address scope {scope_id}. There are one or more "
            f"subnet pools in use on the address scope: {named(users)}.",
            users,
        )
        self.scope_id = scope_id


class AddressScopeUpdateError(InvalidRequestError):
    """The scope cannot be changed in this way."""

    def __init__(self, scope_id: AddressScopeId, rule: str) -> None:
        super().__init__("shared", f"Unable to update address scope {scope_id}: {rule}")
        self.scope_id = scope_id
