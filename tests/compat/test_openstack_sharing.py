"""The stock `openstack` command on RBAC policies and quotas."""

import uuid
from collections.abc import Iterator

import pytest
from tests.support.api_server import PASSWORD, ApiServer
from tests.support.openstack_session import OpenStackSession, openstack_session

ADMIN = "admin"


@pytest.fixture(scope="module")
def openstack(
    server: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenStackSession]:
    clouds = {
        user: {
            "auth": {
                "auth_url": f"{server.url}/identity/v3",
                "username": user,
                "password": PASSWORD,
                "project_name": user,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": "RegionOne",
            "identity_api_version": "3",
        }
        for user in ("portlight", ADMIN)
    }
    with openstack_session(tmp_path_factory.mktemp("sharing"), clouds, "portlight") as session:
        yield session


def a_name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


@pytest.mark.extension("rbac-policies")
def test_a_network_is_shared_and_its_policy_lives_its_whole_life(
    openstack: OpenStackSession,
) -> None:
    network = openstack("network", "create", a_name("net"))
    rbac = ("network", "rbac")
    share = ("--type", "network", "--action", "access_as_shared", network["id"])

    made = openstack(*rbac, "create", "--target-project", "portlight", *share, cloud=ADMIN)
    openstack(*rbac, "set", "--target-project", ADMIN, made["id"], form=None, cloud=ADMIN)
    shown = openstack(*rbac, "show", made["id"], cloud=ADMIN)
    listed = openstack(*rbac, "list", "--type", "network", cloud=ADMIN)
    seen = openstack("network", "show", network["id"], cloud=ADMIN)
    openstack(*rbac, "delete", made["id"], form=None, cloud=ADMIN)
    refusal = openstack.refused(*rbac, "create", "--target-all-projects", *share)

    assert made["target_project_id"] == network["project_id"]
    assert shown["target_project_id"] != network["project_id"]
    assert (shown["object_type"], shown["object_id"]) == ("network", network["id"])
    assert made["id"] in {one["ID"] for one in listed}
    assert seen["shared"] is True
    assert "rbac_policy:everyone" in refusal


def test_a_member_shares_with_a_project_that_he_cannot_look_up(
    openstack: OpenStackSession,
) -> None:
    network = openstack("network", "create", a_name("net"))
    target = uuid.uuid4().hex
    share = ("--type", "network", "--action", "access_as_shared", network["id"])

    made = openstack("network", "rbac", "create", "--target-project", target, *share)

    assert (made["target_project_id"], made["project_id"]) == (target, network["project_id"])


def test_sharing_with_everyone_is_a_switch_of_the_network(openstack: OpenStackSession) -> None:
    network = openstack("network", "create", "--share", a_name("net"), cloud=ADMIN)

    to_others = openstack("network", "show", network["id"])
    openstack("network", "set", "--no-share", network["id"], form=None, cloud=ADMIN)
    hidden = openstack.refused("network", "show", network["id"])

    assert to_others["shared"] is True
    assert "No Network found" in hidden


@pytest.mark.extension("quotas")
@pytest.mark.covers("H128")
def test_quotas_are_shown_set_listed_and_reset(openstack: OpenStackSession) -> None:
    openstack("network", "create", a_name("net"))
    quota = ("quota", "show")

    openstack("quota", "set", "--networks", "1234", "portlight", form=None, cloud=ADMIN)
    limits = {one["Resource"]: one["Limit"] for one in openstack(*quota)}
    usage = {one["Resource"]: one for one in openstack(*quota, "--usage")}
    listed = openstack("quota", "list", "--network", cloud=ADMIN)
    too_low = openstack.refused("quota", "set", "--networks", "0", "portlight", cloud=ADMIN)
    openstack("quota", "delete", "--network", "portlight", form=None, cloud=ADMIN)
    defaults = {one["Resource"]: one["Limit"] for one in openstack(*quota, "--default")}
    after = {one["Resource"]: one["Limit"] for one in openstack(*quota)}

    assert limits["networks"] == 1234
    assert usage["networks"]["Limit"] == 1234
    assert usage["networks"]["In Use"] >= 1
    assert [one["Networks"] for one in listed] == [1234]
    assert "already used" in too_low
    assert after == defaults
