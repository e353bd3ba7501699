"""Many ports in one call: all or none, in the order of the call, beside everybody else's work."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.api_server import AGENT_TOKEN, HOST, ApiServer, api_server

from portlight.store.sql import open_store, sqlite_url

MANY = 10_000
PATIENCE_SECONDS = 60.0
MAX_ANSWER_SECONDS = 2.0
"""What a show may take beside the big call, on a machine that does other work as well."""


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    store = open_store(sqlite_url(tmp_path_factory.mktemp("bulk") / "p.db"))
    with api_server(store) as server:
        yield server
    store.close()


def changes(server: ApiServer, after: int | None, wait: float = 0.0) -> Any:  # noqa: ANN401 -- JSON
    query = {"host": HOST, "wait": str(wait), **({} if after is None else {"after": str(after)})}
    answer = httpx.get(
        f"{server.url}/portlight/v1/agent/changes",
        params=query,
        headers={"X-Agent-Token": AGENT_TOKEN},
        trust_env=False,
        timeout=PATIENCE_SECONDS,
    )
    return answer.json()


@pytest.mark.covers("P20")
def test_ten_thousand_ports_in_one_call_hold_up_neither_readers_nor_the_agent(
    on_disk: ApiServer,
) -> None:
    network, _ = on_disk.a_network_with_subnet("10.64.0.0/16")
    sequence = changes(on_disk, None)["sequence"]
    wanted = [{"network_id": network["id"], "name": f"port {n}"} for n in range(MANY)]
    made: list[httpx.Response] = []

    def create() -> None:
        client = on_disk.http()
        answer = client.post("/v2.0/ports", json={"ports": wanted}, timeout=PATIENCE_SECONDS)
        made.append(answer)

    creating = threading.Thread(target=create)
    creating.start()
    waits: list[float] = []
    with httpx.Client(headers=dict(on_disk.http().headers), trust_env=False) as client:
        while creating.is_alive():
            started = time.monotonic()
            answer = client.get(f"{on_disk.url}/v2.0/networks/{network['id']}", timeout=20)
            assert answer.status_code == httpx.codes.OK
            waits.append(time.monotonic() - started)
    creating.join()

    assert made[0].status_code == httpx.codes.CREATED, made[0].text
    ports = made[0].json()["ports"]
    assert [port["name"] for port in ports] == [port["name"] for port in wanted]
    assert len({port["fixed_ips"][0]["ip_address"] for port in ports}) == MANY
    assert len({port["mac_address"] for port in ports}) == MANY
    assert max(waits) < MAX_ANSWER_SECONDS, sorted(waits)[-5:]
    told = changes(on_disk, sequence, wait=10)
    assert {c["id"] for c in told["changes"] if c["kind"] == "ports"} == {p["id"] for p in ports}


def test_one_port_that_cannot_be_made_leaves_none(on_disk: ApiServer) -> None:
    network, subnet = on_disk.a_network_with_subnet("10.1.0.0/28")
    outside = [{"subnet_id": subnet["id"], "ip_address": "10.2.0.1"}]
    wanted = [{"network_id": network["id"]} for _ in range(5)]

    status, _ = on_disk.refused(
        "POST",
        "/v2.0/ports",
        {"ports": [*wanted, {"network_id": network["id"], "fixed_ips": outside}]},
    )

    assert status == httpx.codes.BAD_REQUEST
    ports = on_disk.must("GET", f"/v2.0/ports?network_id={network['id']}")["ports"]
    assert ports == []
    first = on_disk.make("port", network_id=network["id"])
    assert first["fixed_ips"][0]["ip_address"] == "10.1.0.2", "what was taken is free again"


def test_who_asks_for_an_address_gets_it_before_those_who_take_any(on_disk: ApiServer) -> None:
    network, subnet = on_disk.a_network_with_subnet("10.3.0.0/28")
    lowest = [{"subnet_id": subnet["id"], "ip_address": "10.3.0.2"}]

    ports = on_disk.must(
        "POST",
        "/v2.0/ports",
        {
            "ports": [
                {"network_id": network["id"]},
                {"network_id": network["id"], "fixed_ips": lowest},
            ]
        },
    )["ports"]

    addresses = [port["fixed_ips"][0]["ip_address"] for port in ports]
    assert addresses == ["10.3.0.3", "10.3.0.2"]


def test_two_ports_of_one_call_cannot_have_the_same_mac(on_disk: ApiServer) -> None:
    network, _ = on_disk.a_network_with_subnet("10.4.0.0/28")
    port = {"network_id": network["id"], "mac_address": "fa:16:3e:00:00:01"}

    status, error = on_disk.refused("POST", "/v2.0/ports", {"ports": [port, port]})

    assert status == httpx.codes.CONFLICT
    assert error["type"] == "MacAddressInUse"


def test_a_large_body_of_a_stranger_is_not_read(on_disk: ApiServer) -> None:
    body = b'{"ports": ["' + b"x" * 2_000_000 + b'"]}'

    answer = httpx.post(f"{on_disk.url}/v2.0/ports", content=body, trust_env=False)

    assert answer.status_code == httpx.codes.UNAUTHORIZED
