"""Lists through HTTP agree with a plain model of them: filters, order, pages, links, fields.

The server filters and cuts in the database where it can; the model has one list and knows none.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.api_server import AGENT_TOKEN, HOST, PASSWORD, RandomIds, first_users
from tests.support.identities import user_ref

from portlight.api.app import build_app
from portlight.core.drafts import NetworkDraft, PortDraft, SecurityGroupDraft, SubnetDraft
from portlight.service.cloud import Cloud
from portlight.service.identity.logins import NoScope, PasswordLogin
from portlight.service.identity.sealing import Sealer
from portlight.store.sql import open_store, sqlite_url
from portlight.values.addresses import parse_prefix
from portlight.values.ids import HostName

Json = dict[str, Any]
Query = list[tuple[str, str]]

PORTS = 40
NAMES = ("web", "db", "")
SORTABLE = ("id", "name", "device_id", "created_at", "network_id")
NOWHERE = "00000000-0000-4000-8000-000000000000"


class Place:
    """A cloud with ports, behind its ASGI application; and the same ports in a plain list."""

    def __init__(self, file: Path) -> None:
        self._runner = asyncio.Runner()
        store, ids = open_store(sqlite_url(file)), RandomIds()
        sealer = Sealer.fresh()
        first_users(store, ids, sealer)
        self._store = store
        cloud = Cloud(store=store, ids=ids, clock=time.time, host=HostName(HOST), sealer=sealer)
        login = PasswordLogin(user=user_ref("portlight"), password=PASSWORD)
        token = cloud.identity.log_in(login, NoScope.DEFAULT).secret
        fill(cloud, token)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(cloud, agent_token=AGENT_TOKEN)),
            base_url="http://cloud",
            headers={"X-Auth-Token": token},
        )
        self.ports: list[Json] = self.list([])["ports"]

    def get(self, query: Query) -> httpx.Response:
        return self._runner.run(self._client.get("/v2.0/ports", params=urlencode(query)))

    def list(self, query: Query) -> Json:
        answer = self.get(query)
        assert answer.status_code == httpx.codes.OK, answer.text
        return cast("Json", answer.json())

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()
        self._store.close()


def fill(cloud: Cloud, token: str) -> None:
    caller = cloud.authenticate_token(token)
    chance = random.Random(0)  # noqa: S311 -- variety, not secrecy
    networks = [cloud.networks.create(caller, NetworkDraft(name=f"n{n}")) for n in range(2)]
    for number, network in enumerate(networks):
        cidr = parse_prefix(f"10.{number}.0.0/24")
        cloud.subnets.create(
            caller, SubnetDraft(network_id=network.id, cidr=cidr, enable_dhcp=False)
        )
    group = cloud.security_groups.create(caller, SecurityGroupDraft(name="other"))
    for _ in range(PORTS):
        cloud.ports.create(
            caller,
            PortDraft(
                network_id=chance.choice(networks).id,
                name=chance.choice(NAMES),
                description=chance.choice(("", "spare")),
                device_id=chance.choice(("", "a", "b")),
                tags=frozenset(chance.sample(("blue", "red"), chance.randrange(3))),
                security_groups=(group.id,) * chance.randrange(2),
            ),
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("lists") / "p.db")
    yield made
    made.close()


Test = Callable[[Json], bool]
Filter = tuple[str, str, Test]
"""Name, value, and what the model takes it for."""


def filters_of(port: Json) -> list[Filter]:
    """Return filters that are met by this port, and by some others."""
    address = port["fixed_ips"][0]["ip_address"]
    plain = ("id", "name", "network_id", "device_id", "description", "project_id")
    return [
        *((key, port[key], lambda one, key=key: one[key] == port[key]) for key in plain),
        ("tenant_id", NOWHERE, lambda _one: False),
        ("mac_address", port["mac_address"].upper(), lambda one: one["id"] == port["id"]),
        ("admin_state_up", "True", lambda _one: True),
        ("tags", "blue", lambda one: "blue" in one["tags"]),
        ("not-tags-any", "red", lambda one: "red" not in one["tags"]),
        (
            "fixed_ips",
            f"ip_address={address}",
            lambda one: one["fixed_ips"][0]["ip_address"] == address,
        ),
        *(
            ("security_groups", group, lambda one, group=group: group in one["security_groups"])
            for group in port["security_groups"]
        ),
    ]


def model(ports: list[Json], tests: list[Test], keys: list[tuple[str, bool]]) -> list[Json]:
    """Return the ports that meet all tests, in order; the keys say whether they descend."""
    found = sorted((one for one in ports if all(t(one) for t in tests)), key=lambda one: one["id"])
    for key, descends in reversed(keys):
        found.sort(key=lambda one, key=key: str(one[key]), reverse=descends)  # type: ignore[misc]
    return found


@st.composite
def questions(draw: st.DrawFn) -> tuple[int, list[int], list[tuple[str, bool]]]:
    """Return a port, which of its filters, and sort keys."""
    chosen = draw(st.lists(st.integers(0, 12), max_size=2, unique=True))
    # a filter on the same name twice would widen, not narrow
    keys = draw(st.lists(st.sampled_from(SORTABLE), max_size=2, unique=True))
    return draw(st.integers(0, PORTS - 1)), chosen, [(key, draw(st.booleans())) for key in keys]


def asked(
    place: Place, question: tuple[int, list[int], list[tuple[str, bool]]]
) -> tuple[Query, list[Json]]:
    """Return the query and what the model answers."""
    port, chosen, keys = question
    filters = {f[0]: f for f in filters_of(place.ports[port])}
    listed = [list(filters.values())[number % len(filters)] for number in chosen]
    query = [(name, value) for name, value, _ in {f[0]: f for f in listed}.values()]
    for key, descends in keys:
        query += [("sort_key", key), ("sort_dir", "desc" if descends else "asc")]
    return query, model(place.ports, [test for _, _, test in listed], keys)


@pytest.mark.extension("pagination", "sorting")
@settings(max_examples=50, deadline=None)
@given(question=questions(), limit=st.integers(1, 12))
@pytest.mark.covers("N1")
def test_pages_one_after_the_other_are_the_whole_list_of_the_model(
    place: Place, question: tuple[int, list[int], list[tuple[str, bool]]], limit: int
) -> None:
    query, expected = asked(place, question)

    page = place.list([*query, ("limit", str(limit))])
    seen = page["ports"]
    while links := {one["rel"]: one["href"] for one in page.get("ports_links", ())}:
        if "next" not in links:
            break
        assert len(page["ports"]) == limit, "only a full page may have a next one"
        page = place.list(parse_qsl(urlsplit(links["next"]).query, keep_blank_values=True))
        seen += page["ports"]

    assert seen == expected


@settings(max_examples=50, deadline=None)
@given(question=questions(), limit=st.integers(1, 12), place_of_marker=st.integers(0, PORTS - 1))
@pytest.mark.covers("N1")
def test_a_page_before_a_marker_is_that_part_of_the_model(
    place: Place,
    question: tuple[int, list[int], list[tuple[str, bool]]],
    limit: int,
    place_of_marker: int,
) -> None:
    query, expected = asked(place, question)
    if not expected:
        return
    marker = place_of_marker % len(expected)
    query += [("marker", expected[marker]["id"]), ("limit", str(limit)), ("page_reverse", "True")]

    page = place.list([*query, ("fields", "id"), ("fields", "name")])

    part = expected[max(0, marker - limit) : marker]
    assert page["ports"] == [{"id": one["id"], "name": one["name"]} for one in part]
    links = {one["rel"] for one in page.get("ports_links", ())}
    assert links == ({"previous", "next"} if len(part) == limit else {"next"})


@settings(max_examples=60, deadline=None)
@given(question=questions())
def test_a_whole_list_has_what_the_model_has(
    place: Place, question: tuple[int, list[int], list[tuple[str, bool]]]
) -> None:
    query, expected = asked(place, question)

    ports = place.list(query)["ports"]

    def by_id(one: Json) -> str:
        return str(one["id"])

    assert sorted(ports, key=by_id) == sorted(expected, key=by_id)
    if question[2]:
        assert ports == expected


def test_a_marker_that_names_nothing_is_not_found(place: Place) -> None:
    answer = place.get([("limit", "5"), ("marker", NOWHERE)])

    assert answer.status_code == httpx.codes.NOT_FOUND
    assert NOWHERE in answer.text


def test_a_page_begins_after_its_marker_even_when_no_filter_lets_that_through(
    place: Place,
) -> None:
    ordered = sorted(place.ports, key=lambda one: str(one["id"]))
    outside = next(one for one in ordered if one["name"] != "web")

    page = place.list([("name", "web"), ("limit", "5"), ("marker", outside["id"])])

    after = [one for one in ordered if one["name"] == "web" and one["id"] > outside["id"]]
    assert page["ports"] == after[:5]
