"""The identity face over HTTP, as Keystone's clients use it."""

import httpx
import pytest
from tests.support.api_server import PASSWORD, ApiServer

DEFAULT = {"name": "Default"}


def log_in(server: ApiServer, auth: object) -> httpx.Response:
    return httpx.post(f"{server.url}/identity/v3/auth/tokens", json={"auth": auth}, trust_env=False)


def password(name: str, secret: str) -> dict[str, object]:
    user = {"name": name, "domain": DEFAULT, "password": secret}
    return {"methods": ["password"], "password": {"user": user}}


def test_the_versions_are_found_below_the_base_address(server: ApiServer) -> None:
    choices = httpx.get(f"{server.url}/identity", trust_env=False)
    version = httpx.get(f"{server.url}/identity/v3", trust_env=False)

    assert choices.status_code == 300
    assert choices.json()["versions"]["values"][0]["id"].startswith("v3")
    assert version.json()["version"]["status"] == "stable"


def test_a_password_gives_a_token_with_a_catalog_of_the_address_that_was_used(
    server: ApiServer,
) -> None:
    answer = server.log_in()

    token = answer.json()["token"]
    endpoints = {service["type"]: service["endpoints"][0]["url"] for service in token["catalog"]}
    assert answer.status_code == 201
    assert answer.headers["x-subject-token"]
    assert answer.headers["vary"] == "X-Auth-Token"
    assert endpoints == {"identity": f"{server.url}/identity/v3", "network": server.url}
    assert token["project"]["name"] == "portlight"
    assert "admin" not in [role["name"] for role in token["roles"]]


def test_the_catalog_can_be_left_out(server: ApiServer) -> None:
    auth = {"auth": {"identity": password("portlight", PASSWORD)}}

    answer = httpx.post(
        f"{server.url}/identity/v3/auth/tokens?nocatalog", json=auth, trust_env=False
    )

    assert "catalog" not in answer.json()["token"]


@pytest.mark.parametrize(
    "identity",
    [
        password("portlight", "wrong"),
        password("nobody", PASSWORD),
        {"methods": ["totp"], "totp": {}},
    ],
    ids=["wrong password", "unknown user", "unknown method"],
)
def test_a_refused_login_says_nothing_about_why(
    server: ApiServer, identity: dict[str, object]
) -> None:
    answer = log_in(server, {"identity": identity})

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == 401
    assert answer.json()["error"]["title"] == "Unauthorized"
    assert answer.headers["www-authenticate"].startswith("Keystone")


def test_a_project_in_which_one_has_no_role_is_refused(server: ApiServer) -> None:
    assert server.log_in("portlight", "admin").status_code == 401


@pytest.mark.parametrize(
    "auth",
    [{}, {"identity": {}}, {"identity": {"methods": ["password"]}}, {"identity": "x"}, []],
    ids=str,
)
def test_a_login_that_cannot_be_read_is_a_bad_request(server: ApiServer, auth: object) -> None:
    answer = log_in(server, auth)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400


def test_a_token_is_exchanged_for_one_of_another_project(server: ApiServer) -> None:
    first = server.log_in("admin").headers["x-subject-token"]
    scope = {"project": {"name": "portlight", "domain": DEFAULT}}

    answer = log_in(
        server, {"identity": {"methods": ["token"], "token": {"id": first}}, "scope": scope}
    )

    assert answer.status_code == 201
    assert answer.json()["token"]["project"]["name"] == "portlight"


def test_a_token_is_shown_and_ended_by_its_holder(server: ApiServer) -> None:
    token = server.log_in().headers["x-subject-token"]
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    path = f"{server.url}/identity/v3/auth/tokens"

    shown = httpx.get(path, headers=headers, trust_env=False)
    ended = httpx.delete(path, headers=headers, trust_env=False)
    after = httpx.get(f"{server.url}/v2.0/networks", headers=headers, trust_env=False)

    assert shown.json()["token"]["user"]["name"] == "portlight"
    assert ended.status_code == 204
    assert after.status_code == 401


def test_an_unknown_token_cannot_be_found(server: ApiServer) -> None:
    answer = server.http().get("/identity/v3/auth/tokens", headers={"X-Subject-Token": "nonsense"})

    assert answer.status_code == 404


def test_names_become_ids_of_projects_and_users(server: ApiServer) -> None:
    projects = server.must("GET", "/identity/v3/projects?name=portlight", user="admin")["projects"]
    users = server.must("GET", "/identity/v3/users?name=portlight", user="admin")["users"]

    shown = server.must("GET", f"/identity/v3/projects/{projects[0]['id']}", user="admin")

    assert shown["project"]["name"] == "portlight"
    assert users[0]["default_project_id"] == projects[0]["id"]
    assert "password_hash" not in users[0]


def test_another_project_is_not_even_seen_by_a_member(server: ApiServer) -> None:
    names = [one["name"] for one in server.must("GET", "/identity/v3/projects")["projects"]]

    assert names == ["portlight"]
