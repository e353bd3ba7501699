"""Sets of packets as boxes: for each field the numbers it may have.

Pure. A field that a box does not name may have any value. The difference of two boxes is a list of
boxes, so "everything but" can be said exactly.
"""

from collections.abc import Iterable, Mapping

from portlight.guest.iptables.meaning import Condition, Field, Within, last_value
from portlight.guest.iptables.ranges import Ranges, difference, intersection

Box = Mapping[Field, Ranges]


class TooManyBoxesError(Exception):
    """What is left of a set of packets has become too scattered to be said."""


def box_of(conditions: Iterable[Condition]) -> Box | None:
    """Return the packets that meet conditions on ranges; None if none can."""
    box: Box = {}
    for condition in conditions:
        if isinstance(condition, Within):
            joined = both(box, {condition.field: condition.allowed})
            if joined is None:
                return None
            box = joined
    return box


def both(one: Box, other: Box) -> Box | None:
    """Return what is in both boxes, None if nothing is."""
    joined = dict(one)
    for field, allowed in other.items():
        rest = intersection(joined[field], allowed) if field in joined else allowed
        if not rest:
            return None
        joined[field] = rest
    return joined


def minus(one: Box, other: Box, family: int) -> list[Box]:
    """Return what is in the first box only, as boxes that do not overlap."""
    if both(one, other) is None:
        return [one]
    found: list[Box] = []
    rest = dict(one)
    for field, allowed in other.items():
        mine = rest.get(field, ((0, last_value(field, family)),))
        outside = difference(mine, allowed)
        if outside:
            found.append({**rest, field: outside})
        rest[field] = intersection(mine, allowed)
    return found


def all_minus(boxes: Iterable[Box], other: Box, family: int, *, at_most: int) -> list[Box]:
    """Return what is left of boxes without another one; raises TooManyBoxesError."""
    left = [piece for box in boxes for piece in minus(box, other, family)]
    if len(left) > at_most:
        raise TooManyBoxesError
    return left
