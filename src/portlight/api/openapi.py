"""The OpenAPI document of all faces, made from the routes that really serve.

Pure: routes in, document out. What an operation takes and answers stands in its description; which
refusals are possible follows from that, so that nobody lists them by hand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.native.agent import AgentEndpoint
from portlight.api.operation import JSON_TYPE, Description, Operation
from portlight.api.schema import TEXT
from portlight.api.shell import Action, Endpoint, Face
from portlight.api.wire import Json

USER_TOKEN = "X-Auth-Token"  # noqa: S105 -- the header's name
SIGNATURE = "Authorization"
AGENT_TOKEN = "X-Agent-Token"  # noqa: S105 -- the header's name
_SCHEMES: Json = {
    USER_TOKEN: {"type": "apiKey", "in": "header", "name": USER_TOKEN},
    SIGNATURE: {
        "type": "apiKey",
        "in": "header",
        "name": SIGNATURE,
        "description": "A signature of the form SDK-HMAC-SHA256, by an access key",
    },
    AGENT_TOKEN: {"type": "apiKey", "in": "header", "name": AGENT_TOKEN},
}
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_ABOUT = (
    "Identity v3, networking v2.0, traffic mirroring in the VPC v3 dialect, and the native "
    "interface. Made from the tables that validate requests."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One method of one path, ready to be written down."""

    path: str
    method: str
    variables: Sequence[str]
    description: Description
    face: Face
    scheme: str | None
    """The header that authenticates; None: public."""


@dataclass(frozen=True, slots=True)
class _Components:
    """The schemas that have a name."""

    schemas: dict[str, object] = field(default_factory=dict)

    def hoist(self, node: object) -> object:
        """Return the schema with every titled part replaced by a reference to it."""
        if isinstance(node, Mapping):
            plain = {key: self.hoist(value) for key, value in node.items()}
            title = node.get("title")
            return plain if not isinstance(title, str) else self._reference(title, plain)
        if isinstance(node, list | tuple):
            return [self.hoist(one) for one in node]
        return node

    def _reference(self, title: str, schema: Json) -> Json:
        if self.schemas.setdefault(title, schema) != schema:
            raise ValueError(f"two schemas have the title '{title}'")
        return {"$ref": f"#/components/schemas/{title}"}


def published(routes: Iterable[Route]) -> list[Published]:
    """Return every operation of these routes; raise TypeError on a route of another kind."""
    return [one for route in routes for one in _operations_of(route)]


def build_document(routes: Iterable[Route], *, version: str) -> Json:
    """Return the document."""
    components = _Components()
    paths: dict[str, dict[str, object]] = {}
    for one in published(routes):
        entry = components.hoist(_operation(one))
        paths.setdefault(one.path, {})[one.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {"title": "Portlight", "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": components.schemas, "securitySchemes": _SCHEMES},
    }


def _operations_of(route: Route) -> list[Published]:
    match route.endpoint:
        case Endpoint(face=face, actions=actions):
            described = {
                method: _description_of(route, action) for method, action in actions.items()
            }
            scheme = USER_TOKEN if face.authenticated else None
        case AgentEndpoint(face=face, method=method, description=description):
            described, scheme = {method: description}, AGENT_TOKEN
        case other:
            raise TypeError(f"{route.path} is served by {other!r}, which cannot be described")
    return [
        Published(
            path=route.path_format,
            method=method,
            variables=list(route.param_convertors),
            description=one,
            face=face,
            scheme=_scheme_of(one, scheme),
        )
        for method, one in described.items()
    ]


def _description_of(route: Route, action: Action) -> Description:
    if not isinstance(action, Operation):
        raise TypeError(f"{route.path} has a method that is no Operation")
    return action.description


def _scheme_of(description: Description, of_face: str | None) -> str | None:
    if description.is_public is None:
        return of_face
    return None if description.is_public else USER_TOKEN


def _operation(one: Published) -> Json:
    description = one.description
    document: Json = {
        "operationId": _identifier(one),
        "summary": description.summary,
        "tags": [_tag(one.path)],
        "parameters": list(_parameters(one)),
        "responses": _responses(one),
        "security": _security(one),
    }
    if description.body is not None:
        content = {JSON_TYPE: {"schema": description.body}}
        document["requestBody"] = {"required": True, "content": content}
    return document


def _security(one: Published) -> list[Json]:
    """Return the ways to authenticate, of which one is enough."""
    if one.scheme is None:
        return []
    schemes = [one.scheme, SIGNATURE] if one.face.takes_signatures else [one.scheme]
    return [{scheme: []} for scheme in schemes]


def _identifier(one: Published) -> str:
    words = one.path.replace("{", "").replace("}", "").replace(".", "_").replace("-", "_")
    return "_".join([one.method.lower(), *words.strip("/").split("/")]) + (
        "_root" if one.path.endswith("/") else ""
    )


def _tag(path: str) -> str:
    """Return the heading under which an operation stands: the face, and the kind of thing."""
    parts = [part for part in path.split("/") if part and not part.startswith("{")]
    depth = 3 if path.startswith(("/identity", "/portlight", "/v3")) else 2
    return "/".join(parts[:depth]) or "versions"


def _parameters(one: Published) -> Iterable[Json]:
    for name in one.variables:
        yield {"name": name, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}
    for place, parameters in (
        ("query", one.description.query),
        ("header", one.description.headers),
    ):
        for name, schema in parameters.items():
            yield {
                "name": name,
                "in": place,
                "required": name in one.description.needed,
                "schema": schema,
            }


def _responses(one: Published) -> Json:
    description = one.description
    answer: Json = {"description": HTTPStatus(description.status).phrase}
    if description.answer is not None:
        answer["content"] = {description.media_type: {"schema": description.answer}}
    refusal: Json = {"content": {JSON_TYPE: {"schema": one.face.error_body.schema}}}
    refusals = {
        str(int(status)): {"description": status.phrase, **refusal} for status in _refusals(one)
    }
    return {str(int(description.status)): answer, **refusals}


def _refusals(one: Published) -> list[HTTPStatus]:
    """Return the statuses by which an operation can be refused."""
    description, is_writing = one.description, one.method in _WRITING
    possible = set(description.refusals)
    if description.body:
        possible.add(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if description.body or description.query or description.headers:
        possible.add(HTTPStatus.BAD_REQUEST)
    if one.scheme is not None or is_writing:
        possible |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if one.variables or is_writing or "marker" in description.query:
        possible.add(HTTPStatus.NOT_FOUND)
    if is_writing:
        possible.add(HTTPStatus.CONFLICT)
    if "If-Match" in description.headers:
        possible.add(HTTPStatus.PRECONDITION_FAILED)
    return sorted(possible)
