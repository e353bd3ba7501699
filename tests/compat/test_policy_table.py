"""Who may do what, over HTTP: every action of the policy, by every role, on things that are the
caller's own, another project's, or shared with his.

The marks of a row are, in this order: an administrator of another project; manager, member and
reader of the project that owns the things; a member of a stranger project; a member of a project
with which network, group, pool and scope are shared.
"""

from collections.abc import Iterator

import pytest
from tests.support.policy_mirrors import MIRROR_ROWS
from tests.support.policy_routers import ROUTER_ROWS
from tests.support.policy_stage import (
    Json,
    Row,
    Stage,
    a_cidr,
    a_default_rule,
    a_policy,
    a_pool,
    a_rule,
    a_scope,
    a_stage,
    a_subnet,
    attached_port,
    for_someone,
    free_port,
    held_port,
    lonely_network,
    lonely_policy,
    made_member,
    make_default_rule,
    make_policy,
    make_quota,
    make_rule,
    member_of_vip,
    mortal_addresses,
    mortal_instance,
    mortal_pool,
    mortal_scope,
    named,
    on_network,
)
from tests.support.policy_vpcs import VPC_ROWS

from portlight.service.policy import IDENTITY_POLICY, POLICY

CALLERS = ("admin", "manager", "member", "reader", "stranger", "shared")

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
    Row(
        action="network:router:external",
        call="PUT /v2.0/networks/{lonely}",
        expect="200 403 403 403 404 404",
        body=lambda _: {"network": {"router:external": True}},
        before=lonely_network,
    ),
    Row(
        action="get_network_ip_availability",
        call="GET /v2.0/network-ip-availabilities/{network}",
        expect="200 404 404 404 404 404",
    ),
    Row(
        action="subnet:service_types",
        call="POST /v2.0/subnets",
        expect="201 403 403 403 404 403",
        body=lambda stage: {
            "subnet": {**a_subnet(stage)["subnet"], "service_types": ["compute:far"]}
        },
    ),
    Row(
        action="get_address_group",
        call="GET /v2.0/address-groups/{addresses}",
        expect="200 200 200 200 404 200",
    ),
    Row(
        action="create_address_group",
        call="POST /v2.0/address-groups",
        expect="201 201 201 403 201 201",
        body=named("address_group"),
    ),
    Row(
        action="update_address_group",
        call="PUT /v2.0/address-groups/{addresses}",
        expect="200 200 200 403 404 403",
        body=named("address_group"),
    ),
    Row(
        action="update_address_group",
        call="PUT /v2.0/address-groups/{addresses}/add_addresses",
        expect="200 200 200 403 404 403",
        body=lambda stage: {"addresses": [a_cidr(stage)]},
    ),
    Row(
        action="delete_address_group",
        call="DELETE /v2.0/address-groups/{mortal_addresses}",
        expect="204 204 204 403 404 404",
        before=mortal_addresses,
    ),
    Row(
        action="get_default_security_group_rule",
        call="GET /v2.0/default-security-group-rules/{default_rule}",
        expect="200 200 200 200 200 200",
        before=make_default_rule,
    ),
    Row(
        action="create_default_security_group_rule",
        call="POST /v2.0/default-security-group-rules",
        expect="201 403 403 403 403 403",
        body=a_default_rule,
    ),
    Row(
        action="delete_default_security_group_rule",
        call="DELETE /v2.0/default-security-group-rules/{default_rule}",
        expect="204 403 403 403 403 403",
        before=make_default_rule,
    ),
    Row(
        action="get_subnetpool",
        call="GET /v2.0/subnetpools/{pool}",
        expect="200 200 200 200 404 200",
    ),
    Row(
        action="create_subnetpool",
        call="POST /v2.0/subnetpools",
        expect="201 201 201 403 201 201",
        body=a_pool(),
    ),
    Row(
        action="update_subnetpool",
        call="PUT /v2.0/subnetpools/{pool}",
        expect="200 200 200 403 404 403",
        body=named("subnetpool"),
    ),
    Row(
        action="delete_subnetpool",
        call="DELETE /v2.0/subnetpools/{mortal_pool}",
        expect="204 204 204 403 404 404",
        before=mortal_pool,
    ),
    Row(
        action="subnetpool:shared",
        call="POST /v2.0/subnetpools",
        expect="201 403 403 403 403 403",
        body=a_pool(shared=True),
    ),
    Row(
        action="subnetpool:is_default",
        call="POST /v2.0/subnetpools",
        expect="201 403 403 403 403 403",
        body=a_pool(is_default=True),
    ),
    Row(
        action="get_address_scope",
        call="GET /v2.0/address-scopes/{scope}",
        expect="200 200 200 200 404 200",
    ),
    Row(
        action="create_address_scope",
        call="POST /v2.0/address-scopes",
        expect="201 201 201 403 201 201",
        body=a_scope(),
    ),
    Row(
        action="update_address_scope",
        call="PUT /v2.0/address-scopes/{scope}",
        expect="200 200 200 403 404 403",
        body=named("address_scope"),
    ),
    Row(
        action="delete_address_scope",
        call="DELETE /v2.0/address-scopes/{mortal_scope}",
        expect="204 204 204 403 404 404",
        before=mortal_scope,
    ),
    Row(
        action="address_scope:shared",
        call="POST /v2.0/address-scopes",
        expect="201 403 403 403 403 403",
        body=a_scope(shared=True),
    ),
    Row(action="get_agent", call="GET /v2.0/agents/{agent}", expect="200 404 404 404 404 404"),
    Row(
        action="update_agent",
        call="PUT /v2.0/agents/{agent}",
        expect="200 404 404 404 404 404",
        body=lambda _: {"agent": {"description": "new"}},
    ),
    Row(
        action="delete_agent",
        call="DELETE /v2.0/agents/{agent}",
        expect="409 404 404 404 404 404",
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
    Row(
        action="port:force_detach",
        call="DELETE /v2.0/ports/{held}?force=detach",
        expect="204 403 403 403 404 404",
        before=held_port,
    ),
    Row(
        action="get_audit_entry",
        call="GET /portlight/v1/audit-entries",
        expect="200 200 200 200 200 200",
    ),
    Row(
        action="port:binding_profile",
        call="POST /v2.0/ports",
        expect="201 403 403 403 404 403",
        body=on_network("port", **{"binding:profile": {"slot": 1}}),
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
        body=for_someone,
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
    *MIRROR_ROWS,
    *VPC_ROWS,
    *ROUTER_ROWS,
    Row(
        action="any_project",
        call="POST /v2.0/networks",
        expect="201 201 201 403 403 403",
        body=lambda stage: {"network": {"project_id": stage.projects["owner"]}},
    ),
)


def test_every_action_of_the_policy_has_a_row() -> None:
    assert {row.action for row in ROWS} == set(POLICY) - set(IDENTITY_POLICY)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with a_stage() as built:
        yield built


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
