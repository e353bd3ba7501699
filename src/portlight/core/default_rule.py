"""Default rules: the templates of the rules that a new security group starts with (row P10)."""

from dataclasses import dataclass

from portlight.core.meta import Meta
from portlight.core.security_group import Direction, EtherType
from portlight.values.ids import AddressGroupId, DefaultRuleId, ProjectId, SecurityGroupId

PARENT = "PARENT"
"""In the place of a remote group: the group that the rule is made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRule:
    """A rule as a client would ask for it, and for which groups."""

    id: DefaultRuleId
    meta: Meta
    """Without a project: templates belong to the deployment."""
    direction: Direction
    ethertype: EtherType = EtherType.IPV4
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: SecurityGroupId | None = None
    """PARENT, or the id of a group."""
    remote_address_group_id: AddressGroupId | None = None
    used_in_default_group: bool = False
    """For the group that every project has."""
    used_in_other_groups: bool = True
    """For the groups that people make."""


def _first(
    number: int,
    direction: Direction,
    ethertype: EtherType,
    remote_group: str | None = None,
) -> DefaultRule:
    return DefaultRule(
        id=DefaultRuleId(f"00000000-0000-4000-8000-de00000000{number:02d}"),
        meta=Meta(project_id=ProjectId(""), revision_number=1),
        direction=direction,
        ethertype=ethertype,
        remote_group_id=None if remote_group is None else SecurityGroupId(remote_group),
        used_in_default_group=True,
        used_in_other_groups=remote_group is None,
    )


FIRST_RULES = (
    _first(1, Direction.EGRESS, EtherType.IPV4),
    _first(2, Direction.EGRESS, EtherType.IPV6),
    _first(3, Direction.INGRESS, EtherType.IPV4, PARENT),
    _first(4, Direction.INGRESS, EtherType.IPV6, PARENT),
)
"""What a store begins with: egress is open, and the members of a default group reach each other."""
