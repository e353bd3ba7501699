"""The audit log and the posture of ports on the native API: lists that are only read."""

from collections.abc import Collection

from portlight.api.report import Report
from portlight.api.schema import MOMENT, TEXT, array, one_word, or_null, shape
from portlight.api.shell import Call
from portlight.api.wire import Json, moment
from portlight.core.audit import AuditAction, AuditEntry
from portlight.core.port import Port
from portlight.core.posture import Exposure, findings_of


def _audit_entries(call: Call, identifiers: Collection[str] | None) -> list[Json]:
    return [_render_entry(one) for one in call.cloud.audit_entries(call.caller, identifiers)]


def _render_entry(entry: AuditEntry) -> Json:
    return {
        "id": entry.id,
        "at": moment(entry.at),
        "user_id": entry.user_id,
        "user_name": entry.user_name,
        "action": entry.action,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "project_id": entry.project_id,
        "reason": entry.reason,
        "until": None if entry.until is None else moment(entry.until),
        "detail": entry.detail,
    }


def _exposures(call: Call, identifiers: Collection[str] | None) -> list[Json]:
    where = {} if identifiers is None else {"id": identifiers}
    ports = call.cloud.ports.find(call.caller, where)
    return [rendered for port in ports if (rendered := _render_exposure(port))["findings"]]


def _render_exposure(port: Port) -> Json:
    opening = port.opening
    until = opening.until if opening else None
    return {
        "port_id": port.id,
        "name": port.meta.name,
        "project_id": port.meta.project_id,
        "network_id": port.network_id,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "findings": [{"exposure": one.exposure, "detail": one.detail} for one in findings_of(port)],
        "since": moment(opening.since) if opening else None,
        "until": None if until is None else moment(until),
    }


AUDIT = Report(
    name="audit_entry",
    plural="audit_entries",
    path="audit-entries",
    key="id",
    label="AuditEntry",
    attributes={
        "id": TEXT,
        "at": MOMENT,
        "user_id": TEXT,
        "user_name": TEXT,
        "action": one_word(*AuditAction),
        "object_kind": TEXT,
        "object_id": TEXT,
        "project_id": TEXT,
        "reason": TEXT,
        "until": or_null(MOMENT),
        "detail": TEXT,
    },
    read=_audit_entries,
)
"""Who loosened which protection, when and why; the latest first."""

POSTURE = Report(
    name="port_exposure",
    plural="port_exposures",
    path="port-exposures",
    key="port_id",
    label="PortExposure",
    attributes={
        "port_id": TEXT,
        "name": TEXT,
        "project_id": TEXT,
        "network_id": TEXT,
        "device_id": TEXT,
        "device_owner": TEXT,
        "findings": array(shape({"exposure": one_word(*Exposure), "detail": TEXT})),
        "since": or_null(MOMENT),
        "until": or_null(MOMENT),
    },
    read=_exposures,
)
"""Every port that is less protected than by default, and why (row N12)."""
