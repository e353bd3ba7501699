"""Role assignments on the wire: `/role_assignments`, and the roles of a user on a target."""

from starlette.routing import Route

from portlight.api.identity.asking import Answer, Asking, asked, does, listed, lists
from portlight.api.identity.directory import ROLES
from portlight.api.identity.documents import LINKS, NAMED, V3
from portlight.api.operation import Description
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TEXT, array, shape
from portlight.api.shell import NO_CONTENT, Face, Reply, route
from portlight.api.wire import Json
from portlight.service.identity.grants import Grant, NamedAssignment
from portlight.values.ids import DomainId, ProjectId, UserId

_FILTERS = {
    "user.id": "user_id",
    "role.id": "role",
    "scope.project.id": "target_id",
    "scope.domain.id": "target_id",
}
_NEVER = ("group.id", "scope.system", "scope.OS-INHERIT:inherited_to")
"""Filters on what does not exist here: nothing is found by them."""


_MAYBE_NAMED = shape({"id": TEXT}, optional={"name": TEXT})
_MAYBE_IN_DOMAIN = shape({"id": TEXT}, optional={"name": TEXT, "domain": NAMED})
_ASSIGNMENT = shape(
    {
        "role": _MAYBE_NAMED,
        "user": _MAYBE_IN_DOMAIN,
        "scope": shape({}, optional={"project": _MAYBE_IN_DOMAIN, "domain": _MAYBE_NAMED}),
        "links": LINKS,
    },
    title="role_assignment",
)
_LISTS = Description(
    summary="List who has which role where",
    query=dict.fromkeys((*_FILTERS, *_NEVER, "include_names"), array(TEXT)),
    answer=shape({"role_assignments": array(_ASSIGNMENT), "links": LINKS}),
)
_ROLE = entity_schema(ROLES.name, ROLES.attributes)


def grant_routes(face: Face) -> list[Route]:
    """Return the routes of the roles of users."""
    routes = [
        route(
            face,
            f"{V3}/role_assignments",
            GET=asked(listed("role_assignments", _assignments), _LISTS),
        )
    ]
    for target in ("projects", "domains"):
        path = f"{V3}/{target}/{{target}}/users/{{user}}/roles"
        routes += [
            route(face, path, GET=asked(listed("roles", _roles), lists("roles", _ROLE))),
            route(
                face,
                path + "/{role}",
                GET=asked(_checked(target), does("Tell whether a user has a role: 204 or 404")),
                PUT=asked(_given(target), does("Give a user a role")),
                DELETE=asked(_taken(target), does("Take a role from a user")),
            ),
        ]
    return routes


def _assignments(ask: Asking) -> list[Json]:
    query = ask.call.query
    if any(name in query for name in _NEVER):
        return []
    where = {key: query[name] for name, key in _FILTERS.items() if name in query}
    with_names = query.get("include_names", ["false"])[-1].lower() in ("", "true", "1")
    found = ask.identity.role_assignments(ask.by, where)
    return [_render(one, ask, with_names=with_names) for one in found]


def _render(named: NamedAssignment, ask: Asking, *, with_names: bool) -> Json:
    one = named.assignment
    target = "domains" if one.project_id is None else "projects"
    target_id = one.project_id or one.domain_id or ""
    role: Json = {"id": one.role}
    user: Json = {"id": one.user_id}
    scope: Json = {"id": target_id}
    if with_names and named.role is not None:
        role["name"] = named.role.name
    if with_names and named.user is not None:
        user |= {"name": named.user.name, "domain": _domain(named, named.user.domain_id)}
    if with_names and named.project is not None:
        scope |= {"name": named.project.name, "domain": _domain(named, named.project.domain_id)}
    elif with_names and one.domain_id is not None:
        scope = _domain(named, one.domain_id)
    path = f"{V3}/{target}/{target_id}/users/{one.user_id}/roles/{one.role}"
    return {
        "role": role,
        "user": user,
        "scope": {target.removesuffix("s"): scope},
        "links": {"assignment": ask.call.base_url + path},
    }


def _domain(named: NamedAssignment, identifier: str) -> Json:
    return {"id": identifier, "name": named.domain_names.get(identifier, "")}


def _grant(target: str, ask: Asking) -> Grant:
    path = ask.call.path
    user, role = UserId(path["user"]), path["role"]
    if target == "projects":
        return Grant(user_id=user, role=role, project_id=ProjectId(path["target"]))
    return Grant(user_id=user, role=role, domain_id=DomainId(path["target"]))


def _roles(ask: Asking) -> list[Json]:
    path = ask.call.path
    user = ask.identity.users.get(ask.by, path["user"])
    found = ask.identity.role_assignments(
        ask.by, {"user_id": [user.id], "target_id": [path["target"]]}
    )
    return [ROLES.render(one.role, ask.call.base_url) for one in found if one.role is not None]


def _checked(target: str) -> Answer:
    def answer(ask: Asking) -> Reply:
        ask.identity.check_role(ask.by, _grant(target, ask))
        return NO_CONTENT

    return answer


def _given(target: str) -> Answer:
    def answer(ask: Asking) -> Reply:
        ask.identity.give_role(ask.by, _grant(target, ask))
        return NO_CONTENT

    return answer


def _taken(target: str) -> Answer:
    def answer(ask: Asking) -> Reply:
        ask.identity.take_role(ask.by, _grant(target, ask))
        return NO_CONTENT

    return answer
