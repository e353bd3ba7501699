"""VPCs in NHN's spelling over HTTP, beside the same things in the networking face's own."""

import uuid
from collections.abc import Iterator

import pytest
from tests.support.api_server import ApiServer, Json, api_server

CIDRS = (f"10.{number}.0.0/16" for number in range(1, 255))


@pytest.fixture(scope="module")
def vpcs() -> Iterator[ApiServer]:
    """A server of its own: limits and external networks are nobody else's surprise."""
    with api_server() as server:
        yield server


def a_vpc(server: ApiServer, **fields: object) -> Json:
    name = f"vpc-{uuid.uuid4().hex[:8]}"
    vpc: Json = server.make_at("/v2.0/vpcs", "vpc", name=name, cidrv4=next(CIDRS), **fields)
    return vpc


def a_subnet(server: ApiServer, vpc: Json) -> Json:
    cidr = str(vpc["cidrv4"]).replace("/16", "/24")
    made: Json = server.make_at(
        "/v2.0/vpcsubnets", "vpcsubnet", name="a", vpc_id=vpc["id"], cidr=cidr
    )
    return made


def external_network(server: ApiServer) -> str:
    listed = server.must("GET", "/v2.0/vpcs?router:external=true")["vpcs"]
    if listed:
        return str(listed[0]["id"])
    body = {"network": {"name": "public", "router:external": True}}
    network: str = server.must("POST", "/v2.0/networks", body, user="admin")["network"]["id"]
    subnet = {"network_id": network, "cidr": "203.0.113.0/24"}
    server.must("POST", "/v2.0/subnets", {"subnet": subnet}, user="admin")
    return network


@pytest.mark.covers("H52")
def test_a_vpc_has_every_field_of_the_contract(vpcs: ApiServer) -> None:
    vpc = a_vpc(vpcs)

    shown = vpcs.must("GET", f"/v2.0/vpcs/{vpc['id']}")["vpc"]
    listed = vpcs.must("GET", f"/v2.0/vpcs?name={vpc['name']}&router:external=false")["vpcs"]
    detailed = vpcs.must("GET", f"/v2.0/vpcs?id={vpc['id']}&detail=true")["vpcs"]

    assert shown == vpc == detailed[0]
    assert {key: shown[key] for key in ("state", "shared", "router:external", "subnets")} == {
        "state": "available",
        "shared": False,
        "router:external": False,
        "subnets": [],
    }
    (table,) = shown["routingtables"]
    assert (table["name"], table["default_table"]) == (f"vpc-{vpc['id']}", True)
    assert [sorted(one) for one in listed] == [
        ["cidrv4", "create_time", "id", "name", "router:external", "shared", "state", "tenant_id"]
    ]


@pytest.mark.covers("H143")
@pytest.mark.parametrize("cidr", ["10.0.0.0/28", "172.16.0.0/8", "192.253.0.0/24"])
def test_a_block_that_cannot_be_is_refused_in_the_manner_of_the_face(
    vpcs: ApiServer, cidr: str
) -> None:
    status, error = vpcs.refused("POST", "/v2.0/vpcs", {"vpc": {"name": "x", "cidrv4": cidr}})

    assert (status, error["type"]) == (400, "InvalidCidr")
    assert "cidrv4" in error["message"]


@pytest.mark.covers("H54", "H56")
def test_a_subnet_shows_its_vpc_and_the_table_that_it_follows(vpcs: ApiServer) -> None:
    vpc = a_vpc(vpcs)
    subnet = a_subnet(vpcs, vpc)
    table = vpcs.make_at("/v2.0/routingtables", "routingtable", name="own", vpc_id=vpc["id"])
    path = f"/v2.0/vpcsubnets/{subnet['id']}"

    attached = vpcs.must("PUT", f"{path}/attach_routingtable", {"routingtable_id": table["id"]})[
        "vpcsubnet"
    ]
    shown = vpcs.must("GET", f"/v2.0/routingtables/{table['id']}")["routingtable"]
    detached = vpcs.must("PUT", f"{path}/detach_routingtable")["vpcsubnet"]

    assert subnet["vpc"] == {key: vpc[key] for key in ("id", "name", "cidrv4", "state", "shared")}
    assert subnet["gateway"] == str(vpc["cidrv4"]).replace(".0/16", ".1")
    assert subnet["available_ip_count"] == 252
    assert (attached["routingtable"]["id"], attached["routingtable"]["explicit"]) == (
        table["id"],
        True,
    )
    assert shown["subnets"] == [{"id": subnet["id"], "name": "a"}]
    assert (detached["routingtable"]["default_table"], detached["routingtable"]["explicit"]) == (
        True,
        False,
    )


@pytest.mark.covers("H57")
def test_routes_take_bare_bodies_and_the_vpcs_own_is_local(vpcs: ApiServer) -> None:
    vpc = a_vpc(vpcs)
    subnet = a_subnet(vpcs, vpc)
    (table,) = vpcs.must("GET", f"/v2.0/routingtables?vpc_id={vpc['id']}")["routingtables"]
    network = vpcs.must("GET", f"/v2.0/subnets/{subnet['id']}")["subnet"]["network_id"]
    port = vpcs.make("port", network_id=network)
    body = {"routingtable_id": table["id"], "cidr": "172.20.0.0/16", "gateway": port["id"]}

    made = vpcs.must("POST", "/v2.0/routes", body)["route"]
    turned = vpcs.must("PUT", f"/v2.0/routes/{made['id']}", {"gateway": "blackhole"})["route"]
    listed = vpcs.must("GET", f"/v2.0/routes?routingtable_id={table['id']}&mask=16")["routes"]
    local = next(route for route in listed if route["gateway"] == "local")
    status, error = vpcs.refused("DELETE", f"/v2.0/routes/{local['id']}")

    assert (made["gateway"], made["mask"]) == (port["fixed_ips"][0]["ip_address"], 16)
    assert turned["gateway"] == "blackhole"
    assert local["cidr"] == vpc["cidrv4"]
    assert (status, error["type"]) == (409, "RouteIsFixed")


def test_an_internet_gateway_is_attached_and_detached(vpcs: ApiServer) -> None:
    external = external_network(vpcs)
    vpc = a_vpc(vpcs)
    (table,) = vpcs.must("GET", f"/v2.0/routingtables?vpc_id={vpc['id']}")["routingtables"]
    gateway = vpcs.make_at(
        "/v2.0/internetgateways", "internetgateway", name="out", external_network_id=external
    )
    path = f"/v2.0/routingtables/{table['id']}"

    attached = vpcs.must("PUT", f"{path}/attach_gateway", {"gateway_id": gateway["id"]})
    (default,) = [
        route for route in attached["routingtable"]["routes"] if route["cidr"] == "0.0.0.0/0"
    ]
    state = vpcs.must("GET", f"/v2.0/internetgateways/{gateway['id']}")["internetgateway"]
    status, _error = vpcs.refused("DELETE", f"/v2.0/routes/{default['id']}")
    detached = vpcs.must("PUT", f"{path}/detach_gateway")["routingtable"]

    assert attached["routingtable"]["gateway_name"] == "out"
    assert default["gateway_id"] == gateway["id"]
    assert (state["state"], state["routingtable_id"]) == ("available", table["id"])
    assert status == 409
    assert (detached["gateway_id"], len(detached["routes"])) == (None, 1)


def test_a_nat_gateway_is_a_gateway_of_the_tables_of_its_vpc(vpcs: ApiServer) -> None:
    external = external_network(vpcs)
    vpc = a_vpc(vpcs)
    subnet = a_subnet(vpcs, vpc)
    project = vpcs.cloud.authenticate_token(vpcs.http().headers["X-Auth-Token"]).project_id
    taken = {"public_ip": {"network_id": external, "project_id": project}}
    address = vpcs.must("POST", "/portlight/v1/public-ips", taken, user="admin")["public_ip"]
    nat = vpcs.make_at(
        "/v2.0/natgateways",
        "natgateway",
        name="nat",
        vpc_id=vpc["id"],
        subnet_id=subnet["id"],
        floatingips_id=address["id"],
    )
    (table,) = vpcs.must("GET", f"/v2.0/routingtables?vpc_id={vpc['id']}")["routingtables"]
    body = {"routingtable_id": table["id"], "cidr": "0.0.0.0/0", "gateway": nat["id"]}
    route = vpcs.must("POST", "/v2.0/routes", body)["route"]

    path = f"/v2.0/routingtables/{table['id']}/related_gateways"
    related = vpcs.must("GET", path)["related_gateways"]
    status, error = vpcs.refused("DELETE", f"/v2.0/natgateways/{nat['id']}")

    assert (route["gateway"], route["gateway_id"]) == (nat["fixed_ip"], nat["id"])
    assert nat["floating_ip"] == address["public_ip"]
    assert related == [{"id": nat["id"], "name": "nat", "type": "nat_gateway"}]
    assert status == 409
    assert route["id"] in error["detail"]


@pytest.mark.covers("H145")
def test_what_is_made_in_one_face_is_changed_in_the_other(vpcs: ApiServer) -> None:
    vpc = a_vpc(vpcs)
    subnet = a_subnet(vpcs, vpc)

    vpcs.must("PUT", f"/v2.0/subnets/{subnet['id']}", {"subnet": {"name": "renamed"}})
    shown = vpcs.must("GET", f"/v2.0/vpcsubnets?name=renamed&vpc_id={vpc['id']}")["vpcsubnets"]
    network = vpcs.must("GET", f"/v2.0/subnets/{subnet['id']}")["subnet"]["network_id"]
    port = vpcs.make("port", network_id=network)
    status, error = vpcs.refused("DELETE", f"/v2.0/vpcs/{vpc['id']}")
    vpcs.must("DELETE", f"/v2.0/ports/{port['id']}")
    vpcs.must("DELETE", f"/v2.0/vpcs/{vpc['id']}")

    assert [one["id"] for one in shown] == [subnet["id"]]
    assert (status, error["type"]) == (409, "VpcInUse")
    assert port["id"] in error["detail"]
    assert vpcs.http().get(f"/v2.0/networks/{network}").status_code == 404


def test_lists_are_cut_by_limit_and_offset(vpcs: ApiServer) -> None:
    made = [a_vpc(vpcs)["id"] for _ in range(3)]
    query = "limit=2&offset=1&sort_key=id&sort_dir=asc"
    ids = "&".join(f"id={one}" for one in made)

    answer = vpcs.must("GET", f"/v2.0/vpcs?{query}&{ids}")

    assert [one["id"] for one in answer["vpcs"]] == sorted(made)[1:3]
    assert answer["vpcs_links"]


@pytest.mark.covers("H53", "H109")
def test_the_native_face_shows_every_block_and_how_each_hop_fares(vpcs: ApiServer) -> None:
    vpc = a_vpc(vpcs)
    path = f"/portlight/v1/vpcs/{vpc['id']}"
    blocks = [vpc["cidrv4"], "fd00:7::/56"]

    changed = vpcs.must("PUT", path, {"vpc": {"cidrs": blocks}})["vpc"]
    (table,) = vpcs.must("GET", f"/v2.0/routingtables?vpc_id={vpc['id']}")["routingtables"]
    other = a_vpc(vpcs)
    peering = vpcs.make_at(
        "/portlight/v1/peerings", "peering", vpc_id=vpc["id"], peer_vpc_id=other["id"]
    )
    route = vpcs.make_at(
        "/portlight/v1/routes",
        "route",
        route_table_id=table["id"],
        destination=other["cidrv4"],
        next_hop={"id": peering["id"]},
    )

    assert changed["cidrs"] == blocks
    assert (route["next_hop"]["kind"], route["status"]) == ("peering", "active")
    listed = vpcs.must("GET", f"/portlight/v1/routes?route_table_id={table['id']}")["routes"]
    assert sum(one["next_hop"]["kind"] == "local" for one in listed) == 2


@pytest.mark.covers("K1", "K3", "K6")
def test_a_public_address_is_taken_used_and_given_back(vpcs: ApiServer) -> None:
    network = external_network(vpcs)
    vpc = a_vpc(vpcs, external_network_id=network)
    subnet = a_subnet(vpcs, vpc)
    inside = vpcs.must("GET", f"/v2.0/subnets/{subnet['id']}")["subnet"]["network_id"]
    instance = vpcs.make_at(
        "/portlight/v1/instances", "instance", name="web", interfaces=[{"network_id": inside}]
    )
    port = instance["interfaces"][0]["port_id"]
    project = vpcs.cloud.authenticate_token(vpcs.http().headers["X-Auth-Token"]).project_id
    member, manager = vpcs.someone(project, "member"), vpcs.someone(project, "manager")
    path = f"/portlight/v1/instances/{instance['id']}/network-interfaces/{port}/public-ips"
    body = {"public_ip": {"network_id": network}}

    refused = member.post(path, json=body)
    made = manager.post(path, json=body).json()["public_ip"]
    released = manager.delete(f"{path}?release=true&flows=drain")

    assert refused.status_code == 403
    assert "manager" in refused.json()["error"]["message"]
    assert made["status"] == "attaching"
    assert made["related_resource"]["device_name"] == "web"
    assert made["related_resource"]["vpc_id"] == vpc["id"]
    assert released.status_code == 204
    assert manager.get(f"/portlight/v1/public-ips/{made['id']}").status_code == 404
    usage = manager.get("/portlight/v1/usage").json()["usage"]
    assert usage[0]["project_id"] == project
    for client in (member, manager):
        client.close()


def test_the_interfaces_of_a_group_are_a_list_of_their_own(vpcs: ApiServer) -> None:
    network, _ = vpcs.a_network_with_subnet("192.168.9.0/24")
    group = vpcs.make("security_group", name="web")
    port = vpcs.make("port", network_id=network["id"], security_groups=[group["id"]])
    vpcs.make("port", network_id=network["id"])

    path = f"/v2.0/security-group-ports?security_group_id={group['id']}"
    (listed,) = vpcs.must("GET", path)["security_group_ports"]

    assert listed == {key: port[key] for key in listed}
    assert vpcs.refused("GET", "/v2.0/security-group-ports")[0] == 400
