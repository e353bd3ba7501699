"""A real server process, as `portlight serve` starts it: to be killed, and started again."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.support.deployment import PORTLIGHT, free_port, wait_for

Json = dict[str, Any]

START_SECONDS = 180.0
"""Each process reads the whole program first, which takes long on a busy machine."""


@dataclass(slots=True)
class ServerProcess:
    """A server with its state folder. Its HTTP client has the project user's token."""

    state: Path
    database: str
    workers: int = 1
    listen: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    _process: subprocess.Popen[bytes] | None = None
    _token: str = ""

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    def start(self) -> None:
        """Start, and return once it answers."""
        self.state.mkdir(exist_ok=True)
        with (self.state / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # A test run that is killed leaves no server behind.
                    "setpriv", "--pdeathsig", "TERM", "--",
                    PORTLIGHT, "serve", "--state", str(self.state), "--listen", self.listen,
                    "--database", self.database, "--workers", str(self.workers),
                    "--public-pool", "none",
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        wait_for(f"{self.listen} answers", self._answers, seconds=START_SECONDS, every=0.2)
        if not self._token:
            self._token = self.log_in()

    def kill(self) -> None:
        """End it as the worst of accidents would."""
        os.kill(self.pid, signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            os.kill(self.pid, signal.SIGTERM)
            self._wait()

    def http(self) -> httpx.Client:
        """Return a new client with its own connection."""
        return httpx.Client(
            base_url=f"http://{self.listen}",
            headers={"X-Auth-Token": self._token},
            trust_env=False,
            timeout=60,
        )

    def log_in(self, user: str = "portlight") -> str:
        """Return a token for a user with a project of the same name."""
        name = "credentials.json" if user == "portlight" else "admin-credentials.json"
        secret = json.loads((self.state / name).read_text())
        domain = {"id": "default"}
        known = {"name": user, "domain": domain, "password": secret["password"]}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": known}},
            "scope": {"project": {"id": secret["project_id"]}},
        }
        with httpx.Client(trust_env=False, timeout=60) as client:
            answer = client.post(
                f"http://{self.listen}/identity/v3/auth/tokens", json={"auth": auth}
            )
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def agent_token(self) -> str:
        return (self.state / "agent.token").read_text().strip()

    def make(self, kind: str, **fields: object) -> Json:
        """Create a resource of the networking face by its singular name."""
        with self.http() as client:
            answer = client.post(f"/v2.0/{kind.replace('_', '-')}s", json={kind: fields})
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()[kind]
        return made

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.state / "log").read_text()
        try:
            return httpx.get(f"http://{self.listen}/healthz", timeout=1, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(20)
            self._process = None


@contextmanager
def running(server: ServerProcess) -> Iterator[ServerProcess]:
    """Start a server; end it however the test ends."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
