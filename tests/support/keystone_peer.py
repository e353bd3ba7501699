"""What must hold between Portlight and the Keystone whose tokens it accepts.

The same steps run against a second Portlight (it speaks Keystone's API) in the suite, and against
OpenStack's own Keystone by `make keystone`.
"""

import time
from pathlib import Path
from typing import Any

import httpx
from tests.support.api_server import api_server

from portlight.main.keystone import foreign_identity, remember_service_user
from portlight.main.settings import Settings
from portlight.service.identity.foreign import REMEMBER_SECONDS

Json = dict[str, Any]
DOMAIN = {"id": "default"}


def token_of(url: str, name: str, password: str, project: str | None) -> str:
    """Log in at a Keystone (`url` ends in /v3)."""
    user = {"name": name, "domain": DOMAIN, "password": password}
    scope: object = "unscoped"
    if project is not None:
        scope = {"project": {"name": project, "domain": DOMAIN}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
    answer = httpx.post(f"{url}/auth/tokens", json={"auth": auth}, trust_env=False, timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["x-subject-token"])


def make_users(url: str, admin: str) -> None:
    """Make a project with a member and a reader, whose passwords are their names."""
    http = httpx.Client(headers={"X-Auth-Token": admin}, trust_env=False, timeout=30)

    def made(plural: str, body: Json) -> str:
        answer = http.post(f"{url}/{plural}", json={plural.removesuffix("s"): body})
        assert answer.status_code == 201, answer.text
        return str(answer.json()[plural.removesuffix("s")]["id"])

    roles = {role["name"]: role["id"] for role in http.get(f"{url}/roles").json()["roles"]}
    project = made("projects", {"name": "tenants", "domain_id": "default"})
    for name in ("member", "reader"):
        user = made("users", {"name": name, "password": name, "domain_id": "default"})
        path = f"{url}/projects/{project}/users/{user}/roles/{roles[name]}"
        assert http.put(path).status_code == 204
    http.close()


def check_tokens_count(keystone: str, folder: Path, service: tuple[str, str, str] | None) -> None:
    """Run the steps; `service` is name, password and project of a service user, if there is one."""
    if service is not None:
        names = ("USERNAME", "PASSWORD", "PROJECT")
        environment = {
            f"PORTLIGHT_KEYSTONE_{name}": value for name, value in zip(names, service, strict=True)
        }
        remember_service_user(folder, environment)
    foreign = foreign_identity(Settings(state=folder, keystone=keystone))
    with api_server(foreign=foreign) as server:
        member = token_of(keystone, "member", "member", "tenants")
        reader = token_of(keystone, "reader", "reader", "tenants")
        unscoped = token_of(keystone, "member", "member", None)

        def ask(token: str, method: str = "GET", body: Json | None = None) -> int:
            url, headers = f"{server.url}/v2.0/networks", {"X-Auth-Token": token}
            return httpx.request(
                method, url, json=body, headers=headers, trust_env=False, timeout=30
            ).status_code

        network = {"network": {"name": "n"}}
        assert ask(member, "POST", network) == 201
        assert ask(reader) == 200
        assert ask(reader, "POST", network) == 403
        assert ask(unscoped) == 403
        assert ask("invented") == 401
        assert ask("") == 401
        _check_end_is_noticed(keystone, member, ask)
        _check_signpost(keystone, server.url)


def _check_end_is_noticed(keystone: str, token: str, ask: Any) -> None:  # noqa: ANN401 -- ask of the caller
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    ended = httpx.delete(f"{keystone}/auth/tokens", headers=headers, trust_env=False, timeout=30)
    assert ended.status_code == 204
    deadline = time.monotonic() + REMEMBER_SECONDS + 3
    while ask(token) != 401:
        assert time.monotonic() < deadline, "a revoked token is still honoured"
        time.sleep(0.3)


def _check_signpost(keystone: str, url: str) -> None:
    version = httpx.get(f"{url}/identity/v3", trust_env=False).json()["version"]
    assert version["links"][0]["href"] == f"{keystone}/"
    login = httpx.post(f"{url}/identity/v3/auth/tokens", json={}, trust_env=False)
    assert login.status_code == 404
    assert keystone in login.json()["error"]["message"]
