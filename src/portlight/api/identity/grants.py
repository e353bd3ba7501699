"""Role assignments on the wire: `/role_assignments`, and the roles of a user on a target."""

from starlette.routing import Route

from portlight.api.identity.asking import Answer, Asking, asked, listed
from portlight.api.identity.directory import ROLES
from portlight.api.identity.documents import V3
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


def grant_routes(face: Face) -> list[Route]:
    """Return the routes of the roles of users."""
    routes = [
        route(
            face,
            f"{V3}/role_assignments",
            GET=asked(listed("role_assignments", _assignments)),
        )
    ]
    for target in ("projects", "domains"):
        path = f"{V3}/{target}/{{target}}/users/{{user}}/roles"
        routes += [
            route(face, path, GET=asked(listed("roles", _roles))),
            route(
                face,
                path + "/{role}",
                GET=asked(_checked(target)),
                PUT=asked(_given(target)),
                DELETE=asked(_taken(target)),
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
