"""The networking face over HTTP: fields, statuses and error bodies as Neutron's."""

import httpx
import pytest
from tests.support.api_server import ApiServer

NOWHERE = "00000000-0000-0000-0000-00000000dead"


def test_the_root_lists_the_versions_as_neutron_does(server: ApiServer) -> None:
    answer = httpx.get(f"{server.url}/", trust_env=False)

    version = answer.json()["versions"][0]
    assert (version["id"], version["status"]) == ("v2.0", "CURRENT")
    assert version["links"] == [{"rel": "self", "href": f"{server.url}/v2.0/"}]


def test_without_a_token_nothing_is_told(server: ApiServer) -> None:
    answer = httpx.get(f"{server.url}/v2.0/networks", trust_env=False)

    assert answer.status_code == 401
    assert answer.json()["NeutronError"]["type"] == "Unauthorized"


@pytest.mark.extension("project-id", "standard-attr-revisions", "standard-attr-timestamp")
@pytest.mark.covers("N1", "H66", "H67")
def test_a_port_carries_name_tags_and_a_revision(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()

    port = server.make("port", network_id=network["id"], name="eth-a", tags=["blue", "web"])

    assert port["name"] == "eth-a"
    assert port["tags"] == ["blue", "web"]
    assert port["revision_number"] >= 1
    assert port["tenant_id"] == port["project_id"]
    assert port["created_at"].endswith("Z")


@pytest.mark.covers("N1")
def test_a_name_of_more_than_255_characters_is_refused(server: ApiServer) -> None:
    status, error = server.refused("POST", "/v2.0/networks", {"network": {"name": "n" * 256}})

    assert (status, error["type"]) == (400, "HTTPBadRequest")
    assert "name" in error["message"]


@pytest.mark.covers("N2")
@pytest.mark.parametrize("spelling", ["network_id", "vpc_id"])
def test_the_network_of_a_port_is_chosen_in_either_spelling(
    server: ApiServer, spelling: str
) -> None:
    network, _ = server.a_network_with_subnet()

    port = server.make("port", **{spelling: network["id"]})

    assert port["network_id"] == network["id"]


@pytest.mark.covers("N3")
def test_a_port_takes_several_addresses_from_the_subnets_that_are_named(
    server: ApiServer,
) -> None:
    network, subnet = server.a_network_with_subnet()
    wanted = [
        {"subnet_id": subnet["id"], "ip_address": "10.0.0.50"},
        {"ip_address": "10.0.0.51"},
        {"subnet_id": subnet["id"]},
    ]

    port = server.make("port", network_id=network["id"], fixed_ips=wanted)

    addresses = [one["ip_address"] for one in port["fixed_ips"]]
    assert {"10.0.0.50", "10.0.0.51"} < set(addresses)
    assert len(addresses) == 3


@pytest.mark.covers("N9")
def test_port_security_is_a_switch_of_each_port(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"], port_security_enabled=False)

    body = {"port": {"port_security_enabled": True}}
    changed = server.must("PUT", f"/v2.0/ports/{port['id']}", body)["port"]

    assert port["security_groups"] == []
    assert changed["port_security_enabled"] is True


@pytest.mark.covers("N13", "H72")
def test_a_port_takes_sixteen_groups_in_one_step(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    groups = [server.make("security_group", name=f"g{n}")["id"] for n in range(16)]
    port = server.make("port", network_id=network["id"])

    body = {"port": {"security_groups": groups}}
    changed = server.must("PUT", f"/v2.0/ports/{port['id']}", body)["port"]

    assert sorted(changed["security_groups"]) == sorted(groups)


@pytest.mark.covers("N17", "H72")
def test_several_fields_change_together_or_not_at_all(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"], name="before")
    path = f"/v2.0/ports/{port['id']}"

    status, _ = server.refused(
        "PUT", path, {"port": {"name": "after", "security_groups": [NOWHERE]}}
    )
    kept = server.must("GET", path)["port"]
    body = {"port": {"name": "after", "fixed_ips": [{"ip_address": "10.0.0.77"}]}}
    changed = server.must("PUT", path, body)["port"]

    assert status == 404
    assert kept["name"] == "before"
    assert changed["name"] == "after"
    assert [one["ip_address"] for one in changed["fixed_ips"]] == ["10.0.0.77"]


@pytest.mark.extension("revision-if-match")
@pytest.mark.covers("N17")
def test_if_match_refuses_a_change_of_another_revision(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    path = f"/v2.0/networks/{network['id']}"
    current = server.must("GET", path)["network"]["revision_number"]

    stale = server.http().put(
        path,
        json={"network": {"name": "x"}},
        headers={"If-Match": f"revision_number={current + 5}"},
    )
    fresh = server.http().put(
        path, json={"network": {"name": "x"}}, headers={"If-Match": f"revision_number={current}"}
    )

    assert stale.status_code == 412
    assert stale.json()["NeutronError"]["type"] == "RevisionNumberConstraintFailed"
    assert fresh.status_code == 200
    assert fresh.json()["network"]["revision_number"] > current


@pytest.mark.covers("N17")
def test_if_match_also_guards_a_deletion(server: ApiServer) -> None:
    network = server.make("network", name="guarded")
    path = f"/v2.0/networks/{network['id']}"

    refused = server.http().delete(path, headers={"If-Match": "revision_number=999"})

    assert refused.status_code == 412
    assert server.must("GET", path)["network"]["id"] == network["id"]


@pytest.mark.covers("H91")
def test_of_a_rule_only_the_description_changes_and_only_at_its_revision(
    server: ApiServer,
) -> None:
    group = server.make("security_group", name="described")
    rule = server.make("security_group_rule", security_group_id=group["id"], direction="ingress")
    path = f"/v2.0/security-group-rules/{rule['id']}"
    body = {"security_group_rule": {"description": "why"}}

    stale = server.http().put(path, json=body, headers={"If-Match": "revision_number=99"})
    changed = server.must("PUT", path, body)["security_group_rule"]
    status, error = server.refused("PUT", path, {"security_group_rule": {"protocol": "tcp"}})

    assert stale.status_code == 412
    assert changed["description"] == "why"
    assert status == 400
    assert "'protocol' not allowed in PUT" in error["message"]


@pytest.mark.covers("H73")
def test_a_port_is_deleted_and_then_is_not_found(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])

    server.must("DELETE", f"/v2.0/ports/{port['id']}")

    status, error = server.refused("GET", f"/v2.0/ports/{port['id']}")
    assert (status, error["type"]) == (404, "PortNotFound")


@pytest.mark.parametrize(
    ("kind", "wire_name"),
    [
        ("networks", "NetworkNotFound"),
        ("subnets", "SubnetNotFound"),
        ("ports", "PortNotFound"),
        ("security-groups", "SecurityGroupNotFound"),
        ("security-group-rules", "SecurityGroupRuleNotFound"),
    ],
)
def test_what_does_not_exist_has_neutrons_name(
    server: ApiServer, kind: str, wire_name: str
) -> None:
    status, error = server.refused("GET", f"/v2.0/{kind}/{NOWHERE}")

    assert (status, error["type"]) == (404, wire_name)
    assert NOWHERE in error["message"]
    assert error["detail"] == ""


@pytest.mark.extension("security-groups-normalized-cidr")
@pytest.mark.covers("H91", "H98")
def test_rules_are_added_listed_and_deleted(server: ApiServer) -> None:
    group = server.make("security_group", name="web")
    rule = server.make(
        "security_group_rule",
        security_group_id=group["id"],
        direction="ingress",
        protocol="tcp",
        port_range_min=80,
        port_range_max=80,
        remote_ip_prefix="192.0.2.7/24",
    )
    path = f"/v2.0/security-group-rules?security_group_id={group['id']}&direction=ingress"

    listed = server.must("GET", path)["security_group_rules"]
    server.must("DELETE", f"/v2.0/security-group-rules/{rule['id']}")

    assert [one["id"] for one in listed] == [rule["id"]]
    assert (rule["protocol"], rule["port_range_min"], rule["ethertype"]) == ("tcp", 80, "IPv4")
    assert (rule["remote_ip_prefix"], rule["normalized_cidr"]) == ("192.0.2.7/24", "192.0.2.0/24")
    assert server.must("GET", path)["security_group_rules"] == []


@pytest.mark.covers("H91")
def test_a_rule_that_is_there_already_is_refused(server: ApiServer) -> None:
    group = server.make("security_group", name="twins")
    body = {
        "security_group_rule": {
            "security_group_id": group["id"],
            "direction": "ingress",
            "protocol": "udp",
        }
    }
    server.must("POST", "/v2.0/security-group-rules", body)

    status, error = server.refused("POST", "/v2.0/security-group-rules", body)

    assert (status, error["type"]) == (409, "SecurityGroupRuleExists")


def test_what_happens_to_established_flows_is_said_by_the_group(server: ApiServer) -> None:
    group = server.make("security_group", name="patient", established_flows="keep")

    default = server.make("security_group", name="strict")

    assert group["established_flows"] == "keep"
    assert default["established_flows"] == "cut"


def test_many_are_created_together_or_not_at_all(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    good = {"network_id": network["id"], "name": "bulk"}

    status, _ = server.refused(
        "POST", "/v2.0/ports", {"ports": [good, {**good, "fixed_ips": [{"ip_address": "1.1.1.1"}]}]}
    )
    none = server.must("GET", f"/v2.0/ports?network_id={network['id']}&name=bulk")["ports"]
    made = server.must("POST", "/v2.0/ports", {"ports": [good, good]})["ports"]

    assert status == 400
    assert none == []
    assert len({port["id"] for port in made}) == 2


def test_groups_are_created_in_bulk_too(server: ApiServer) -> None:
    body = {"security_groups": [{"name": "bulk-a"}, {"name": "bulk-b"}]}

    made = server.must("POST", "/v2.0/security-groups", body)["security_groups"]

    assert [group["name"] for group in made] == ["bulk-a", "bulk-b"]
    assert all(len(group["security_group_rules"]) == 2 for group in made)


def test_ports_are_filtered_by_address_and_subnet(server: ApiServer) -> None:
    network, subnet = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.9"}])
    server.make("port", network_id=network["id"])
    base = f"/v2.0/ports?network_id={network['id']}"

    by_address = server.must("GET", f"{base}&fixed_ips=ip_address%3D10.0.0.9")["ports"]
    by_both = server.must(
        "GET",
        f"{base}&fixed_ips=ip_address%3D10.0.0.9&fixed_ips=subnet_id%3D{subnet['id']}",
    )["ports"]
    by_subnet = server.must("GET", f"{base}&fixed_ips=subnet_id%3D{subnet['id']}")["ports"]

    assert [one["id"] for one in by_address] == [port["id"]]
    assert [one["id"] for one in by_both] == [port["id"]]
    assert len(by_subnet) == 2


@pytest.mark.extension("pagination")
def test_a_list_comes_in_pages_with_links(server: ApiServer) -> None:
    for number in range(5):
        server.make("network", name="paged", description=str(number))
    path = "/v2.0/networks?name=paged&limit=2&sort_key=description&fields=description"
    seen: list[str] = []

    while path:
        answer = server.must("GET", path)
        seen += [network["description"] for network in answer["networks"]]
        following = [
            link["href"] for link in answer.get("networks_links", []) if link["rel"] == "next"
        ]
        path = following[0] if following else ""

    assert seen == ["0", "1", "2", "3", "4"]


@pytest.mark.extension("standard-attr-tag")
@pytest.mark.covers("N1")
def test_tags_are_a_resource_below_each_kind(server: ApiServer) -> None:
    network = server.make("network", name="tagged")
    path = f"/v2.0/networks/{network['id']}/tags"

    server.must("PUT", path, {"tags": ["a", "b"]})
    server.http().put(f"{path}/c")
    server.http().delete(f"{path}/a")

    assert server.must("GET", path)["tags"] == ["b", "c"]
    assert server.http().get(f"{path}/b").status_code == 204
    assert server.http().get(f"{path}/a").status_code == 404
    found = server.must("GET", "/v2.0/networks?tags=b,c")["networks"]
    assert network["id"] in [one["id"] for one in found]


@pytest.mark.extension("extra_dhcp_opt")
def test_dhcp_options_are_merged_by_name_and_removed_by_null(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    options = [
        {"opt_name": "mtu", "opt_value": "1400"},
        {"opt_name": "domain-name", "opt_value": "a.example"},
    ]
    port = server.make("port", network_id=network["id"], extra_dhcp_opts=options)

    change = [
        {"opt_name": "mtu", "opt_value": None},
        {"opt_name": "domain-name", "opt_value": "b.example"},
    ]
    body = {"port": {"extra_dhcp_opts": change}}
    changed = server.must("PUT", f"/v2.0/ports/{port['id']}", body)["port"]

    assert changed["extra_dhcp_opts"] == [
        {"opt_name": "domain-name", "opt_value": "b.example", "ip_version": 4}
    ]


@pytest.mark.extension("binding")
def test_the_binding_of_a_port_is_for_administrators(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])

    seen = server.must("GET", f"/v2.0/ports/{port['id']}", user="admin")["port"]

    assert "binding:host_id" not in port
    assert seen["binding:host_id"] == ""
    assert seen["binding:vif_type"] == "unbound"


def test_an_extension_that_is_listed_can_be_shown_and_others_not(server: ApiServer) -> None:
    aliases = [one["alias"] for one in server.must("GET", "/v2.0/extensions")["extensions"]]

    shown = server.must("GET", "/v2.0/extensions/port-security")["extension"]
    missing = server.http().get("/v2.0/extensions/qos")

    assert shown["alias"] in aliases
    assert missing.status_code == 404
