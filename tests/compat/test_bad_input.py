"""Bad requests: the right status, the right body, and nothing half done."""

from typing import Any

import httpx
import pytest
from tests.support.api_server import ApiServer

from portlight.api.native.instances import INSTANCES
from portlight.api.native.virtual_ips import VIRTUAL_IPS
from portlight.api.neutron.networks import NETWORKS
from portlight.api.neutron.ports import PORTS
from portlight.api.neutron.security_group_rules import SECURITY_GROUP_RULES
from portlight.api.neutron.security_groups import SECURITY_GROUPS
from portlight.api.neutron.subnets import SUBNETS
from portlight.api.resource import Resource


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff\xfe", b"", b"nul"])
def test_a_body_that_is_no_json_object_is_refused(server: ApiServer, body: bytes) -> None:
    answer = server.http().post("/v2.0/networks", content=body)

    assert answer.status_code == 400
    assert answer.json()["NeutronError"]["type"] == "HTTPBadRequest"


def test_ten_megabytes_are_refused_before_they_are_read(server: ApiServer) -> None:
    answer = server.http().post("/v2.0/networks", content=b'{"a": "' + b"x" * 10_000_000 + b'"}')

    assert answer.status_code == 413


def test_an_endless_body_is_refused_at_the_limit(server: ApiServer) -> None:
    def chunks() -> "list[bytes]":
        return [b"x" * 65_536] * 20

    answer = server.http().post("/v2.0/networks", content=iter(chunks()))

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"admin_state_up": "perhaps"}, "admin_state_up"),
        ({"name": 5}, "name"),
        ({"mtu": "large"}, "mtu"),
        ({"shared": []}, "shared"),
        ({"colour": "red"}, "colour"),
        ({"id": "00000000-0000-0000-0000-000000000001"}, "id"),
        ({"status": "ACTIVE"}, "status"),
        ({"project_id": "not an id"}, "project_id"),
        ({"provider:network_type": "vlan"}, "provider:network_type"),
        ({"is_default": True}, "is_default"),
        ({"dns_domain": "example.org"}, "dns_domain"),
    ],
)
def test_a_wrong_field_of_a_network_is_named(
    server: ApiServer, fields: dict[str, object], named: str
) -> None:
    status, error = server.refused("POST", "/v2.0/networks", {"network": fields})

    assert status == 400
    assert named in error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"fixed_ips": "10.0.0.1"},
        {"fixed_ips": [{}]},
        {"fixed_ips": [{"ip_address": "10.0.0.300"}]},
        {"fixed_ips": [{"address": "10.0.0.3"}]},
        {"mac_address": "aa:bb"},
        {"allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]},
        {"allowed_address_pairs": [{"ip_address": "x"}]},
        {"security_groups": ["default"]},
        {"extra_dhcp_opts": [{"opt_value": "x"}]},
        {"binding:vnic_type": "direct"},
    ],
    ids=str,
)
def test_a_wrong_field_of_a_port_is_refused_and_no_port_made(
    server: ApiServer, fields: dict[str, object]
) -> None:
    network, _ = server.a_network_with_subnet()

    status, error = server.refused(
        "POST", "/v2.0/ports", {"port": {"network_id": network["id"], **fields}}
    )

    assert status == 400
    assert next(iter(fields)) in error["message"]
    assert server.must("GET", f"/v2.0/ports?network_id={network['id']}")["ports"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"net": {}}, 400),
        ({"network": []}, 400),
        ({"network": {}, "extra": 1}, 400),
        ({"networks": []}, 400),
        ({"networks": {}}, 400),
        ({"networks": ["x"]}, 400),
    ],
    ids=str,
)
def test_a_wrong_envelope_is_refused(
    server: ApiServer, body: dict[str, object], status: int
) -> None:
    assert server.refused("POST", "/v2.0/networks", body)[0] == status


def test_a_missing_field_is_named(server: ApiServer) -> None:
    status, error = server.refused("POST", "/v2.0/ports", {"port": {}})

    assert status == 400
    assert "Required attribute 'network_id' not specified" in error["message"]


@pytest.mark.parametrize(
    ("cidr", "wire_name"),
    [("10.0.0.0/25", "InvalidInput"), ("10.0.0.128/25", "InvalidInput")],
)
def test_overlapping_subnets_are_refused(server: ApiServer, cidr: str, wire_name: str) -> None:
    network, _ = server.a_network_with_subnet()

    status, error = server.refused(
        "POST", "/v2.0/subnets", {"subnet": {"network_id": network["id"], "cidr": cidr}}
    )

    assert (status, error["type"]) == (400, wire_name)


def test_a_duplicate_mac_is_refused(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])

    status, error = server.refused(
        "POST",
        "/v2.0/ports",
        {"port": {"network_id": network["id"], "mac_address": port["mac_address"]}},
    )

    assert (status, error["type"]) == (409, "MacAddressInUse")


def test_a_taken_address_is_refused(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    body = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.0.0.4"}]}}
    server.must("POST", "/v2.0/ports", body)

    status, error = server.refused("POST", "/v2.0/ports", body)

    assert (status, error["type"]) == (409, "IpAddressAlreadyAllocated")


def test_pairs_need_port_security(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()

    status, error = server.refused(
        "POST",
        "/v2.0/ports",
        {
            "port": {
                "network_id": network["id"],
                "port_security_enabled": False,
                "allowed_address_pairs": [{"ip_address": "10.0.0.99"}],
            }
        },
    )

    assert (status, error["type"]) == (409, "AddressPairAndPortSecurityRequired")


def test_a_network_in_use_names_its_users(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])

    status, error = server.refused("DELETE", f"/v2.0/networks/{network['id']}")

    assert (status, error["type"]) == (409, "NetworkInUse")
    assert port["id"] in error["message"]


def test_a_method_that_does_not_fit_is_refused_with_those_that_do(server: ApiServer) -> None:
    answer = server.http().patch("/v2.0/networks")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v2.0/nothing", "NeutronError"),
        ("/portlight/v1/nothing", "error"),
        ("/identity/v3/nothing", "error"),
    ],
)
def test_an_unknown_path_is_refused_in_the_manner_of_its_face(
    server: ApiServer, path: str, key: str
) -> None:
    answer = httpx.get(server.url + path, trust_env=False)

    assert answer.status_code == 404
    assert key in answer.json()


@pytest.mark.parametrize(
    "query",
    ["colour=red", "limit=x", "sort_key=colour", "sort_dir=up&sort_key=id", "fixed_ips=10.0.0.1"],
)
def test_a_wrong_query_is_refused(server: ApiServer, query: str) -> None:
    server.a_network_with_subnet()

    status, _ = server.refused("GET", f"/v2.0/ports?{query}")

    assert status == 400


STRANGE: tuple[object, ...] = (
    None, True, -1, 2**70, 1.5, "", "x", "10.0.0.0/8", "::1", [], {}, [None], [{}], [[]], {"a": 1},
    "a" * 300, "\u0000", "\u0663", [{"subnet_id": None}], [{"ip_address": 5}],
    [{"start": "10.0.0.9", "end": "10.0.0.1"}], "00000000-0000-0000-0000-000000000001",
)  # fmt: skip


@pytest.mark.parametrize(
    ("base", "resource"),
    [
        ("/v2.0", NETWORKS),
        ("/v2.0", SUBNETS),
        ("/v2.0", PORTS),
        ("/v2.0", SECURITY_GROUPS),
        ("/v2.0", SECURITY_GROUP_RULES),
        ("/portlight/v1", INSTANCES),
        ("/portlight/v1", VIRTUAL_IPS),
    ],
    ids=lambda one: getattr(one, "plural", "at"),
)
def test_no_value_of_any_attribute_is_an_error_of_the_server(
    server: ApiServer, base: str, resource: Resource[Any, Any, Any, Any]
) -> None:
    network, subnet = server.a_network_with_subnet()
    group = server.make("security_group", name="strange")
    fitting = {
        "network_id": network["id"],
        "subnet_id": subnet["id"],
        "security_group_id": group["id"],
        "cidr": "10.77.0.0/24",
        "direction": "ingress",
    }
    required = {name: fitting[name] for name in fitting if name in resource.attributes}
    path = f"{base}/{resource.plural.replace('_', '-')}"
    http = server.http()

    statuses = {
        (name, str(value)[:20], answer.status_code)
        for name in resource.attributes
        for value in STRANGE
        for answer in (
            http.post(path, json={resource.name: {**required, name: value}}),
            http.get(path, params={name: str(value)[:40], "sort_key": name}),
        )
    }

    assert [one for one in statuses if one[2] >= 500] == []
