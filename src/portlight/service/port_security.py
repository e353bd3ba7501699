"""The switch of a port's security: kept in the audit log, and on again when its time is over."""

from contextlib import suppress

from portlight.core.audit import AuditAction
from portlight.core.drafts import UNSET
from portlight.core.errors import ConflictError
from portlight.core.group_room import check_together
from portlight.core.port import SERVICE_OWNERS, Port
from portlight.core.port_security import (
    check_between,
    is_over,
    secured_again,
    switch_between,
)
from portlight.core.security_group import SecurityGroup
from portlight.service import audit, security_groups
from portlight.service.work import Work
from portlight.values.ids import SecurityGroupId


def note_switch(work: Work, before: Port | None, after: Port) -> None:
    """Keep in the audit log what became of the port's switches, if anything did."""
    for action in (switch_between(before, after), check_between(before, after)):
        if action is not None:
            audit.record_port(work, action, after)


def end_openings(work: Work) -> None:
    """Switch the security of every port on again whose time is over (row N9)."""
    for port in work.tx.find(Port, {"retiring": ["yes"]}):
        if is_over(port, work.now):
            again = secured_again(port, _groups_again(work, port), now=work.now)
            work.tx.update(port, again)
            audit.record_port(work, AuditAction.PORT_SECURITY_EXPIRED, port)


def _groups_again(work: Work, port: Port) -> tuple[SecurityGroupId, ...]:
    """Return the groups that the port was in, as far as they still are, or the default one."""
    if port.device_owner.startswith(SERVICE_OWNERS):
        return ()
    former = port.opening.groups if port.opening else ()
    found = [work.tx.get(SecurityGroup, group_id) for group_id in former]
    present = [group for group in found if group is not None]
    # meanwhile they may have changed so that they cannot be on one port together
    with suppress(ConflictError):
        check_together(present)
        if present:
            return tuple(group.id for group in present)
    return security_groups.groups_for_port(work, UNSET, port.meta.project_id, secured=True)
