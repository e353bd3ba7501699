"""The audit log: written in the transaction of the deed, read by the project that it concerns."""

from collections.abc import Collection
from dataclasses import replace

from portlight.core.audit import AuditAction, AuditEntry
from portlight.core.port import Port
from portlight.service.policy import check_action
from portlight.service.work import View, Work
from portlight.values.ids import ProjectId


def record_port(work: Work, action: AuditAction, port: Port, detail: str = "") -> None:
    """Keep what was done to a port, by whom and why."""
    opening = port.opening
    entry = _entry(work, action, ("port", port.id), port.meta.project_id, detail)
    reason = opening.reason if opening else ""
    work.tx.insert(replace(entry, reason=reason, until=opening.until if opening else None))


def record(
    work: Work, action: AuditAction, what: tuple[str, str], owner: ProjectId, detail: str
) -> None:
    """Keep what was done to a thing (its kind and id) of a project."""
    work.tx.insert(_entry(work, action, what, owner, detail))


def _entry(
    work: Work, action: AuditAction, what: tuple[str, str], owner: ProjectId, detail: str
) -> AuditEntry:
    return AuditEntry(
        id=work.ids.uuid(),
        at=work.now,
        user_id=work.caller.user_id,
        user_name=work.caller.user_name,
        action=action,
        object_kind=what[0],
        object_id=what[1],
        project_id=owner,
        detail=detail,
    )


def list_entries(view: View, identifiers: Collection[str] | None) -> list[AuditEntry]:
    """Return the entries (None: all) that the caller may see, the latest first."""
    check_action(view.caller, "get_audit_entry")
    where: dict[str, Collection[str]] = {} if identifiers is None else {"id": identifiers}
    if not view.caller.is_admin:
        where["project_id"] = [view.caller.project_id]
    found = view.tx.find(AuditEntry, where)
    return sorted(found, key=lambda entry: (entry.at, entry.id), reverse=True)
