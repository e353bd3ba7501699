"""How many rules the groups of one port may have together.

The data plane holds the rules of a port's groups as one classifier, which has a size. Whether a
port's groups fit must be known when a rule is made, without looking at every port each time: so a
group takes up to an eighth more room than it needs, and ports are looked at only when that grows.
"""

from collections.abc import Sequence

from portlight.core.errors_security_group import (
    MixedStatefulnessError,
    TooManyGroupsError,
    TooManyRulesError,
)
from portlight.core.security_group import SMALLEST_ROOM, SecurityGroup

PORT_ROOM = 32_768
"""Rules (and addresses of their address groups) of one port: what a classifier holds for sure."""
MAX_GROUPS = 64
"""Groups of one port: as many remote groups as an address can be a member of."""


def room_for(places: int) -> int:
    """Return the room that a group takes for so many rules and addresses."""
    step = 1 << max(0, (places - 1).bit_length() - 4)
    return max(SMALLEST_ROOM, -(-places // step) * step)


def check_together(groups: Sequence[SecurityGroup]) -> None:
    """Raise a ConflictError when these groups cannot be on one port."""
    if len(groups) > MAX_GROUPS:
        raise TooManyGroupsError(len(groups), MAX_GROUPS)
    if len({group.stateful for group in groups}) > 1:
        raise MixedStatefulnessError([group.id for group in groups if not group.stateful])
    check_room(groups)


def check_room(groups: Sequence[SecurityGroup]) -> None:
    """Raise TooManyRulesError when one port cannot hold the rules of these groups."""
    if sum(group.room for group in groups) > PORT_ROOM:
        largest = max(groups, key=lambda group: group.room)
        raise TooManyRulesError(largest.id, largest.room, PORT_ROOM)
