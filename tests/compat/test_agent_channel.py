"""The channel of the agents: snapshots, changes, and how soon they come."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
from tests.support.api_server import AGENT_TOKEN, HOST, ApiServer

from portlight.client.agent import AgentClient, PortReport, Report
from portlight.client.errors import ApiError
from portlight.core.codec import decode_entity
from portlight.core.network import Network


@pytest.fixture
def agent(server: ApiServer) -> Iterator[AgentClient]:
    client = AgentClient(url=server.url, host=HOST, token=AGENT_TOKEN)
    yield client
    client.close()


def latest(agent: AgentClient) -> int:
    sequence: int = json.loads(agent.changes(None, 0))["sequence"]
    return sequence


def test_the_first_answer_is_a_snapshot_of_everything(
    server: ApiServer, agent: AgentClient
) -> None:
    network, _ = server.a_network_with_subnet()

    batch = json.loads(agent.changes(None, 0))

    assert batch["snapshot"] is True
    found = [one for one in batch["changes"] if one["id"] == network["id"]]
    entity = decode_entity(Network, json.dumps(found[0]["entity"]).encode())
    assert entity.meta.name == network["name"]


def test_after_a_snapshot_only_changes_come(server: ApiServer, agent: AgentClient) -> None:
    before = latest(agent)
    network = server.make("network", name="fresh")
    server.must("DELETE", f"/v2.0/networks/{network['id']}")

    batch = json.loads(agent.changes(before, 0))

    assert batch["snapshot"] is False
    assert {"kind": "networks", "id": network["id"], "entity": None} in batch["changes"]
    assert batch["sequence"] > before


def test_a_poll_without_change_answers_empty_when_its_time_is_over(agent: AgentClient) -> None:
    before = latest(agent)
    started = time.monotonic()

    batch = json.loads(agent.changes(before, 0.3))

    assert time.monotonic() - started >= 0.3
    assert batch == {"sequence": before, "snapshot": False, "changes": []}


def test_a_waiting_poll_is_answered_as_soon_as_something_changes(
    server: ApiServer, agent: AgentClient
) -> None:
    answered: list[float] = []
    delays: list[float] = []

    def wait_for_change(after: int) -> None:
        agent.changes(after, 10)
        answered.append(time.monotonic())

    for turn in range(10):
        before = latest(agent)
        poll = threading.Thread(target=wait_for_change, args=(before,))
        poll.start()
        time.sleep(0.05)
        server.make("network", name=f"wake-{turn}")
        committed = time.monotonic()
        poll.join(10)
        delays.append(answered[-1] - committed)

    # the API's own answer comes after the commit, so a delay may even be negative
    assert sorted(delays)[5] < 0.02, delays


def test_a_wrong_token_is_refused(server: ApiServer) -> None:
    stranger = AgentClient(url=server.url, host=HOST, token="guess")  # noqa: S106 -- a wrong one

    with pytest.raises(ApiError) as refusal:
        stranger.changes(None, 0)

    stranger.close()
    assert refusal.value.status == 401


def test_a_token_of_a_user_is_no_token_of_an_agent(server: ApiServer) -> None:
    answer = server.http("admin").get(f"/portlight/v1/agent/changes?host={HOST}")

    assert answer.status_code == 401


def test_what_the_agent_reports_of_a_port_is_its_status(
    server: ApiServer, agent: AgentClient
) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])
    body = {"instance": {"name": "i", "interfaces": [{"port_id": port["id"]}]}}
    server.must("POST", "/portlight/v1/instances", body)
    changes = json.loads(agent.changes(None, 0))["changes"]
    number = next(one["entity"]["number"] for one in changes if one["id"] == port["id"])
    path = f"/v2.0/ports/{port['id']}"
    revision = server.must("GET", path)["port"]["revision_number"]

    agent.report(Report(host=HOST, ports=(PortReport(number=number, status="ACTIVE"),)))

    after = server.must("GET", path)["port"]
    assert after["status"] == "ACTIVE"
    assert after["revision_number"] == revision


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"host": 5}', b'{"host": "host-1", "ports": [{"number": "x"}]}'],
)
def test_a_report_that_cannot_be_read_is_refused(server: ApiServer, body: bytes) -> None:
    answer = server.http().post(
        "/portlight/v1/agent/report", content=body, headers={"X-Agent-Token": AGENT_TOKEN}
    )

    assert answer.status_code == 400


@pytest.mark.parametrize("query", ["", "host=h&after=x", "host=h&wait=-1", "host=h&wait=nan"])
def test_a_wrong_poll_is_refused(server: ApiServer, query: str) -> None:
    answer = server.http().get(
        f"/portlight/v1/agent/changes?{query}", headers={"X-Agent-Token": AGENT_TOKEN}
    )

    assert answer.status_code == 400
