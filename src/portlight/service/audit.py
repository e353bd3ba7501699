"""The audit log: written in the transaction of the deed, read by the project that it concerns."""

from collections.abc import Collection

from portlight.core.audit import AuditAction, AuditEntry
from portlight.core.port import Port
from portlight.service.policy import check_action
from portlight.service.work import View, Work


def record_port(work: Work, action: AuditAction, port: Port, detail: str = "") -> None:
    """Keep what was done to a port, by whom and why."""
    opening = port.opening
    entry = AuditEntry(
        id=work.ids.uuid(),
        at=work.now,
        user_id=work.caller.user_id,
        user_name=work.caller.user_name,
        action=action,
        object_kind="port",
        object_id=port.id,
        project_id=port.meta.project_id,
        reason=opening.reason if opening else "",
        until=opening.until if opening else None,
        detail=detail,
    )
    work.tx.insert(entry)


def list_entries(view: View, identifiers: Collection[str] | None) -> list[AuditEntry]:
    """Return the entries (None: all) that the caller may see, the latest first."""
    check_action(view.caller, "get_audit_entry")
    where: dict[str, Collection[str]] = {} if identifiers is None else {"id": identifiers}
    if not view.caller.is_admin:
        where["project_id"] = [view.caller.project_id]
    found = view.tx.find(AuditEntry, where)
    return sorted(found, key=lambda entry: (entry.at, entry.id), reverse=True)
