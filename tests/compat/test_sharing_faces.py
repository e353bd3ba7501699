"""RBAC policies, quotas and blockers over HTTP, in Neutron's words and in ours."""

import re
import uuid

import pytest
from tests.support.api_server import ApiServer, Json

NOWHERE = "00000000-0000-0000-0000-00000000dead"


def one_field(value: object) -> str:
    """Name a case by its field; the answer is not part of the name."""
    return " ".join(map(str, next(iter(value.items())))) if isinstance(value, dict) else ""


def share(server: ApiServer, network: Json, **fields: object) -> Json:
    return server.make_at(
        "/v2.0/rbac-policies",
        "rbac_policy",
        object_type="network",
        object_id=network["id"],
        action="access_as_shared",
        **{"target_tenant": uuid.uuid4().hex, **fields},
    )


def quota_path(server: ApiServer) -> str:
    project = server.must("GET", "/v2.0/quotas/project")["project"]["project_id"]
    return f"/v2.0/quotas/{project}"


def test_a_policy_is_rendered_as_neutron_does(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()

    policy = share(server, network)

    assert set(policy) == {
        "id",
        "object_type",
        "object_id",
        "action",
        "target_tenant",
        "project_id",
        "tenant_id",
    }
    path = f"/v2.0/rbac-policies?object_id={network['id']}&target_tenant={policy['target_tenant']}"
    assert server.must("GET", path)["rbac_policies"] == [policy]
    assert server.must("GET", f"{path}&object_type=security_group")["rbac_policies"] == []


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"object_type": "sheep"}, (400, "InvalidInput")),
        ({"action": "access_as_sheep"}, (400, "HTTPBadRequest")),
        ({"target_tenant": "sheep"}, (400, "HTTPBadRequest")),
        ({"object_id": NOWHERE}, (404, "NetworkNotFound")),
        ({"target_tenant": "*"}, (403, "PolicyNotAuthorized")),
        ({"sheep": 1}, (400, "HTTPBadRequest")),
    ],
    ids=one_field,
)
def test_a_wrong_policy_is_refused_by_name(
    server: ApiServer, fields: Json, wanted: tuple[int, str]
) -> None:
    network, _ = server.a_network_with_subnet()
    body = {
        "object_type": "network",
        "object_id": network["id"],
        "action": "access_as_shared",
        "target_tenant": uuid.uuid4().hex,
        **fields,
    }

    status, error = server.refused("POST", "/v2.0/rbac-policies", {"rbac_policy": body})

    assert (status, error["type"]) == wanted


def test_the_same_policy_twice_has_neutrons_name(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    policy = share(server, network)
    body = {key: policy[key] for key in ("object_type", "object_id", "action", "target_tenant")}

    status, error = server.refused("POST", "/v2.0/rbac-policies", {"rbac_policy": body})

    assert (status, error["type"]) == (409, "DuplicateRbacPolicy")


@pytest.mark.covers("H128")
def test_a_full_project_is_told_which_resource_and_limit(server: ApiServer) -> None:
    path, admin = quota_path(server), "admin"
    used = server.must("GET", f"{path}/details")["quota"]["network"]["used"]
    server.must("PUT", path, {"quota": {"network": str(used), "check_limit": True}}, admin)

    status, error = server.refused("POST", "/v2.0/networks", {"network": {"name": "one more"}})
    server.must("DELETE", path, user=admin)

    assert (status, error["type"]) == (409, "OverQuota")
    assert "network" in error["message"]
    assert str(used) in error["message"]
    assert server.make("network")


@pytest.mark.extension("quota_details")
@pytest.mark.covers("H128")
def test_limits_details_and_defaults_are_shown(server: ApiServer) -> None:
    path = quota_path(server)

    limits = server.must("GET", path)["quota"]
    details = server.must("GET", f"{path}/details")["quota"]

    assert limits == server.must("GET", f"{path}/default")["quota"]
    assert {"network", "subnet", "port", "security_group", "security_group_rule"} <= set(limits)
    assert {"subnetpool", "rbac_policy"} <= set(limits)
    assert set(details["port"]) == {"limit", "used", "reserved", "soft_limit"}
    assert server.must("GET", "/v2.0/quotas/tenant") == {
        "tenant": {"tenant_id": path.rsplit("/", 1)[1]}
    }


@pytest.mark.parametrize(
    "quota", [{"sheep": 1}, {"port": -2}, {"port": "many"}, {"port": 1 << 31}, {"force": "x"}]
)
def test_a_wrong_limit_is_refused(server: ApiServer, quota: Json) -> None:
    answer = server.http("admin").put(quota_path(server), json={"quota": quota})

    assert answer.status_code == 400


@pytest.mark.extension("quota-check-limit", "quota-check-limit-default")
def test_a_limit_below_what_is_used_is_refused_unless_forced(server: ApiServer) -> None:
    path = quota_path(server)
    server.make("network")

    answer = server.http("admin").put(path, json={"quota": {"network": 0}})
    forced = server.http("admin").put(path, json={"quota": {"network": 0, "force": True}})
    server.must("DELETE", path, user="admin")

    assert answer.status_code == 400
    assert "already used" in answer.json()["NeutronError"]["message"]
    assert forced.json()["quota"]["network"] == 0


def test_a_project_without_limits_of_its_own_has_none_to_delete(server: ApiServer) -> None:
    answer = server.http("admin").delete(f"/v2.0/quotas/{uuid.uuid4().hex}")

    assert answer.status_code == 404
    assert answer.json()["NeutronError"]["type"] == "TenantQuotaNotFound"


@pytest.mark.covers("H128")
def test_a_soft_limit_is_set_shown_and_measured(server: ApiServer) -> None:
    project = quota_path(server).rsplit("/", 1)[1]
    path = f"/portlight/v1/quotas/{project}"
    server.make("network")

    quota = server.must("PUT", path, {"quota": {"network": {"soft_limit": 1}}}, "admin")["quota"]
    page = server.http().get("/metrics").text
    server.must("DELETE", path, user="admin")

    assert quota["resources"]["network"]["warning"] is True
    label = f'project="{project}",resource="network"'
    assert re.search(rf"^portlight_quota_warning{{{label}}} 1$", page, re.MULTILINE)
    assert re.search(rf"^portlight_quota_used{{{label}}} [1-9]", page, re.MULTILINE)
    shown = server.must("GET", path)["quota"]["resources"]["network"]
    assert shown["warning"] is False


@pytest.mark.covers("H145")
def test_a_refusal_to_delete_lists_every_blocker_however_many(server: ApiServer) -> None:
    network, subnet = server.a_network_with_subnet()
    bodies = [{"network_id": network["id"]}] * 30
    ports = server.must("POST", "/v2.0/ports", {"ports": bodies})["ports"]
    wanted = {f"Port {port['id']}" for port in ports}

    for path in (f"/v2.0/networks/{network['id']}", f"/v2.0/subnets/{subnet['id']}"):
        status, error = server.refused("DELETE", path)
        assert status == 409
        assert set(error["detail"].splitlines()) == wanted


@pytest.mark.covers("H145")
def test_a_group_names_the_ports_and_the_rules_that_use_it(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    group, other = (server.make("security_group", name=name) for name in ("used", "user"))
    port = server.make("port", network_id=network["id"], security_groups=[group["id"]])
    rule = server.make(
        "security_group_rule",
        security_group_id=other["id"],
        direction="ingress",
        remote_group_id=group["id"],
    )

    status, error = server.refused("DELETE", f"/v2.0/security-groups/{group['id']}")

    assert status == 409
    assert set(error["detail"].splitlines()) == {
        f"Port {port['id']}",
        f"SecurityGroupRule {rule['id']} (of security group {other['id']})",
    }


@pytest.mark.covers("H145")
def test_the_native_api_lists_blockers_by_kind_and_id(server: ApiServer) -> None:
    network, subnet = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])
    vip = server.make_at(
        "/portlight/v1/virtual-ips",
        "virtual_ip",
        subnet_id=subnet["id"],
        members=[{"port_id": port["id"]}],
    )

    status, error = server.refused("DELETE", f"/portlight/v1/virtual-ips/{vip['id']}")

    assert status == 409
    assert error["blockers"] == [{"kind": "Port", "id": port["id"]}]
