"""What an alias in the list of extensions promises, where no other test goes through it."""

import uuid
from collections.abc import Iterator

import pytest
from tests.support.api_server import ApiServer, Json

from portlight.api.neutron.extensions import ADVERTISED

KINDS: dict[str, Json] = {
    "network": {},
    "subnet": {"cidr": "10.90.0.0/24", "ip_version": 4},
    "port": {},
    "security_group": {},
    "subnetpool": {"prefixes": ["10.91.0.0/16"]},
}
"""The kinds that carry every standard attribute, each with what it needs beside a name."""


def a_name() -> str:
    return f"ext-{uuid.uuid4().hex[:8]}"


def names_in(answer: Json, plural: str) -> list[str]:
    return [one["name"] for one in answer[plural]]


@pytest.fixture(scope="module")
def place(server: ApiServer) -> Json:
    network, _ = server.a_network_with_subnet()
    return network


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, server: ApiServer) -> Iterator[tuple[str, Json]]:
    """A thing of each kind, with the path that shows it."""
    kind: str = request.param
    fields = {**KINDS[kind], "name": a_name(), "description": "first"}
    if kind in ("subnet", "port"):
        fields["network_id"] = server.make("network", name=a_name())["id"]
    thing = server.make(kind, **fields)
    path = f"/v2.0/{kind.replace('_', '-')}s/{thing['id']}"
    yield path, thing
    server.must("DELETE", path)


@pytest.mark.extension(
    "standard-attr-description", "standard-attr-timestamp", "standard-attr-revisions"
)
def test_a_description_changes_with_the_revision_and_the_time(
    server: ApiServer, made: tuple[str, Json]
) -> None:
    path, before = made
    kind = next(kind for kind in KINDS if f"/{kind.replace('_', '-')}s/" in path)

    after = server.must("PUT", path, {kind: {"description": "second"}})[kind]
    found = server.must("GET", f"{path.rpartition('/')[0]}?description=second&id={before['id']}")

    assert (before["description"], after["description"]) == ("first", "second")
    assert after["revision_number"] > before["revision_number"]
    assert after["created_at"] == before["created_at"] <= after["updated_at"]
    assert names_in(found, f"{kind}s") == [before["name"]]


@pytest.mark.extension("standard-attr-tag", "tag-creation")
def test_a_post_adds_tags_to_those_that_are_there(
    server: ApiServer, made: tuple[str, Json]
) -> None:
    path, _ = made
    server.must("PUT", f"{path}/tags", {"tags": ["a"]})

    server.must("POST", f"{path}/tags", {"tags": ["b", "c"]})

    assert server.must("GET", f"{path}/tags")["tags"] == ["a", "b", "c"]


@pytest.mark.extension("tag-ports-during-bulk-creation")
def test_ports_that_are_made_together_have_tags_of_their_own(
    server: ApiServer, place: Json
) -> None:
    wanted = [{"network_id": place["id"], "tags": [tag]} for tag in ("red", "blue")]

    made = server.must("POST", "/v2.0/ports", {"ports": wanted})["ports"]

    assert [port["tags"] for port in made] == [["red"], ["blue"]]


@pytest.mark.extension("ip-substring-filtering")
def test_ports_are_found_by_a_part_of_an_address(server: ApiServer, place: Json) -> None:
    address = {"ip_address": "10.0.0.123"}
    port = server.make("port", network_id=place["id"], fixed_ips=[address], name=a_name())
    base = f"/v2.0/ports?network_id={place['id']}&fixed_ips=ip_address_substr%3D"

    assert names_in(server.must("GET", f"{base}.0.12"), "ports") == [port["name"]]
    assert server.must("GET", f"{base}.0.124")["ports"] == []


@pytest.mark.extension("port-security-groups-filtering")
def test_ports_are_found_by_their_groups(server: ApiServer, place: Json) -> None:
    group = server.make("security_group", name=a_name())
    wanted = {"network_id": place["id"], "name": a_name()}
    port = server.make("port", security_groups=[group["id"]], **wanted)
    server.make("port", **wanted)

    found = server.must("GET", f"/v2.0/ports?security_groups={group['id']}")["ports"]

    assert [one["id"] for one in found] == [port["id"]]


@pytest.mark.extension("security-groups-shared-filtering", "rbac-security-groups")
def test_groups_are_found_by_whether_others_share_them(server: ApiServer) -> None:
    shared, own = (server.make("security_group", name=a_name()) for _ in range(2))
    share(server, "security_group", shared["id"])
    names = f"name={shared['name']}&name={own['name']}"

    for spelling, wanted in (("true", shared), ("false", own)):
        path = f"/v2.0/security-groups?shared={spelling}&{names}"
        found = server.must("GET", path, user="admin")
        assert names_in(found, "security_groups") == [wanted["name"]]


@pytest.mark.extension("rbac-address-group", "rbac-policies")
def test_an_address_group_of_another_project_is_used_in_a_rule_once_it_is_shared(
    server: ApiServer,
) -> None:
    group = server.must(
        "POST",
        "/v2.0/address-groups",
        {"address_group": {"name": a_name(), "addresses": ["192.0.2.0/24"]}},
        user="admin",
    )["address_group"]
    mine = server.make("security_group", name=a_name())
    rule = {
        "security_group_id": mine["id"],
        "direction": "ingress",
        "remote_address_group_id": group["id"],
    }

    hidden, _ = server.refused("POST", "/v2.0/security-group-rules", {"security_group_rule": rule})
    share(server, "address_group", group["id"])
    made = server.make("security_group_rule", **rule)

    assert hidden == 404
    assert made["remote_address_group_id"] == group["id"]


@pytest.mark.extension("availability_zone_filter", "availability_zone")
def test_zones_are_found_by_what_they_are_for(server: ApiServer) -> None:
    path = "/v2.0/availability_zones"

    for query, count in (("resource=network", 1), ("state=unavailable", 0), ("name=moon", 0)):
        found = server.must("GET", f"{path}?{query}", user="admin")["availability_zones"]
        assert len(found) == count, query


@pytest.mark.extension("ip_allocation", "l2_adjacency")
def test_a_port_says_whether_it_has_addresses_and_a_network_that_it_is_one_domain(
    server: ApiServer, place: Json
) -> None:
    network = server.must("GET", f"/v2.0/networks/{place['id']}")["network"]

    addressed = server.make("port", network_id=place["id"])
    bare = server.make("port", network_id=place["id"], fixed_ips=[])

    assert network["l2_adjacency"] is True
    assert addressed["ip_allocation"] == "immediate"
    assert bare["ip_allocation"] == "none"


@pytest.mark.extension("aap-reject-multicast", "allowed-address-pairs")
@pytest.mark.parametrize("pair", ["224.0.0.18", "ff02::1"])
def test_a_multicast_group_is_no_address_pair(server: ApiServer, place: Json, pair: str) -> None:
    body = {"network_id": place["id"], "allowed_address_pairs": [{"ip_address": pair}]}

    status, error = server.refused("POST", "/v2.0/ports", {"port": body})

    assert status == 400
    assert pair in error["message"]


@pytest.mark.extension("net-mtu", "net-mtu-writable")
def test_the_mtu_of_a_network_is_read_and_written(server: ApiServer) -> None:
    network = server.make("network", name=a_name(), mtu=1400)

    body = {"network": {"mtu": 1300}}
    changed = server.must("PUT", f"/v2.0/networks/{network['id']}", body)["network"]

    assert (network["mtu"], changed["mtu"]) == (1400, 1300)


@pytest.mark.extension("dns-integration")
def test_the_names_of_a_port_are_shown_and_a_wrong_one_is_refused(server: ApiServer) -> None:
    network = server.make("network", name=a_name(), dns_domain="cloud.example.")
    server.make("subnet", network_id=network["id"], cidr="10.92.0.0/24", ip_version=4)
    port = server.make("port", network_id=network["id"], dns_name="db")
    path = f"/v2.0/ports/{port['id']}"

    status, error = server.refused("PUT", path, {"port": {"dns_name": "bad_name!"}})
    cleared = server.must("PUT", path, {"port": {"dns_name": ""}})["port"]

    address = port["fixed_ips"][0]["ip_address"]
    assert port["dns_name"] == "db"
    assert port["dns_assignment"] == [
        {"ip_address": address, "hostname": "db", "fqdn": "db.cloud.example."}
    ]
    assert (status, "dns_name" in error["message"]) == (400, True)
    assert cleared["dns_assignment"][0]["hostname"] == f"host-{address.replace('.', '-')}"


def test_the_list_of_extensions_is_that_of_the_table(server: ApiServer) -> None:
    listed = server.must("GET", "/v2.0/extensions")["extensions"]

    assert {one["alias"] for one in listed} == set(ADVERTISED)


def share(server: ApiServer, kind: str, identifier: str) -> None:
    policy = {
        "object_type": kind,
        "object_id": identifier,
        "action": "access_as_shared",
        "target_tenant": "*",
    }
    server.must("POST", "/v2.0/rbac-policies", {"rbac_policy": policy}, user="admin")
