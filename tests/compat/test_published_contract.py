"""Every operation keeps what `/openapi.json` promises, with good data and with bad.

The operations are read from the document: a new kind is tested without a line here.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route
from tests.support.api_server import AGENT_TOKEN, ApiServer, api_server
from tests.support.clouds import a_world
from tests.support.known_things import KnownThings, furnish
from tests.support.schema_values import LOOSE_NETWORKS, NETWORKS

from portlight.api.app import build_app
from portlight.api.openapi import build_document

EXAMPLES = 6
METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "PATCH"})
ROUTES = cast("list[Route]", build_app(a_world().cloud, agent_token="").routes)
DOCUMENT: dict[str, Any] = build_document(ROUTES, version="1")
RULES_OVER_SEVERAL_VALUES = {
    r"GET /.*": "a marker is an id of the list, and each sort_dir has its sort_key",
    r"(POST|PUT) /v2.0/subnets.*": "gateway, pools and routes fit the prefix",
    r"(POST|PUT) /v2.0/networks.*": "IPv6 needs an MTU of 1,280; a domain is a DNS name",
    r"(POST|PUT) /v2.0/subnetpools.*": "prefixes are of one family, and lengths fit them",
    r"(POST|PUT|PATCH) /identity/v3/(domains|projects|users|roles|credentials).*": (
        "names are not blank, a tag has no comma, roles are the maker's own, a blob is JSON"
    ),
    r"POST /v2.0/agents": "an agent is made by starting it; Neutron refuses this with 400, too",
    r"(POST|PUT) /portlight/v1/virtual-ips.*": "members and address belong to the subnet",
    r"POST /portlight/v1/instances.*": "the address of an interface lies in its network",
    r"POST /v2.0/(default-)?security-group-rules": "ports go with the protocol, prefixes too",
    r"PUT /v2.0/address-groups/.*/add_addresses": "what is in the group is not added again",
    r"(POST|PUT) .*mirror-filter-rules.*": "ports go with TCP and UDP, prefixes with the family",
    r"(POST|PUT) .*mirror-sessions.*": "sources and targets are ports of guests",
    r"(POST|PUT) /v2.0/routers.*": "next hops lie in a subnet of the router; a zone is named once",
    r"(POST|PUT) /v2.0/floatingips.*": "the network is external; the port has the address",
    r"(POST|PUT) (/v2.0|/portlight/v1)/(vpcs|vpcsubnets|routes|peerings).*": (
        "a VPC is private, its subnets lie in it, and so do the next hops of its routes"
    ),
    r"POST .*/(internetgateways|natgateways|public-ips).*": "an external network has addresses",
    r"PUT .*/(public-ips)/.*": "what is fixed stays",
    r"GET /portlight/v1/usage": "a time is written as in ISO 8601",
    r"(POST|PUT) /v2.0/ports.*": "addresses lie in a subnet of the network",
}
"""Where good values can be refused with 400 for what they say together, and why."""

schemathesis.openapi.format("cidr", NETWORKS)
schemathesis.openapi.format("loose-cidr", LOOSE_NETWORKS)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.config.generation.with_security_parameters = False  # we bring the tokens
OPERATIONS = {
    one.label: one for one in (cast("Any", found).ok() for found in SCHEMA.get_all_operations())
}
SCHEMA.config.checks.positive_data_acceptance.expected_statuses += ["412"]  # another revision
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
def things() -> Iterator[KnownThings]:
    """A server of its own: what the generator leaves behind is nobody else's surprise."""
    with api_server() as server:
        furnish(server)
        yield KnownThings(server)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def headers_for(label: str, server: ApiServer) -> dict[str, str]:
    needed = OPERATIONS[label].definition.raw["security"]
    if needed == [{"X-Agent-Token": []}]:
        return {"X-Agent-Token": AGENT_TOKEN}
    return {"X-Auth-Token": server.http("admin").headers["X-Auth-Token"]} if needed else {}


def modes() -> Iterator[Any]:
    for label, one in OPERATIONS.items():
        yield pytest.param(label, GenerationMode.POSITIVE, id=f"good {label}")
        # a path takes any text: what does not exist is not bad data; nor is a token in a header
        if one.body or one.query or "If-Match" in str(one.definition.raw):
            yield pytest.param(label, GenerationMode.NEGATIVE, id=f"bad {label}")


def with_known_things(case: Case[Any], things: KnownThings, mode: GenerationMode) -> None:
    """Let the case speak of things that exist; in bad data only what is not the bad part."""
    path = case.meta.components.get(ParameterLocation.PATH) if case.meta else None
    if path is None or path.mode is GenerationMode.POSITIVE:
        case.path_parameters |= things.path_variables(case.operation.path, case.method)
    if mode is GenerationMode.POSITIVE:
        case.body = things.settle(case.body)
    if "wait" in (case.query or {}) and str(case.query["wait"]).replace(".", "").isdigit():
        case.query["wait"] = 0  # nobody waits for a commit here


@pytest.mark.parametrize(("label", "mode"), list(modes()))
def test_an_operation_keeps_its_promise(
    label: str, mode: GenerationMode, things: KnownThings, session: requests.Session
) -> None:
    operation, headers = OPERATIONS[label], headers_for(label, things.server)
    may_refuse = any(re.fullmatch(one, label) for one in RULES_OVER_SEVERAL_VALUES)
    checks = CHECKS if may_refuse else [*CHECKS, positive_data_acceptance]
    things.forget()

    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def speak(case: Case[Any]) -> None:
        with_known_things(case, things, mode)
        answer = case.call(base_url=things.server.url, session=session, headers=headers)
        case.validate_response(answer, checks=checks, headers=headers)

    speak()


@pytest.mark.parametrize("path", sorted(DOCUMENT["paths"]))
def test_a_method_that_is_not_published_is_refused_and_the_others_named(
    path: str, things: KnownThings, session: requests.Session
) -> None:
    published = {method.upper() for method in DOCUMENT["paths"][path]}

    for method in sorted(METHODS - published):
        answer = session.request(method, things.server.url + path.format_map(AnyValue()))

        assert answer.status_code == 405, f"{method} {path}"
        assert set(answer.headers["Allow"].replace(",", " ").split()) == published


@pytest.mark.parametrize(
    "label",
    [label for label, one in OPERATIONS.items() if one.definition.raw["security"]],
)
def test_nothing_is_told_or_done_without_a_token(
    label: str, things: KnownThings, session: requests.Session
) -> None:
    method, _, path = label.partition(" ")

    for token in ({}, {"X-Auth-Token": "wrong", "X-Agent-Token": "wrong"}):
        answer = session.request(
            method, things.server.url + path.format_map(AnyValue()), headers=token, json={}
        )

        assert answer.status_code == 401


class AnyValue(dict[str, str]):
    """A value for every variable of a path."""

    def __missing__(self, key: str) -> str:
        return f"some-{key}"
