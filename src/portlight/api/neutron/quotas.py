"""Quotas on the wire: hard limits as in Neutron; `details` also says what warns (`soft_limit`)."""

from collections.abc import Iterable, Mapping

from starlette.routing import Route

from portlight.api.errors import BadRequestError
from portlight.api.resource import envelope
from portlight.api.shell import NO_CONTENT, Action, Call, Face, Reply, route
from portlight.api.wire import Json, boolean, integer
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.quotas import DEFAULT_LIMITS, MAX_LIMIT, UNLIMITED, QuotaUse
from portlight.values.ids import ProjectId

LIMIT = integer(UNLIMITED, MAX_LIMIT)
_SWITCHES = ("force", "check_limit")
_IDENTITY = ("project_id", "tenant_id")


def quota_routes(face: Face, base: str) -> list[Route]:
    """Return the routes of quotas below `base`."""
    path = f"{base}/quotas"
    return [
        route(face, path, GET=_list),
        *(route(face, f"{path}/{word}", GET=_own(word)) for word in ("tenant", "project")),
        route(face, f"{path}/{{id}}", GET=_show, PUT=_update, DELETE=_delete),
        route(face, f"{path}/{{id}}/default", GET=_default),
        route(face, f"{path}/{{id}}/details", GET=_details),
    ]


def by_project(uses: Iterable[QuotaUse]) -> Mapping[ProjectId, list[QuotaUse]]:
    """Group uses by their project."""
    found: dict[ProjectId, list[QuotaUse]] = {}
    for use in uses:
        found.setdefault(use.project_id, []).append(use)
    return found


def _list(call: Call) -> Reply:
    projects = by_project(call.cloud.quotas(call.caller))
    rendered = [
        {**_limits(uses), "project_id": project_id, "tenant_id": project_id}
        for project_id, uses in projects.items()
    ]
    return Reply(document={"quotas": rendered})


def _own(word: str) -> Action:
    return lambda call: Reply(document={word: {f"{word}_id": call.caller.project_id}})


def _show(call: Call) -> Reply:
    uses = call.cloud.quota(call.caller, ProjectId(call.path["id"]))
    return Reply(document={"quota": _limits(uses)})


def _default(call: Call) -> Reply:
    call.cloud.quota(call.caller, ProjectId(call.path["id"]))
    return Reply(document={"quota": _limits(call.cloud.default_quota(call.caller))})


def _details(call: Call) -> Reply:
    uses = call.cloud.quota(call.caller, ProjectId(call.path["id"]))
    details: Json = {
        use.resource: {
            "limit": use.allowance.hard,
            "used": use.used,
            "reserved": 0,
            "soft_limit": use.allowance.soft,
        }
        for use in uses
    }
    return Reply(document={"quota": details})


def _update(call: Call) -> Reply:
    document = envelope(call.document(), "quota")
    asked = {name: raw for name, raw in document.items() if name not in (*_SWITCHES, *_IDENTITY)}
    unknown = sorted(asked.keys() - DEFAULT_LIMITS.keys())
    if unknown:
        raise BadRequestError(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    switches = {name: boolean(name, document.get(name, False)) for name in _SWITCHES}
    draft = QuotaDraft(
        hard={name: int(str(LIMIT(name, raw))) for name, raw in asked.items()},
        force=bool(switches["force"]),
    )
    uses = call.cloud.set_quota(call.caller, ProjectId(call.path["id"]), draft)
    return Reply(document={"quota": _limits(uses)})


def _delete(call: Call) -> Reply:
    call.cloud.reset_quota(call.caller, ProjectId(call.path["id"]))
    return NO_CONTENT


def _limits(uses: Iterable[QuotaUse]) -> Json:
    return {use.resource: use.allowance.hard for use in uses}
