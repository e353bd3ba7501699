"""The identity verbs of the stock `openstack` command, unmodified, against a server of ours."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_server import PASSWORD, ApiServer
from tests.support.openstack_session import OpenStackSession, openstack_session


def a_name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def a_cloud(server: ApiServer, **auth: str) -> dict[str, Any]:
    return {
        "auth": {"auth_url": f"{server.url}/identity/v3", **auth},
        "region_name": "RegionOne",
        "identity_api_version": "3",
    }


def of_user(name: str, password: str, project: str) -> dict[str, str]:
    return {
        "username": name,
        "password": password,
        "project_name": project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clouds")


@pytest.fixture(scope="module")
def openstack(server: ApiServer, clouds: Path) -> Iterator[OpenStackSession]:
    known = {
        name: a_cloud(server, **of_user(name, PASSWORD, name)) for name in ("admin", "portlight")
    }
    with openstack_session(clouds, known, "admin") as session:
        yield session


def add_cloud(clouds: Path, name: str, cloud: dict[str, Any]) -> str:
    """Let the session know one more cloud: it reads the file for each command."""
    file = clouds / "clouds.yaml"
    known = json.loads(file.read_text())
    known["clouds"][name] = cloud
    file.write_text(json.dumps(known))
    return name


def test_a_token_is_issued_and_revoked_and_the_catalog_is_shown(
    openstack: OpenStackSession, server: ApiServer
) -> None:
    token = openstack("token", "issue")
    catalog = openstack("catalog", "list")
    network = openstack("catalog", "show", "network")
    endpoints = openstack("endpoint", "list", "--service", "network", "--interface", "public")
    services = openstack("service", "list")
    regions = openstack("region", "list")
    openstack("token", "revoke", token["id"], form=None)
    answer = server.http("admin").get(
        "/identity/v3/auth/tokens", headers={"X-Subject-Token": token["id"]}
    )

    assert {service["Type"] for service in catalog} == {"identity", "network"}
    assert network["name"] == "neutron"
    assert [one["URL"] for one in endpoints] == [server.url]
    assert {service["Type"] for service in services} == {"identity", "network"}
    assert [region["Region"] for region in regions] == ["RegionOne"]
    assert answer.status_code == 404


@pytest.mark.covers("H139")
def test_a_project_lives_its_whole_life(openstack: OpenStackSession) -> None:
    name = a_name("project")
    made = openstack("project", "create", name, "--description", "d", "--tag", "red", "--enable")
    openstack("project", "set", name, "--name", f"{name}-b", "--tag", "blue", form=None)
    openstack("project", "set", f"{name}-b", "--remove-tag", "red", form=None)
    shown = openstack("project", "show", f"{name}-b")
    listed = openstack("project", "list", "--long", "--tags", "blue")
    twin = openstack.refused("project", "create", f"{name}-b")
    openstack("project", "set", f"{name}-b", "--disable", form=None)
    disabled = openstack("project", "list", "--disabled")
    openstack("project", "delete", f"{name}-b", form=None)

    assert (made["description"], made["enabled"], made["tags"]) == ("d", True, ["red"])
    assert shown["id"] == made["id"]
    assert shown["tags"] == ["blue"]
    assert [project["ID"] for project in listed] == [made["id"]]
    assert "409" in twin
    assert [project["ID"] for project in disabled] == [made["id"]]
    assert "No Project found" in openstack.refused("project", "show", f"{name}-b")


@pytest.mark.covers("H139")
def test_a_project_that_still_has_networks_is_not_deleted(openstack: OpenStackSession) -> None:
    project, network = a_name("project"), a_name("net")
    openstack("project", "create", project)
    openstack("network", "create", network, "--project", project)

    refused = openstack.refused("project", "delete", project)
    openstack("network", "delete", network, form=None)
    openstack("project", "delete", project, form=None)

    assert "networks: 1" in refused


@pytest.mark.covers("H139")
def test_a_user_works_with_a_role_and_not_without(
    openstack: OpenStackSession, server: ApiServer, clouds: Path
) -> None:
    project, name = a_name("project"), a_name("user")
    openstack("project", "create", project)
    made = openstack("user", "create", name, "--password", "word", "--project", project)
    cloud = add_cloud(clouds, name, a_cloud(server, **of_user(name, "word", project)))

    before = openstack.refused("network", "list", cloud=cloud)
    openstack("role", "add", "--user", name, "--project", project, "member", form=None)
    by_name = openstack("role", "assignment", "list", "--user", name, "--names")
    by_project = openstack("role", "assignment", "list", "--project", project)
    openstack("network", "create", "own", cloud=cloud)
    openstack("network", "delete", "own", form=None, cloud=cloud)
    seen = openstack("project", "list", "--user", name)
    listed = openstack("user", "list", "--project", project)
    openstack("role", "remove", "--user", name, "--project", project, "member", form=None)
    after = openstack.refused("network", "list", cloud=cloud)
    openstack("user", "delete", name, form=None)
    openstack("project", "delete", project, form=None)

    assert "401" in before
    assert [(one["Role"], one["User"], one["Project"]) for one in by_name] == [
        ("member", f"{name}@Default", f"{project}@Default")
    ]
    assert [one["User"] for one in by_project] == [made["id"]]
    assert [one["Name"] for one in seen] == [project]
    assert [one["Name"] for one in listed] == [name]
    assert "401" in after


def test_a_user_changes_his_password_and_an_admin_the_rest(
    openstack: OpenStackSession, server: ApiServer, clouds: Path
) -> None:
    name = a_name("user")
    openstack(
        "user", "create", name, "--password", "first", "--project", "portlight",
        "--email", "u@example.net", "--description", "someone",
    )  # fmt: skip
    openstack("role", "add", "--user", name, "--project", "portlight", "reader", form=None)
    cloud = add_cloud(clouds, name, a_cloud(server, **of_user(name, "first", "portlight")))

    openstack(
        "user", "password", "set", "--original-password", "first", "--password", "second",
        form=None, cloud=cloud,
    )  # fmt: skip
    old = openstack.refused("token", "issue", cloud=cloud)
    add_cloud(clouds, name, a_cloud(server, **of_user(name, "second", "portlight")))
    openstack("token", "issue", cloud=cloud)
    openstack("user", "set", name, "--disable", "--email", "v@example.net", form=None)
    disabled = openstack.refused("token", "issue", cloud=cloud)
    shown = openstack("user", "show", name)
    openstack("user", "delete", name, form=None)

    assert "401" in old
    assert "401" in disabled
    assert (shown["enabled"], shown["email"]) == (False, "v@example.net")


def test_a_manager_takes_a_colleague_in_with_the_stock_command(
    openstack: OpenStackSession,
) -> None:
    name = a_name("user")
    made = openstack("user", "create", name, "--password", "word")

    openstack(
        "role", "add", "--user", name, "--project", "portlight", "reader",
        form=None, cloud="portlight",
    )  # fmt: skip
    # this command ends with 0 whatever the server says: what counts is what was given
    openstack.tried(
        "role", "add", "--user", name, "--project", "portlight", "admin", cloud="portlight"
    )
    given = openstack("role", "assignment", "list", "--user", made["id"], "--names")
    openstack("user", "delete", name, form=None)

    assert [one["Role"] for one in given] == ["reader"]


def test_roles_of_ones_own_come_and_go_and_the_fixed_ones_stay(
    openstack: OpenStackSession,
) -> None:
    name = a_name("role")
    openstack("role", "create", name, "--description", "d")
    openstack("role", "set", name, "--name", f"{name}-b", form=None)
    shown = openstack("role", "show", f"{name}-b")
    openstack("role", "delete", f"{name}-b", form=None)
    names = {one["Name"] for one in openstack("role", "list")}
    refused = openstack.refused("role", "delete", "admin")

    assert shown["description"] == "d"
    assert {"admin", "manager", "member", "reader"} <= names
    assert f"{name}-b" not in names
    assert "belongs to the policy" in refused


def test_a_domain_has_users_of_its_own_and_goes_when_it_is_disabled(
    openstack: OpenStackSession, server: ApiServer, clouds: Path
) -> None:
    domain = a_name("domain")
    made = openstack("domain", "create", domain)
    openstack("project", "create", "admin", "--domain", domain)
    user = openstack("user", "create", "admin", "--domain", domain, "--password", "word")
    openstack("role", "add", "--user", user["id"], "--domain", domain, "reader", form=None)
    auth = {
        "username": "admin", "password": "word",
        "user_domain_name": domain, "domain_name": domain,
    }  # fmt: skip
    cloud = add_cloud(clouds, domain, a_cloud(server, **auth))
    token = openstack("token", "issue", cloud=cloud)
    users = openstack("user", "list", "--domain", domain)
    enabled = openstack.refused("domain", "delete", domain)
    openstack("domain", "set", domain, "--disable", form=None)
    shown = openstack("domain", "show", domain)
    openstack("domain", "delete", domain, form=None)
    names = {one["Name"] for one in openstack("domain", "list")}

    assert token["domain_id"] == made["id"]
    assert [one["Name"] for one in users] == ["admin"]
    assert "disable it first" in enabled
    assert shown["enabled"] is False
    assert "Default" in names
    assert domain not in names


@pytest.mark.covers("H139")
def test_an_application_credential_logs_a_program_in(
    openstack: OpenStackSession, server: ApiServer, clouds: Path
) -> None:
    name = a_name("robot")
    made = openstack(
        "application", "credential", "create", name, "--role", "reader", "--description", "d",
        cloud="portlight",
    )  # fmt: skip
    auth = {
        "application_credential_id": made["ID"], "application_credential_secret": made["Secret"],
    }  # fmt: skip
    robot = {**a_cloud(server, **auth), "auth_type": "v3applicationcredential"}
    cloud = add_cloud(clouds, name, robot)
    networks = openstack("network", "list", cloud=cloud)
    refused = openstack.refused("network", "create", "x", cloud=cloud)
    listed = openstack("application", "credential", "list", cloud="portlight")
    shown = openstack("application", "credential", "show", name, cloud="portlight")
    openstack("application", "credential", "delete", name, form=None, cloud="portlight")
    after = openstack.refused("network", "list", cloud=cloud)

    assert networks is not None
    assert "create_network" in refused
    assert name in {one["Name"] for one in listed}
    assert made["Secret"] not in json.dumps([listed, shown])
    assert "401" in after


@pytest.mark.covers("H139")
def test_ec2_credentials_are_made_listed_and_deleted(
    openstack: OpenStackSession, server: ApiServer
) -> None:
    made = openstack("ec2", "credentials", "create", cloud="portlight")
    listed = openstack("ec2", "credentials", "list", cloud="portlight")
    shown = openstack("ec2", "credentials", "show", made["access"], cloud="portlight")
    secret, caller = server.cloud.identity.secret_of_access_key(made["access"])
    generic = openstack("credential", "list", "--type", "ec2", cloud="portlight")
    openstack("ec2", "credentials", "delete", made["access"], form=None, cloud="portlight")
    left = openstack("ec2", "credentials", "list", cloud="portlight")

    assert made["access"] in {one["Access"] for one in listed}
    assert shown["secret"] == made["secret"] == secret
    assert (caller.user_name, caller.project_id) == ("portlight", made["project_id"])
    assert made["access"] in json.dumps(generic)
    assert made["access"] not in {one["Access"] for one in left}


def test_credentials_are_kept_by_type_and_blob(openstack: OpenStackSession) -> None:
    access = a_name("access")
    blob = json.dumps({"access": access, "secret": "chosen"})
    made = openstack(
        "credential", "create", "--type", "ec2", "--project", "portlight", "admin", blob
    )
    shown = openstack("credential", "show", made["id"])
    other = openstack.refused("credential", "create", "--type", "cert", "admin", "{}")
    openstack("credential", "delete", made["id"], form=None)

    assert json.loads(shown["blob"]) == {"access": access, "secret": "chosen"}
    assert "ec2" in other
