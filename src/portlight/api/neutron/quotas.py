"""Quotas on the wire: hard limits as in Neutron; `details` also says what warns (`soft_limit`)."""

from collections.abc import Iterable, Mapping

from starlette.routing import Route

from portlight.api.errors import BadRequestError
from portlight.api.operation import Operation, operation, removal
from portlight.api.resource import envelope
from portlight.api.schema import TEXT, WHOLE, array, shape
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.wire import Json, boolean, identifier, integer, text
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.quotas import DEFAULT_LIMITS, DEFAULTS_ID, MAX_LIMIT, UNLIMITED, QuotaUse
from portlight.values.ids import ProjectId

LIMIT = integer(UNLIMITED, MAX_LIMIT)
_SWITCHES = {"force": boolean, "check_limit": boolean}
_IDENTITY = {"project_id": text(), "tenant_id": text()}

_LIMITS = shape(dict.fromkeys(DEFAULT_LIMITS, WHOLE), title="quota_limits")
_OF_PROJECT = shape({**dict.fromkeys(DEFAULT_LIMITS, WHOLE), "project_id": TEXT, "tenant_id": TEXT})
_DETAIL = shape(dict.fromkeys(("limit", "used", "reserved", "soft_limit"), WHOLE))
_NEW = shape(
    {},
    optional={
        **dict.fromkeys(DEFAULT_LIMITS, LIMIT.schema),
        **{name: parse.schema for name, parse in (*_SWITCHES.items(), *_IDENTITY.items())},
    },
)


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


def project_in(call: Call) -> ProjectId:
    """Return the project in the path, or `default`; raise NotFoundError for no such id."""
    spelling = call.path["id"]
    if spelling == DEFAULTS_ID:
        return DEFAULTS_ID
    try:
        return ProjectId(identifier("project_id", spelling))
    except InvalidRequestError as error:
        raise NotFoundError("Project", spelling) from error


@operation(answer=shape({"quotas": array(_OF_PROJECT)}))
def _list(call: Call) -> Reply:
    """List the projects that have limits of their own."""
    projects = by_project(call.cloud.quotas(call.caller))
    rendered = [
        {**_limits(uses), "project_id": project_id, "tenant_id": project_id}
        for project_id, uses in projects.items()
    ]
    return Reply(document={"quotas": rendered})


def _own(word: str) -> Operation:
    @operation(answer=shape({word: shape({f"{word}_id": TEXT})}))
    def show(call: Call) -> Reply:
        """Show the caller's own project."""
        return Reply(document={word: {f"{word}_id": call.caller.project_id}})

    return show


@operation(answer=shape({"quota": _LIMITS}))
def _show(call: Call) -> Reply:
    """Show the limits of a project."""
    uses = call.cloud.quota(call.caller, project_in(call))
    return Reply(document={"quota": _limits(uses)})


@operation(answer=shape({"quota": _LIMITS}))
def _default(call: Call) -> Reply:
    """Show the limits of a project that nothing was set for."""
    call.cloud.quota(call.caller, project_in(call))
    return Reply(document={"quota": _limits(call.cloud.default_quota(call.caller))})


@operation(answer=shape({"quota": shape(dict.fromkeys(DEFAULT_LIMITS, _DETAIL))}))
def _details(call: Call) -> Reply:
    """Show limits and what is used of them."""
    uses = call.cloud.quota(call.caller, project_in(call))
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


@operation(body=shape({"quota": _NEW}), answer=shape({"quota": _LIMITS}))
def _update(call: Call) -> Reply:
    """Set limits of a project; below what is used only with `force`."""
    document = envelope(call.document(), "quota")
    known = DEFAULT_LIMITS.keys() | _SWITCHES.keys() | _IDENTITY.keys()
    unknown = sorted(document.keys() - known)
    if unknown:
        raise BadRequestError(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    for name in document.keys() & _IDENTITY.keys():
        _IDENTITY[name](name, document[name])
    switches = {name: parse(name, document.get(name, False)) for name, parse in _SWITCHES.items()}
    hard = {name: LIMIT(name, raw) for name, raw in document.items() if name in DEFAULT_LIMITS}
    draft = QuotaDraft(hard=hard, force=switches["force"])
    uses = call.cloud.set_quota(call.caller, project_in(call), draft)
    return Reply(document={"quota": _limits(uses)})


@removal
def _delete(call: Call) -> Reply:
    """Let a project follow the defaults again."""
    call.cloud.reset_quota(call.caller, project_in(call))
    return NO_CONTENT


def _limits(uses: Iterable[QuotaUse]) -> Json:
    return {use.resource: use.allowance.hard for use in uses}
