"""Address groups, default rules and what a group protects, on the wire and by stock clients."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.api_server import ApiServer, Json

from portlight.cli.app import app


def an_address_group(server: ApiServer, *addresses: str) -> Json:
    return server.make("address_group", name="office", addresses=list(addresses))


def test_addresses_and_cidrs_of_both_families_are_shown_as_cidrs(server: ApiServer) -> None:
    group = an_address_group(server, "192.0.2.1", "10.0.0.7/24", "2001:db8::1", "fd00::/48")
    path = f"/v2.0/address-groups/{group['id']}"

    added = server.must("PUT", f"{path}/add_addresses", {"addresses": ["198.51.100.0/24"]})
    removed = server.must("PUT", f"{path}/remove_addresses", {"addresses": ["10.0.0.0/24"]})
    listed = server.must("GET", "/v2.0/address-groups?name=office&sort_key=name")["address_groups"]
    server.must("DELETE", path)

    assert group["addresses"] == ["192.0.2.1/32", "10.0.0.0/24", "2001:db8::1/128", "fd00::/48"]
    assert added["address_group"]["addresses"] == [*group["addresses"], "198.51.100.0/24"]
    assert removed["address_group"] in listed
    assert server.refused("GET", path)[1]["type"] == "AddressGroupNotFound"


@pytest.mark.parametrize(
    ("verb", "body", "status", "kind"),
    [
        ("add_addresses", {"addresses": ["10.0.0.0/24"]}, 400, "AddressesAlreadyExist"),
        ("remove_addresses", {"addresses": ["10.9.0.0/24"]}, 404, "AddressesNotFound"),
        ("add_addresses", {"addresses": ["10.0.0.256"]}, 400, "HTTPBadRequest"),
        ("add_addresses", {"address": "10.1.0.0/24"}, 400, "HTTPBadRequest"),
    ],
)
def test_a_wrong_change_of_addresses_is_refused_and_changes_nothing(
    server: ApiServer, verb: str, body: Json, status: int, kind: str
) -> None:
    group = an_address_group(server, "10.0.0.0/24")
    path = f"/v2.0/address-groups/{group['id']}"

    answered, error = server.refused("PUT", f"{path}/{verb}", body)

    assert (answered, error["type"]) == (status, kind)
    assert server.must("GET", path)["address_group"] == group


@pytest.mark.covers("H162")
def test_what_is_in_use_stays_and_the_refusal_names_every_user(server: ApiServer) -> None:
    addresses = an_address_group(server, "10.0.0.0/24")
    used, other = server.make("security_group", name="used"), server.make("security_group")
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"], security_groups=[used["id"]])
    rules = [
        server.make(
            "security_group_rule", security_group_id=other["id"], direction="ingress", **remote
        )
        for remote in (
            {"remote_group_id": used["id"]},
            {"remote_address_group_id": addresses["id"]},
        )
    ]

    group_status, group_error = server.refused("DELETE", f"/v2.0/security-groups/{used['id']}")
    status, error = server.refused("DELETE", f"/v2.0/address-groups/{addresses['id']}")

    assert (group_status, group_error["type"]) == (409, "SecurityGroupInUse")
    assert port["id"] in group_error["message"]
    assert rules[0]["id"] in group_error["message"]
    assert (status, error["type"]) == (409, "AddressGroupInUse")
    assert rules[1]["id"] in error["message"]
    by_filter = f"/v2.0/security-group-rules?remote_address_group_id={addresses['id']}"
    assert server.must("GET", by_filter)["security_group_rules"] == [rules[1]]


@pytest.mark.covers("H167")
def test_a_rule_that_differs_only_in_its_description_is_refused_with_the_name_of_its_twin(
    server: ApiServer,
) -> None:
    group = server.make("security_group", name="web")
    first = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    rule = server.make("security_group_rule", **first, description="one")
    twin = {**first, "description": "two", "protocol": "6", "remote_ip_prefix": "0.0.0.0/0"}

    status, error = server.refused(
        "POST", "/v2.0/security-group-rules", {"security_group_rule": twin}
    )
    many = {"security_group_rules": [{**first, "ethertype": "IPv6"}] * 2}
    many_status, many_error = server.refused("POST", "/v2.0/security-group-rules", many)

    assert (status, error["type"]) == (409, "SecurityGroupRuleExists")
    assert rule["id"] in error["message"]
    assert (many_status, many_error["type"]) == (409, "DuplicateSecurityGroupRuleInPost")


@pytest.mark.extension("security-groups-rules-belongs-to-default-sg")
def test_rules_of_a_default_group_say_so(server: ApiServer) -> None:
    server.must("GET", "/v2.0/security-groups")
    group = server.make("security_group", name="other")
    path = "/v2.0/security-group-rules?belongs_to_default_sg="

    yes = server.must("GET", path + "true")["security_group_rules"]
    no = server.must("GET", path + "false")["security_group_rules"]

    assert len(yes) == 4
    assert group["id"] in {rule["security_group_id"] for rule in no}
    assert group["id"] not in {rule["security_group_id"] for rule in yes}


@pytest.mark.covers("P10")
def test_the_template_of_new_groups_is_changed_by_administrators_and_seen_by_all(
    server: ApiServer,
) -> None:
    path = "/v2.0/default-security-group-rules"
    fields = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    body = {"default_security_group_rule": {**fields, "remote_group_id": "PARENT"}}

    made = server.must("POST", path, body, user="admin")["default_security_group_rule"]
    status, _ = server.refused("POST", path, body)
    shown = server.must("GET", f"{path}/{made['id']}")["default_security_group_rule"]
    group = server.make("security_group", name="with-ssh")
    server.must("DELETE", f"{path}/{made['id']}", user="admin")
    later = server.make("security_group", name="without")

    assert status == 403
    assert shown == made
    assert (made["used_in_default_sg"], made["used_in_non_default_sg"]) == (False, True)
    ssh = [rule for rule in group["security_group_rules"] if rule["direction"] == "ingress"]
    assert [(rule["port_range_min"], rule["remote_group_id"]) for rule in ssh] == [
        (22, group["id"])
    ]
    assert len(later["security_group_rules"]) == 2


@pytest.mark.covers("P11")
def test_stateful_and_stateless_groups_do_not_mix_on_a_port(server: ApiServer) -> None:
    stateful = server.make("security_group", name="a")
    stateless = server.make("security_group", name="b", stateful=False)
    network, _ = server.a_network_with_subnet()
    both = [stateful["id"], stateless["id"]]
    body = {"port": {"network_id": network["id"], "security_groups": both}}

    status, error = server.refused("POST", "/v2.0/ports", body)
    port = server.make("port", network_id=network["id"], security_groups=[stateless["id"]])
    change = {"security_group": {"stateful": True}}
    used_status, used = server.refused("PUT", f"/v2.0/security-groups/{stateless['id']}", change)
    again, _ = server.refused(
        "PUT", f"/v2.0/ports/{port['id']}", {"port": {"security_groups": both}}
    )
    server.must("DELETE", f"/v2.0/ports/{port['id']}")
    changed = server.must("PUT", f"/v2.0/security-groups/{stateless['id']}", change)

    assert (status, error["type"]) == (409, "SecurityGroupConflict")
    assert (used_status, used["type"]) == (409, "SecurityGroupInUse")
    assert port["id"] in used["message"]
    assert again == 409
    assert changed["security_group"]["stateful"] is True


@pytest.mark.covers("H161")
def test_what_a_group_protects_is_one_question_and_sg_show_answers_it(
    server: ApiServer, tmp_path: Path
) -> None:
    group = server.make("security_group", name="guard")
    addresses = an_address_group(server, "10.0.0.0/24")
    network, _ = server.a_network_with_subnet()
    interface = {"network_id": network["id"], "security_groups": [group["id"]]}
    instance = server.must(
        "POST", "/portlight/v1/instances", {"instance": {"name": "web", "interfaces": [interface]}}
    )["instance"]
    port = server.make("port", network_id=network["id"], security_groups=[group["id"]])
    server.write_state(tmp_path)

    def portlight(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["--state", str(tmp_path), *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    path = f"/portlight/v1/security-groups/{group['id']}/protection"
    protection = server.must("GET", path)["protection"]
    rule = portlight(
        "sg", "rule", "add", group["id"], "--remote-address-group", addresses["id"], "--json"
    )
    shown = portlight("sg", "show", group["id"])

    assert protection["instances"] == [{"id": instance["id"], "name": "web"}]
    assert {one["id"] for one in protection["ports"]} == {
        port["id"],
        instance["interfaces"][0]["port_id"],
    }
    assert addresses["id"] in rule
    assert port["id"] in shown
    assert instance["id"] in shown
