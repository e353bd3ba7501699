"""Quotas on the native API: both limits of each resource, and the defaults of all projects."""

from collections.abc import Iterable

from starlette.routing import Route

from portlight.api.errors import BadRequestError
from portlight.api.neutron.quotas import LIMIT, by_project
from portlight.api.resource import envelope
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.wire import Json
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.quotas import QuotaUse
from portlight.values.ids import ProjectId


def quota_routes(face: Face, base: str) -> list[Route]:
    """Return the routes below `base`; the project `default` is what projects have by default."""
    return [
        route(face, f"{base}/quotas", GET=_list),
        route(face, f"{base}/quotas/{{id}}", GET=_show, PUT=_update, DELETE=_delete),
    ]


def _list(call: Call) -> Reply:
    projects = by_project(call.cloud.quotas(call.caller))
    return Reply(
        document={"quotas": [_render(project, uses) for project, uses in projects.items()]}
    )


def _show(call: Call) -> Reply:
    project_id = ProjectId(call.path["id"])
    return Reply(document={"quota": _render(project_id, call.cloud.quota(call.caller, project_id))})


def _update(call: Call) -> Reply:
    project_id = ProjectId(call.path["id"])
    limits = envelope(call.document(), "quota")
    draft = QuotaDraft(hard=_given(limits, "limit"), soft=_given(limits, "soft_limit"))
    uses = call.cloud.set_quota(call.caller, project_id, draft)
    return Reply(document={"quota": _render(project_id, uses)})


def _delete(call: Call) -> Reply:
    call.cloud.reset_quota(call.caller, ProjectId(call.path["id"]))
    return NO_CONTENT


def _given(limits: Json, word: str) -> dict[str, int]:
    found = {}
    for resource, both in limits.items():
        if not isinstance(both, dict) or both.keys() - {"limit", "soft_limit"} or not both:
            raise BadRequestError(f"'{resource}' must be an object of 'limit' and 'soft_limit'.")
        if word in both:
            found[resource] = int(str(LIMIT(f"{resource}.{word}", both[word])))
    return found


def _render(project_id: ProjectId, uses: Iterable[QuotaUse]) -> Json:
    resources: Json = {
        use.resource: {
            "limit": use.allowance.hard,
            "soft_limit": use.allowance.soft,
            "used": use.used,
            "warning": use.allowance.warns(use.used),
        }
        for use in uses
    }
    return {"project_id": project_id, "resources": resources}
