"""Subnet pools and address scopes: where the prefixes of subnets come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from portlight.core.meta import Meta
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressScopeId, ProjectId, SubnetPoolId


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressScope:
    """A space of one family in which no prefix means two places."""

    id: AddressScopeId
    meta: Meta
    ip_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetPool:
    """Prefixes of one family that subnets are cut from."""

    id: SubnetPoolId
    meta: Meta
    ip_version: int
    prefixes: tuple[IpPrefix, ...]
    """Sorted, disjoint, neighbours as one."""
    min_prefixlen: int
    max_prefixlen: int
    default_prefixlen: int
    """min_prefixlen <= default_prefixlen <= max_prefixlen."""
    default_quota: int | None = None
    """What one project may take: IPv4 addresses, or IPv6 prefixes of length 64. None or 0: all."""
    is_default: bool = False
    address_scope_id: AddressScopeId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixUse:
    """What one project has taken from one pool."""

    pool_id: SubnetPoolId
    project_id: ProjectId
    subnets: Mapping[int, int] = field(default_factory=dict)
    """Prefix length to the number of subnets of it."""
