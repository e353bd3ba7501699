"""Refusals about traffic mirroring."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from portlight.core.errors import Blocker, ConflictError, InUseError, InvalidRequestError, named
from portlight.values.ids import MirrorFilterId, PortId


class MirrorFamilyError(InvalidRequestError):
    """A protocol or a prefix is not of the address family of its rule."""


class MirrorPortUnfitError(InvalidRequestError):
    """The port belongs to a service, not to a guest."""

    def __init__(self, field: str, port_id: PortId, owner: str) -> None:
        super().__init__(field, f"port {port_id} is a port of '{owner}', not one of a guest")
        self.port_id = port_id
        self.owner = owner


class MirrorTargetInsideError(InvalidRequestError):
    """The address of a target outside is one that the cloud itself serves."""

    def __init__(self, address: IPv4Address) -> None:
        super().__init__(
            "target_ip",
            f"{address} is inside the cloud, where copies would be copied again: name its port as "
            "target_port_id",
        )
        self.address = address


class MirrorPriorityTakenError(ConflictError):
    """The place in the order is taken: by a rule of the filter, or a session of the project."""

    def __init__(self, priority: int, by: Blocker) -> None:
        super().__init__(f"The priority {priority} is used by {by}.")
        self.priority = priority
        self.by = by


class MirrorRoleError(ConflictError):
    """A port would be source and target of mirror sessions at the same time."""

    def __init__(self, port_id: PortId, present: str, sessions: Sequence[Blocker] = ()) -> None:
        where = f" of {named(sessions)}" if sessions else " of a mirror session"
        super().__init__(
            f"Port {port_id} is a {present}{where}: a port cannot be source and target at the "
            "same time."
        )
        self.port_id = port_id
        self.sessions = tuple(sessions)


class TooManyCopiesError(ConflictError):
    """More sessions would copy all packets of a source than the data path asks."""

    def __init__(self, port_id: PortId, limit: int) -> None:
        super().__init__(f"Port {port_id} is a source of {limit} sessions that copy all already.")
        self.port_id = port_id
        self.limit = limit


class MirrorFilterInUseError(InUseError):
    """Sessions choose packets by the filter."""

    def __init__(self, filter_id: MirrorFilterId, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"Mirror filter {filter_id} is used by {named(blockers)}.", blockers)
        self.filter_id = filter_id
