"""A real server on a loopback port, over a real cloud in memory. No agent, no kernel, no root."""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from argon2 import PasswordHasher

from portlight.api.app import build_app
from portlight.client.client import Client, connect
from portlight.client.credentials import Credentials
from portlight.core.drafts_identity import ProjectDraft, UserDraft
from portlight.service.bootstrap import Secrets, bootstrap
from portlight.service.cloud import Cloud
from portlight.service.identity.foreign import ForeignIdentity
from portlight.service.identity.grants import Grant
from portlight.service.identity.sealing import Sealer
from portlight.service.identity.token import Token
from portlight.service.ids import IdSource
from portlight.store.memory import MemoryStore
from portlight.store.protocol import Store
from portlight.values.addresses import MacAddress
from portlight.values.ids import HostName, ProjectId, UserId

Json = dict[str, Any]

AGENT_TOKEN = "token of the agents"  # noqa: S105 -- a test's own
HOST = "host-1"
PASSWORD = "correct horse"  # noqa: S105 -- a test's own
START_SECONDS = 10.0
_ACTORS = (
    ("member", "project", ("member", "reader")),
    ("reader", "project", ("reader",)),
    ("other", "other", ("member", "reader")),
    ("admin", "admin", ("admin", "member", "reader")),
)
"""Who speaks for which fresh project, and with which roles."""


class RandomIds:
    """Identifiers as in production; MAC addresses in a row, so that none is made twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = 0

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def mac(self) -> MacAddress:
        with self._lock:
            self._made += 1
            return MacAddress(0xFA163E000000 + self._made)

    def secret(self) -> str:
        return uuid.uuid4().hex


@dataclass(slots=True)
class ApiServer:
    """The server, and ways to speak with it."""

    url: str
    cloud: Cloud
    user: str = "portlight"
    _http: dict[str, httpx.Client] = field(default_factory=dict)
    _actors: dict[str, UserId] = field(default_factory=dict)
    _secrets: dict[str, str] = field(default_factory=dict)

    def log_in(
        self, user: str = "portlight", project: str | None = None, project_id: str | None = None
    ) -> httpx.Response:
        domain = {"name": "Default"}
        known = {"name": user, "domain": domain, "password": PASSWORD}
        scope = (
            {"name": project or user, "domain": domain}
            if project_id is None
            else {"id": project_id}
        )
        auth = {
            "identity": {"methods": ["password"], "password": {"user": known}},
            "scope": {"project": scope},
        }
        return httpx.post(
            f"{self.url}/identity/v3/auth/tokens", json={"auth": auth}, trust_env=False
        )

    def http(self, user: str = "portlight") -> httpx.Client:
        """Return a client with the token of a user (`portlight` or `admin`)."""
        if user not in self._http:
            token = self.log_in(user).headers["x-subject-token"]
            self._http[user] = httpx.Client(
                base_url=self.url, headers={"X-Auth-Token": token}, trust_env=False, timeout=20
            )
        return self._http[user]

    def fresh_projects(self) -> tuple[dict[str, str], dict[str, str]]:
        """Make the projects `project`, `other` and `admin`, and a token for each actor.

        The actors are `member` and `reader` (of `project`), `other` and `admin`.
        """
        names = ("project", "other", "admin")
        projects = {name: self.a_project(f"{name}-{uuid.uuid4().hex}") for name in names}
        tokens = {}
        for actor, name, roles in _ACTORS:
            project = ProjectId(projects[name])
            for role in roles:
                grant = Grant(user_id=self._actor(actor), role=role, project_id=project)
                self.cloud.identity.give_role(self._admin(), grant)
            tokens[actor] = self._token(actor, projects[name])
        return projects, tokens

    def _actor(self, actor: str) -> UserId:
        """Return the user that plays an actor."""
        if actor not in self._actors:
            draft = UserDraft(name=actor, password=PASSWORD)
            known = self._admin().user.id if actor == "admin" else None
            made = known or self.cloud.identity.users.create(self._admin(), draft).id
            self._actors[actor] = made
        return self._actors[actor]

    def _token(self, actor: str, project_id: str) -> str:
        """Return a token of an actor for a project; a password is asked for only once."""
        if actor not in self._secrets:
            answer = self.log_in(actor, project_id=project_id)
            self._secrets[actor] = answer.headers["x-subject-token"]
        identity = {"methods": ["token"], "token": {"id": self._secrets[actor]}}
        auth = {"identity": identity, "scope": {"project": {"id": project_id}}}
        answer = httpx.post(
            f"{self.url}/identity/v3/auth/tokens", json={"auth": auth}, trust_env=False
        )
        assert answer.is_success, answer.text
        return answer.headers["x-subject-token"]

    def a_project(self, name: str) -> str:
        """Make a project; return its id."""
        return self.cloud.identity.projects.create(self._admin(), ProjectDraft(name=name)).id

    def someone(self, project_id: str, *roles: str) -> httpx.Client:
        """Make a user with these roles on a project; return a client with his token for it."""
        name = f"user-{uuid.uuid4().hex[:8]}"
        admin, project = self._admin(), ProjectId(project_id)
        draft = UserDraft(name=name, password=PASSWORD, default_project_id=project)
        user = self.cloud.identity.users.create(admin, draft)
        for role in roles:
            grant = Grant(user_id=user.id, role=role, project_id=project)
            self.cloud.identity.give_role(admin, grant)
        token = self.log_in(name, project_id=project_id).headers["x-subject-token"]
        return httpx.Client(
            base_url=self.url, headers={"X-Auth-Token": token}, trust_env=False, timeout=20
        )

    def _admin(self) -> Token:
        return self.cloud.identity.token_of(self.http("admin").headers["x-auth-token"])

    def must(
        self, method: str, path: str, body: Json | None = None, user: str = "portlight"
    ) -> Any:  # noqa: ANN401 -- JSON
        """Send a request; return its document, or fail with what the server said."""
        answer = self.http(user).request(method, path, json=body)
        assert answer.is_success, f"{method} {path} -> {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Send a request that is to be refused; return status and the error's inner object."""
        answer = self.http().request(method, path, json=body)
        document = answer.json()
        return answer.status_code, document.get("NeutronError") or document["error"]

    def make(self, kind: str, **fields: object) -> Json:
        """Create a resource of the networking face by its singular name."""
        return self.make_at(f"/v2.0/{kind.replace('_', '-')}s", kind, **fields)

    def make_at(self, path: str, kind: str, **fields: object) -> Json:
        """Create a resource at the path of its collection."""
        made: Json = self.must("POST", path, {kind: fields})[kind]
        return made

    def a_network_with_subnet(self, cidr: str = "10.0.0.0/24") -> tuple[Json, Json]:
        network = self.make("network", name=f"net-{uuid.uuid4().hex[:8]}")
        subnet = self.make("subnet", network_id=network["id"], cidr=cidr, enable_dhcp=False)
        return network, subnet

    def credentials(self, user: str = "portlight") -> Credentials:
        return Credentials(
            auth_url=f"{self.url}/identity/v3", username=user, password=PASSWORD, project_name=user
        )

    def client(self, user: str = "portlight") -> Client:
        return connect(self.credentials(user))

    def write_state(self, folder: Path, user: str = "portlight") -> None:
        """Write the credentials as `portlight up` does, for the command line."""
        known = self.credentials(user)
        stored = {
            "auth_url": known.auth_url,
            "endpoint": self.url,
            "username": known.username,
            "password": known.password,
            "project_name": known.project_name,
        }
        (folder / "credentials.json").write_text(json.dumps(stored))

    def close(self) -> None:
        for client in self._http.values():
            client.close()


def first_users(store: Store, ids: IdSource, sealer: Sealer) -> None:
    """Make `admin` and `portlight`, both with PASSWORD."""
    secrets = Secrets(password=PASSWORD, is_new=True)
    # a hash is checked at the cost it was made with: cheap ones keep the tests quick
    makers = (sealer, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    bootstrap(store, ids=ids, admin=secrets, user=secrets, makers=makers)


@contextlib.contextmanager
def api_server(
    store: Store | None = None, foreign: ForeignIdentity | None = None
) -> Iterator[ApiServer]:
    """Run a server on an ephemeral port in a thread of this process."""
    store, ids = store or MemoryStore(), RandomIds()
    sealer = Sealer.fresh()
    first_users(store, ids, sealer)
    cloud = Cloud(
        store=store, ids=ids, clock=time.time, host=HostName(HOST), sealer=sealer, foreign=foreign
    )
    app = build_app(cloud, agent_token=AGENT_TOKEN)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    running = None
    try:
        running = ApiServer(url=_address(server), cloud=cloud)
        yield running
    finally:
        if running is not None:
            running.close()
        server.should_exit = True
        thread.join(START_SECONDS)


def _address(server: uvicorn.Server) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        assert time.monotonic() < deadline, "the server has not started"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    return f"http://127.0.0.1:{port}"
