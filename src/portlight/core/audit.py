"""The audit log: who did when what to which thing, for the deeds that loosen protection."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.values.ids import ProjectId, UserId


class AuditAction(StrEnum):
    """The deeds that are kept."""

    PORT_SECURITY_OFF = "port_security_off"
    PORT_SECURITY_CHANGED = "port_security_changed"
    """It stays off, with another reason or end."""
    PORT_SECURITY_ON = "port_security_on"
    PORT_SECURITY_EXPIRED = "port_security_expired"
    """It is on again because its time was over."""
    SOURCE_DESTINATION_CHECK_OFF = "source_destination_check_off"
    SOURCE_DESTINATION_CHECK_ON = "source_destination_check_on"
    PUBLIC_IP_RELEASED = "public_ip_released"
    """A public address was given back because it was idle for too long."""
    PORT_FORCED_OFF = "port_forced_off"
    """A port was deleted although a device used it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One deed. Never changes, and outlives the thing that it is about."""

    id: str
    at: float
    """Seconds since the epoch, UTC."""
    user_id: UserId
    user_name: str
    action: AuditAction
    object_kind: str
    object_id: str
    project_id: ProjectId
    """Whose the thing is (or was)."""
    reason: str = ""
    until: float | None = None
    """When the deed ends by itself, in seconds since the epoch, UTC."""
    detail: str = ""
