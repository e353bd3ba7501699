"""What a caller asks for: address groups and default rules."""

from dataclasses import dataclass

from portlight.core.drafts import UNSET, Unset
from portlight.core.security_group import Direction, EtherType
from portlight.values.addresses import IpInterface, IpPrefix
from portlight.values.ids import AddressGroupId, ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressGroupDraft:
    """Create or change an address group. Its addresses change by verbs of their own."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    addresses: tuple[IpPrefix, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRuleDraft:
    """Create a default rule. The fields are those of a rule."""

    direction: Direction
    project_id: ProjectId | Unset = UNSET
    """Accepted, and without effect."""
    description: str = ""
    ethertype: EtherType = EtherType.IPV4
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_prefix: IpInterface | None = None
    remote_group: str | None = None
    """PARENT, or the id of a group."""
    remote_address_group_id: AddressGroupId | None = None
    used_in_default_group: bool = False
    used_in_other_groups: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRuleChange:
    """Nothing of a default rule can change: it is removed and made anew."""
