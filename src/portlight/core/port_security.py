"""The switch of a port's security: why it is off, until when, and how it comes on again. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from portlight.core.audit import AuditAction
from portlight.core.changes import given, next_meta
from portlight.core.drafts import PortDraft, Unset
from portlight.core.errors import InvalidRequestError
from portlight.core.port import Port, PortOpening
from portlight.values.ids import SecurityGroupId

MAX_OPEN_SECONDS = 366 * 86_400


def opening_of(
    before: Port | None, draft: PortDraft, *, enabled: bool, now: float
) -> PortOpening | None:
    """Return why and until when a port is open from now on; None when its security is on.

    Raise InvalidRequestError for a reason or an end without an opening.
    """
    if enabled:
        _check_nothing_said(draft)
        return None
    present = before.opening if before is not None and not before.port_security_enabled else None
    if present is None:
        present = PortOpening(since=now, groups=before.security_groups if before else ())
    seconds = draft.port_security_seconds
    until = present.until if isinstance(seconds, Unset) else _end(seconds, now)
    return replace(present, reason=given(draft.port_security_reason, present.reason), until=until)


def is_over(port: Port, now: float) -> bool:
    """Whether the port's security must come on again."""
    until = port.opening.until if port.opening else None
    return until is not None and until <= now


def secured_again(port: Port, groups: Sequence[SecurityGroupId], *, now: float) -> Port:
    """Return the port with its security on and these groups."""
    return replace(
        port,
        meta=next_meta(port.meta, None, now),
        port_security_enabled=True,
        security_groups=tuple(sorted(groups)),
        opening=None,
    )


def switch_between(before: Port | None, after: Port) -> AuditAction | None:
    """Return what became of the switch; None when nothing did."""
    was_on = before is None or before.port_security_enabled
    if was_on and not after.port_security_enabled:
        return AuditAction.PORT_SECURITY_OFF
    if not was_on and after.port_security_enabled:
        return AuditAction.PORT_SECURITY_ON
    if before is not None and before.opening != after.opening:
        return AuditAction.PORT_SECURITY_CHANGED
    return None


def check_between(before: Port | None, after: Port) -> AuditAction | None:
    """Return what became of the source and destination check; None when nothing did."""
    was_on = before is None or before.source_destination_check
    if was_on == after.source_destination_check:
        return None
    if after.source_destination_check:
        return AuditAction.SOURCE_DESTINATION_CHECK_ON
    return AuditAction.SOURCE_DESTINATION_CHECK_OFF


def _end(seconds: int | None, now: float) -> float | None:
    return None if seconds is None else now + seconds


def _check_nothing_said(draft: PortDraft) -> None:
    said = {
        "port_security_reason": given(draft.port_security_reason, ""),
        "port_security_seconds": given(draft.port_security_seconds, None),
    }
    for field, value in said.items():
        if value:
            raise InvalidRequestError(field, "port security is on; it tells why it is off")
