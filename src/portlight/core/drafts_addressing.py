"""What a caller asks for about subnet pools and address scopes. `UNSET` is as in `drafts`."""

from dataclasses import dataclass

from portlight.core.drafts import UNSET, Unset
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressScopeId, ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressScopeDraft:
    """Create an address scope, or change its name or let all projects see it."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    ip_version: int | Unset = UNSET
    shared: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetPoolDraft:
    """Create or change a subnet pool."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    prefixes: tuple[IpPrefix, ...] | Unset = UNSET
    min_prefixlen: int | Unset = UNSET
    max_prefixlen: int | Unset = UNSET
    default_prefixlen: int | Unset = UNSET
    default_quota: int | Unset = UNSET
    is_default: bool | Unset = UNSET
    shared: bool | Unset = UNSET
    address_scope_id: AddressScopeId | Unset | None = UNSET
