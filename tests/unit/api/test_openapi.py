"""The published description of the faces."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from starlette.responses import Response
from starlette.routing import Route
from tests.support.clouds import a_world

from portlight.api.app import build_app
from portlight.api.docs import render_page
from portlight.api.errors import native_body
from portlight.api.openapi import build_document, published
from portlight.api.operation import operation
from portlight.api.schema import shape
from portlight.api.shell import Call, Face, Reply, route

ROUTES = cast("list[Route]", build_app(a_world().cloud, agent_token="").routes)
DOCUMENT: dict[str, Any] = build_document(ROUTES, version="1")
OPERATIONS = [
    (path, method, entry)
    for path, methods in DOCUMENT["paths"].items()
    for method, entry in methods.items()
]


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from references(one)


def test_every_route_is_described_and_every_description_is_a_route() -> None:
    served = {(one.path, one.method.lower()) for one in published(ROUTES)}

    assert served == {(path, method) for path, method, _ in OPERATIONS}
    assert {route.path for route in ROUTES} == set(DOCUMENT["paths"])


def test_every_reference_leads_to_a_schema_and_every_schema_is_referred_to() -> None:
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}

    assert set(references(DOCUMENT)) == known


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [entry["operationId"] for _, _, entry in OPERATIONS]

    assert len(names) == len(set(names))


def test_two_different_schemas_cannot_have_one_title() -> None:
    @operation(body=shape({"a": {}}, title="same"), answer=shape({"b": {}}, title="same"))
    def act(_call: Call) -> Reply:
        return Reply()

    face = Face(cloud=a_world().cloud, workers=ThreadPoolExecutor(1), error_body=native_body)

    with pytest.raises(ValueError, match="same"):
        build_document([route(face, "/x", POST=act)], version="1")


def test_a_route_that_cannot_be_described_is_an_error() -> None:
    face = Face(cloud=a_world().cloud, workers=ThreadPoolExecutor(1), error_body=native_body)

    for dark in (
        Route("/dark", lambda _request: Response()),
        route(face, "/dark", GET=lambda _call: Reply()),
    ):
        with pytest.raises(TypeError, match="/dark"):
            build_document([dark], version="1")


def test_the_page_for_readers_shows_every_operation_and_loads_nothing() -> None:
    page = render_page(DOCUMENT)

    for path, method, _ in OPERATIONS:
        assert f"<span class='verb {method.upper()}'>{method.upper()}</span> <code>{path}<" in page
    assert "<script" not in page
    assert "src=" not in page
    assert "<link" not in page


def test_a_schema_says_what_may_be_given_instead_of_a_required_attribute() -> None:
    schema = DOCUMENT["components"]["schemas"]["port_create"]

    assert schema["allOf"] == [{"anyOf": [{"required": ["network_id"]}, {"required": ["vpc_id"]}]}]
