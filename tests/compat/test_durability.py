"""Kill -9 in the middle of a thousand creates: what was acknowledged is there, and nothing half."""

import threading
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest
from tests.support.deployment import wait_for
from tests.support.server_process import Json, ServerProcess, running
from tests.support.store_checks import assert_whole
from tests.support.stores import ON_DISK, a_url

from portlight.store.sql import open_store

WANTED = 1_000
KILLED_AFTER = 150
BULK = 25


class Clients:
    """Several clients that make ports one after another, until the server is gone."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.network: Json = {}
        self.acknowledged: dict[str, str] = {}
        """Address by port."""

    def make_until_killed(self, clients: int, bulk: int) -> None:
        if not self.network:
            self.network = self.server.make("network", name="net")
            where = {"network_id": self.network["id"], "cidr": "10.0.0.0/19", "ip_version": 4}
            self.server.make("subnet", **where)
        enough = len(self.acknowledged) + KILLED_AFTER
        threads = [
            threading.Thread(target=self._make, args=(WANTED // clients, bulk))
            for _ in range(clients)
        ]
        for thread in threads:
            thread.start()
        wait_for("acknowledged", lambda: len(self.acknowledged) >= enough, seconds=60, every=0.001)
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

    for several, bulk in ((1, 1), (8, 1), (2, BULK)):
        with running(server):
            clients.make_until_killed(several, bulk)

        with closing(open_store(server.database)) as store:
            ports = {port.id: str(port.fixed_ips[0].address) for port in assert_whole(store)}
        assert clients.acknowledged.items() <= ports.items()
