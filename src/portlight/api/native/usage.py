"""Reports on the native API: what public addresses were held, and what nobody uses."""

from collections.abc import Collection
from datetime import UTC, datetime

from portlight.api.errors import InvalidQueryError
from portlight.api.operation import operation
from portlight.api.query import Query
from portlight.api.report import Report
from portlight.api.schema import MOMENT, NUMBER, TEXT, TRUTH, WHOLE, array, one_word, or_null, shape
from portlight.api.shell import Call, Reply
from portlight.api.wire import Json, moment, timestamp
from portlight.core.address_uses import Period, ProjectUsage
from portlight.core.floating_ip import AddressUse
from portlight.service.usage import Orphan, OrphanKind

_HOUR = 3600.0
_USAGE = shape({"project_id": TEXT, "addresses": WHOLE, "held_hours": NUMBER, "used_hours": NUMBER})


@operation(
    query={"from": TEXT, "to": TEXT},
    answer=shape({"usage": array(_USAGE), "from": MOMENT, "to": MOMENT}),
)
def show_usage(call: Call) -> Reply:
    """Show for how many hours each project held public addresses, and used them."""
    now = call.cloud.now()
    period = Period(since=_moment(call.query, "from", 0.0), until=_moment(call.query, "to", now))
    found = call.cloud.usage(call.caller, period)
    return Reply(
        document={
            "usage": [_render_usage(one) for one in found],
            "from": timestamp(period.since),
            "to": timestamp(period.until),
        }
    )


def _render_usage(one: ProjectUsage) -> Json:
    return {
        "project_id": one.project_id,
        "addresses": one.addresses,
        "held_hours": round(one.held_seconds / _HOUR, 4),
        "used_hours": round(one.used_seconds / _HOUR, 4),
    }


def _moment(query: Query, word: str, default: float) -> float:
    """Return a day or an instant in seconds since the epoch; without a zone it is UTC."""
    if word not in query:
        return default
    spelling = query[word][-1]
    try:
        instant = datetime.fromisoformat(spelling)
        return max(0.0, (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError) as error:
        raise InvalidQueryError(f"'{spelling}' is no time of ISO 8601 ({word}).") from error


def _uses(call: Call, identifiers: Collection[str] | None) -> list[Json]:
    found = call.cloud.address_uses(call.caller)
    return [_render_use(one) for one in found if identifiers is None or one.id in identifiers]


def _render_use(one: AddressUse) -> Json:
    return {
        "id": one.id,
        "public_ip_id": one.floating_ip_id,
        "public_ip": str(one.address),
        "project_id": one.project_id,
        "allocated_from": moment(one.allocated_from),
        "from": moment(one.since),
        "to": None if one.until is None else moment(one.until),
        "in_use": one.in_use,
    }


def _orphans(call: Call, identifiers: Collection[str] | None) -> list[Json]:
    now = call.cloud.now()
    found = call.cloud.orphans(call.caller)
    return [
        _render_orphan(one, now) for one in found if identifiers is None or one.id in identifiers
    ]


def _render_orphan(one: Orphan, now: float) -> Json:
    return {
        "id": one.id,
        "kind": one.kind,
        "name": one.name,
        "project_id": one.project_id,
        "since": moment(one.since),
        "age_seconds": max(0, int(now - one.since)),
        "detail": one.detail,
    }


ADDRESS_USES = Report(
    name="address_use",
    plural="address_uses",
    path="address-uses",
    key="id",
    label="AddressUse",
    attributes={
        "id": TEXT,
        "public_ip_id": TEXT,
        "public_ip": TEXT,
        "project_id": TEXT,
        "allocated_from": MOMENT,
        "from": MOMENT,
        "to": or_null(MOMENT),
        "in_use": TRUTH,
    },
    read=_uses,
)
"""From when until when a project held a public address, in use or idle."""

ORPHANS = Report(
    name="orphan",
    plural="orphans",
    path="orphans",
    attributes={
        "id": TEXT,
        "kind": one_word(*OrphanKind),
        "name": TEXT,
        "project_id": TEXT,
        "since": MOMENT,
        "age_seconds": WHOLE,
        "detail": TEXT,
    },
    read=_orphans,
)
"""What nobody uses (rows K5, X23), the oldest first."""
