"""Who may do what, over HTTP: every action of the policy, by every role, on things that are the
caller's own, another project's, or shared with his.

The marks of a row are, in this order: an administrator of another project; manager, member and
reader of the project that owns the things; a member of a stranger project; a member of a project
with which network and security group are shared.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.support.api_server import ApiServer

from portlight.service.policy import POLICY

Json = dict[str, Any]

CALLERS = ("admin", "manager", "member", "reader", "stranger", "shared")


@dataclass(slots=True)
class Stage:
    """A project with one thing of every kind, and people around it."""

    server: ApiServer
    projects: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx.Client] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def by(self, who: str, method: str, path: str, body: Json | None = None) -> httpx.Response:
        return self.clients[who].request(method, path, json=body)

    def make(self, path: str, who: str = "member", **fields: object) -> str:
        """Make one thing; its collection's path says what."""
        name = path.rsplit("/", 1)[1].replace("-", "_")
        singular = "rbac_policy" if name == "rbac_policies" else name.removesuffix("s")
        answer = self.by(who, "POST", path, {singular: fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()[singular]["id"])

    def path(self, template: str) -> str:
        return template.format(**self.ids, **self.projects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One action: the request, and what each of the callers gets."""

    action: str
    call: str
    """Method and path."""
    expect: str
    body: Callable[[Stage], Json] | None = None
    before: Callable[[Stage], object] | None = None
    """What has to be made anew for each caller, because the request changes it."""


def named(kind: str) -> Callable[[Stage], Json]:
    return lambda _: {kind: {"name": "new"}}


def on_network(kind: str, **fields: object) -> Callable[[Stage], Json]:
    return lambda stage: {kind: {"network_id": stage.ids["network"], **fields}}


def lonely_network(stage: Stage) -> None:
    stage.ids["lonely"] = stage.make("/v2.0/networks")


def mortal_instance(stage: Stage) -> None:
    stage.ids["mortal"] = stage.make("/portlight/v1/instances", name="mortal")


def a_cidr(_: Stage) -> str:
    number = uuid.uuid4().int
    return f"10.{number % 200 + 20}.{(number >> 16) % 250}.0/24"


def a_subnet(stage: Stage) -> Json:
    return {"subnet": {"network_id": stage.ids["network"], "cidr": a_cidr(stage)}}


def a_rule(stage: Stage) -> Json:
    port = uuid.uuid4().int % 60_000 + 1
    return {
        "security_group_rule": {
            "security_group_id": stage.ids["group"],
            "direction": "ingress",
            "protocol": "tcp",
            "port_range_min": port,
            "port_range_max": port,
        }
    }


def make_rule(stage: Stage) -> None:
    answer = stage.by("member", "POST", "/v2.0/security-group-rules", a_rule(stage))
    stage.ids["rule"] = answer.json()["security_group_rule"]["id"]


def a_policy(stage: Stage, network: str = "network") -> Json:
    return {
        "rbac_policy": {
            "object_type": "network",
            "object_id": stage.ids[network],
            "action": "access_as_shared",
            "target_tenant": uuid.uuid4().hex,
        }
    }


def make_policy(stage: Stage, network: str = "network") -> None:
    answer = stage.by("member", "POST", "/v2.0/rbac-policies", a_policy(stage, network))
    stage.ids["policy"] = answer.json()["rbac_policy"]["id"]


def lonely_policy(stage: Stage) -> None:
    lonely_network(stage)
    make_policy(stage, "lonely")


def make_quota(stage: Stage) -> None:
    path = stage.path("/v2.0/quotas/{owner}")
    stage.by("admin", "PUT", path, {"quota": {"network": 5000}})


def free_port(stage: Stage) -> None:
    stage.ids["free_port"] = stage.make("/v2.0/ports", network_id=stage.ids["network"])


def attached_port(stage: Stage) -> None:
    free_port(stage)
    path = stage.path("/portlight/v1/instances/{instance}/interfaces")
    interface = {"interface": {"port_id": stage.ids["free_port"]}}
    assert stage.by("member", "POST", path, interface).status_code == 201


def made_member(stage: Stage) -> None:
    path = stage.path("/portlight/v1/virtual-ips/{virtual_ip}/members")
    member = {"member": {"port_id": stage.ids["vip_member"]}}
    assert stage.by("member", "POST", path, member).status_code == 201


def member_of_vip(stage: Stage) -> Json:
    return {"member": {"port_id": stage.ids["vip_member"]}}


NETWORK = "/v2.0/networks/{network}"
SUBNET = "/v2.0/subnets/{subnet}"
PORT = "/v2.0/ports/{port}"
GROUP = "/v2.0/security-groups/{group}"
RULE = "/v2.0/security-group-rules/{rule}"
POLICY_PATH = "/v2.0/rbac-policies/{policy}"
VIP = "/portlight/v1/virtual-ips/{virtual_ip}"
INSTANCE = "/portlight/v1/instances/{instance}"
QUOTA = "/v2.0/quotas/{owner}"

# What is in use cannot be deleted: 409 says that the caller was allowed to try.
ROWS = (
    Row(action="get_network", call=f"GET {NETWORK}", expect="200 200 200 200 404 200"),
    Row(
        action="create_network",
        call="POST /v2.0/networks",
        expect="201 201 201 403 201 201",
        body=named("network"),
    ),
    Row(
        action="update_network",
        call=f"PUT {NETWORK}",
        expect="200 200 200 403 404 403",
        body=named("network"),
    ),
    Row(action="delete_network", call=f"DELETE {NETWORK}", expect="409 409 409 403 404 403"),
    Row(
        action="network:shared",
        call="PUT /v2.0/networks/{lonely}",
        expect="200 403 403 403 404 404",
        body=lambda _: {"network": {"shared": True}},
        before=lonely_network,
    ),
    Row(action="get_subnet", call=f"GET {SUBNET}", expect="200 200 200 200 404 200"),
    Row(
        action="create_subnet",
        call="POST /v2.0/subnets",
        expect="201 201 201 403 404 403",
        body=a_subnet,
    ),
    Row(
        action="update_subnet",
        call=f"PUT {SUBNET}",
        expect="200 200 200 403 404 403",
        body=named("subnet"),
    ),
    Row(action="delete_subnet", call=f"DELETE {SUBNET}", expect="409 409 409 403 404 403"),
    Row(action="get_port", call=f"GET {PORT}", expect="200 200 200 200 404 404"),
    Row(
        action="create_port",
        call="POST /v2.0/ports",
        expect="201 201 201 403 404 201",
        body=on_network("port"),
    ),
    Row(
        action="update_port",
        call=f"PUT {PORT}",
        expect="200 200 200 403 404 404",
        body=named("port"),
    ),
    Row(action="delete_port", call=f"DELETE {PORT}", expect="409 409 409 403 404 404"),
    Row(
        action="port:host",
        call="POST /v2.0/ports",
        expect="201 403 403 403 404 403",
        body=on_network("port", **{"binding:host_id": "host-9"}),
    ),
    Row(action="get_security_group", call=f"GET {GROUP}", expect="200 200 200 200 404 200"),
    Row(
        action="create_security_group",
        call="POST /v2.0/security-groups",
        expect="201 201 201 403 201 201",
        body=named("security_group"),
    ),
    Row(
        action="update_security_group",
        call=f"PUT {GROUP}",
        expect="200 200 200 403 404 403",
        body=named("security_group"),
    ),
    Row(action="delete_security_group", call=f"DELETE {GROUP}", expect="409 409 409 403 404 403"),
    Row(
        action="get_security_group_rule",
        call=f"GET {RULE}",
        expect="200 200 200 200 404 200",
        before=make_rule,
    ),
    Row(
        action="create_security_group_rule",
        call="POST /v2.0/security-group-rules",
        expect="201 201 201 403 404 403",
        body=a_rule,
    ),
    Row(
        action="update_security_group_rule",
        call=f"PUT {RULE}",
        expect="200 200 200 403 404 403",
        body=lambda _: {"security_group_rule": {"description": "new"}},
        before=make_rule,
    ),
    Row(
        action="delete_security_group_rule",
        call=f"DELETE {RULE}",
        expect="204 204 204 403 404 403",
        before=make_rule,
    ),
    Row(
        action="get_rbac_policy",
        call=f"GET {POLICY_PATH}",
        expect="200 200 200 200 404 404",
        before=make_policy,
    ),
    Row(
        action="create_rbac_policy",
        call="POST /v2.0/rbac-policies",
        expect="201 201 201 403 404 400",
        body=a_policy,
    ),
    Row(
        action="update_rbac_policy",
        call=f"PUT {POLICY_PATH}",
        expect="200 200 200 403 404 404",
        body=lambda _: {"rbac_policy": {"target_tenant": uuid.uuid4().hex}},
        before=make_policy,
    ),
    Row(
        action="delete_rbac_policy",
        call=f"DELETE {POLICY_PATH}",
        expect="204 204 204 403 404 404",
        before=make_policy,
    ),
    Row(
        action="rbac_policy:everyone",
        call=f"PUT {POLICY_PATH}",
        expect="200 403 403 403 404 404",
        body=lambda _: {"rbac_policy": {"target_tenant": "*"}},
        before=lonely_policy,
    ),
    Row(action="get_quota", call=f"GET {QUOTA}", expect="200 200 200 200 403 403"),
    Row(action="get_quota", call=f"GET {QUOTA}/details", expect="200 200 200 200 403 403"),
    Row(action="get_quota", call=f"GET {QUOTA}/default", expect="200 200 200 200 403 403"),
    Row(
        action="get_quota",
        call="GET /portlight/v1/quotas/{owner}",
        expect="200 200 200 200 403 403",
    ),
    Row(action="list_quotas", call="GET /v2.0/quotas", expect="200 403 403 403 403 403"),
    Row(
        action="update_quota",
        call=f"PUT {QUOTA}",
        expect="200 403 403 403 403 403",
        body=lambda _: {"quota": {"network": 6000}},
    ),
    Row(
        action="delete_quota",
        call=f"DELETE {QUOTA}",
        expect="204 403 403 403 403 403",
        before=make_quota,
    ),
    Row(action="get_virtual_ip", call=f"GET {VIP}", expect="200 200 200 200 404 404"),
    Row(
        action="create_virtual_ip",
        call="POST /portlight/v1/virtual-ips",
        expect="201 201 201 403 404 403",
        body=lambda stage: {"virtual_ip": {"subnet_id": stage.ids["subnet"]}},
    ),
    Row(
        action="update_virtual_ip",
        call=f"PUT {VIP}",
        expect="200 200 200 403 404 404",
        body=named("virtual_ip"),
    ),
    Row(action="delete_virtual_ip", call=f"DELETE {VIP}", expect="409 409 409 403 404 404"),
    Row(
        action="add_virtual_ip_member",
        call=f"POST {VIP}/members",
        expect="201 201 201 403 404 404",
        body=member_of_vip,
    ),
    Row(
        action="remove_virtual_ip_member",
        call=f"DELETE {VIP}/members/{{vip_member}}",
        expect="204 204 204 403 404 404",
        before=made_member,
    ),
    Row(
        action="move_virtual_ip",
        call=f"POST {VIP}/move",
        expect="200 200 200 403 404 404",
        body=lambda stage: {"port_id": stage.ids["vip_member"]},
        before=made_member,
    ),
    Row(action="get_instance", call=f"GET {INSTANCE}", expect="200 200 200 200 404 404"),
    Row(
        action="create_instance",
        call="POST /portlight/v1/instances",
        expect="201 201 201 403 201 201",
        body=named("instance"),
    ),
    Row(
        action="update_instance",
        call=f"PUT {INSTANCE}",
        expect="200 200 200 403 404 404",
        body=named("instance"),
    ),
    Row(
        action="delete_instance",
        call="DELETE /portlight/v1/instances/{mortal}",
        expect="204 204 204 403 404 404",
        before=mortal_instance,
    ),
    *(
        Row(
            action=f"{verb}_instance",
            call=f"POST {INSTANCE}/{verb}",
            expect="202 202 202 403 404 404",
        )
        for verb in ("stop", "start", "reboot", "renew")
    ),
    Row(
        action="attach_interface",
        call=f"POST {INSTANCE}/interfaces",
        expect="201 201 201 403 404 404",
        body=lambda stage: {"interface": {"port_id": stage.ids["free_port"]}},
        before=free_port,
    ),
    Row(
        action="detach_interface",
        call=f"DELETE {INSTANCE}/interfaces/{{free_port}}",
        expect="204 204 204 403 404 404",
        before=attached_port,
    ),
    Row(
        action="any_project",
        call="POST /v2.0/networks",
        expect="201 201 201 403 403 403",
        body=lambda stage: {"network": {"project_id": stage.projects["owner"]}},
    ),
)
IDENTITY = {"create_project", "create_user", "update_user", "assign_role"}
"""Actions of the identity service, which has its own tests."""


def test_every_action_of_the_policy_has_a_row() -> None:
    assert {row.action for row in ROWS} == set(POLICY) - IDENTITY


@pytest.fixture(scope="module")
def stage(server: ApiServer) -> Iterator[Stage]:
    built = Stage(server=server)
    for project, people in {
        "owner": ("manager", "member", "reader"),
        "strangers": ("stranger",),
        "partners": ("shared",),
    }.items():
        built.projects[project] = server.a_project(f"{project}-{uuid.uuid4().hex[:6]}")
        for person in people:
            role = person if person in ("manager", "reader") else "member"
            built.clients[person] = server.someone(built.projects[project], role)
    built.clients["admin"] = server.http("admin")
    furnish(built)
    yield built
    for name, client in built.clients.items():
        if name != "admin":
            client.close()


def furnish(stage: Stage) -> None:
    """Make one thing of every kind, each used by something."""
    ids = stage.ids
    ids["network"] = stage.make("/v2.0/networks")
    ids["subnet"] = stage.make("/v2.0/subnets", network_id=ids["network"], cidr="10.0.0.0/16")
    ids["group"] = stage.make("/v2.0/security-groups", name="web")
    groups = [ids["group"]]
    ids["port"] = stage.make(
        "/v2.0/ports", network_id=ids["network"], device_id="elsewhere", security_groups=groups
    )
    ids["vip_member"] = stage.make("/v2.0/ports", network_id=ids["network"])
    held = stage.make("/v2.0/ports", network_id=ids["network"])
    ids["virtual_ip"] = stage.make(
        "/portlight/v1/virtual-ips", subnet_id=ids["subnet"], members=[{"port_id": held}]
    )
    ids["instance"] = stage.make("/portlight/v1/instances", name="guest")
    for object_type, key in (("network", "network"), ("security_group", "group")):
        stage.make(
            "/v2.0/rbac-policies",
            object_type=object_type,
            object_id=ids[key],
            action="access_as_shared",
            target_tenant=stage.projects["partners"],
        )
    stage.make("/v2.0/ports", who="shared", network_id=ids["network"])


@pytest.mark.covers("H138")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.action}: {row.call}")
def test_each_caller_gets_what_the_table_says(stage: Stage, row: Row) -> None:
    method, template = row.call.split(" ")
    got = []
    for who in CALLERS:
        if row.before is not None:
            row.before(stage)
        body = None if row.body is None else row.body(stage)
        answer = stage.by(who, method, stage.path(template), body)
        got.append(str(answer.status_code))

    assert " ".join(got) == row.expect, dict(zip(CALLERS, got, strict=True))


@pytest.mark.covers("H138")
def test_a_refusal_names_the_action(stage: Stage) -> None:
    answer = stage.by("reader", "PUT", stage.path(NETWORK), {"network": {"name": "x"}})

    error = answer.json()["NeutronError"]
    assert error["type"] == "PolicyNotAuthorized"
    assert "update_network" in error["message"]


@pytest.mark.covers("H138")
@pytest.mark.parametrize(
    "fields",
    [
        {"mac_address": "02:00:00:00:00:77"},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.9.9.9"}]},
        {"fixed_ips": [{"ip_address": "10.0.7.7"}]},
        {"device_owner": "network:dhcp-agent"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_on_a_shared_network_only_its_owner_loosens_a_port(stage: Stage, fields: Json) -> None:
    body = {"port": {"network_id": stage.ids["network"], **fields}}

    assert stage.by("shared", "POST", "/v2.0/ports", body).status_code == 403
    assert stage.by("member", "POST", "/v2.0/ports", body).status_code == 201


def test_what_only_administrators_see_is_hidden_from_others(stage: Stage) -> None:
    shown = stage.by("member", "GET", stage.path(PORT)).json()["port"]
    to_admin = stage.by("admin", "GET", stage.path(PORT)).json()["port"]

    assert "binding:host_id" not in shown
    assert "binding:host_id" in to_admin
