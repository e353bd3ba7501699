"""Kill -9 in the middle of a thousand creates: what was acknowledged is there, and nothing half."""

import resource
import threading
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest
from tests.support.deployment import wait_for
from tests.support.server_process import Json, ServerProcess, running
from tests.support.store_checks import assert_whole
from tests.support.stores import ON_DISK, a_url

from portlight.core.network import Network
from portlight.store.sql import open_store, sqlite_url

WANTED = 1_000
KILLED_AFTER = 500
BULK = 25
BULKS = [*[1] * 8, BULK, BULK]
"""So many ports by each request of each client: alone and in bulks, a hundred by every client."""


class Clients:
    """Several clients that make ports one after another, until the server is gone."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.network: Json = {}
        self.acknowledged: dict[str, str] = {}
        """Address by port."""

    def make_until_killed(self) -> None:
        """Let all make ports until half of what they want is acknowledged, then kill the server."""
        self.network = self.server.make("network", name="net")
        where = {"network_id": self.network["id"], "cidr": "10.0.0.0/19", "ip_version": 4}
        self.server.make("subnet", **where)
        count = WANTED // len(BULKS)
        threads = [threading.Thread(target=self._make, args=(count, bulk)) for bulk in BULKS]
        for thread in threads:
            thread.start()
        wait_for(
            "half is acknowledged",
            lambda: len(self.acknowledged) >= KILLED_AFTER,
            seconds=60,
            every=0.001,
        )
        assert any(thread.is_alive() for thread in threads), "in the middle"
        self.server.kill()
        for thread in threads:
            thread.join()

    def _make(self, count: int, bulk: int) -> None:
        wanted = {"network_id": self.network["id"]}
        body = {"ports": [wanted] * bulk} if bulk > 1 else {"port": wanted}
        with self.server.http() as http, suppress(httpx.TransportError):
            for _ in range(count // bulk):
                answer = http.post("/v2.0/ports", json=body)
                assert answer.status_code == 201, answer.text
                made = answer.json()
                for port in made.get("ports") or [made["port"]]:
                    self.acknowledged[port["id"]] = port["fixed_ips"][0]["ip_address"]


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_server_that_is_killed_has_kept_what_it_acknowledged_and_nothing_half(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = ServerProcess(tmp_path / "state", a_url(kind, tmp_path, request, own=True))
    clients = Clients(server)

    with running(server):
        clients.make_until_killed()

    with closing(open_store(server.database)) as store:
        ports = {port.id: str(port.fixed_ips[0].address) for port in assert_whole(store)}
    assert clients.acknowledged.items() <= ports.items()
    assert KILLED_AFTER <= len(clients.acknowledged) < WANTED


def test_a_full_disk_is_a_503_and_room_on_it_the_end_of_that(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "state", sqlite_url(tmp_path / "p.db"))
    with running(server), server.http() as http:
        before = server.make("network", name="before")
        full = (tmp_path / "p.db-wal").stat().st_size
        no_limit = resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (full, -1))

        refused = http.post("/v2.0/networks", json={"network": {"name": "x" * 200}})
        shown = http.get(f"/v2.0/networks/{before['id']}")
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, no_limit)
        after = server.make("network", name="after")

    assert refused.status_code == 503, refused.text
    assert refused.json()["NeutronError"]["type"] == "HTTPServiceUnavailable"
    assert "p.db" not in refused.text
    assert refused.headers["Retry-After"]
    assert shown.status_code == 200
    with closing(open_store(server.database)) as store, store.reading() as tx:
        assert {network.id for network in tx.find(Network)} == {before["id"], after["id"]}
