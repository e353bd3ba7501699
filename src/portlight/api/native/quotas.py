"""Quotas on the native API: both limits of each resource, and the defaults of all projects."""

from collections.abc import Iterable

from starlette.routing import Route

from portlight.api.errors import BadRequestError
from portlight.api.neutron.quotas import LIMIT, by_project, project_in
from portlight.api.operation import operation, removal
from portlight.api.resource import envelope
from portlight.api.schema import TEXT, TRUTH, WHOLE, array, shape
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.wire import Json
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.quotas import DEFAULT_LIMITS, QuotaUse
from portlight.values.ids import ProjectId

_WORDS = ("limit", "soft_limit")
_USE = shape({**dict.fromkeys((*_WORDS, "used"), WHOLE), "warning": TRUTH})
_QUOTA = shape(
    {"project_id": TEXT, "resources": shape(dict.fromkeys(DEFAULT_LIMITS, _USE))}, title="quota"
)
_NEW_BOTH = {**shape({}, optional=dict.fromkeys(_WORDS, LIMIT.schema)), "minProperties": 1}
_NEW = shape({}, optional=dict.fromkeys(DEFAULT_LIMITS, _NEW_BOTH))


def quota_routes(face: Face, base: str) -> list[Route]:
    """Return the routes below `base`; the project `default` is what projects have by default."""
    return [
        route(face, f"{base}/quotas", GET=_list),
        route(face, f"{base}/quotas/{{id}}", GET=_show, PUT=_update, DELETE=_delete),
    ]


@operation(answer=shape({"quotas": array(_QUOTA)}))
def _list(call: Call) -> Reply:
    """List the projects that have limits of their own."""
    projects = by_project(call.cloud.quotas(call.caller))
    quotas = [_render(project_id, uses) for project_id, uses in projects.items()]
    return Reply(document={"quotas": quotas})


@operation(answer=shape({"quota": _QUOTA}))
def _show(call: Call) -> Reply:
    """Show what a project may have, when it is warned, and what it has."""
    project_id = project_in(call)
    return Reply(document={"quota": _render(project_id, call.cloud.quota(call.caller, project_id))})


@operation(body=shape({"quota": _NEW}), answer=shape({"quota": _QUOTA}))
def _update(call: Call) -> Reply:
    """Set limits of a project, or, for `default`, of all that have none of their own."""
    project_id = project_in(call)
    limits = envelope(call.document(), "quota")
    draft = QuotaDraft(hard=_given(limits, "limit"), soft=_given(limits, "soft_limit"))
    uses = call.cloud.set_quota(call.caller, project_id, draft)
    return Reply(document={"quota": _render(project_id, uses)})


@removal
def _delete(call: Call) -> Reply:
    """Let a project follow the defaults again."""
    call.cloud.reset_quota(call.caller, project_in(call))
    return NO_CONTENT


def _given(limits: Json, word: str) -> dict[str, int]:
    found = {}
    for resource, both in limits.items():
        if not isinstance(both, dict) or both.keys() - set(_WORDS) or not both:
            raise BadRequestError(f"'{resource}' must be an object of 'limit' and 'soft_limit'.")
        if word in both:
            found[resource] = LIMIT(f"{resource}.{word}", both[word])
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
