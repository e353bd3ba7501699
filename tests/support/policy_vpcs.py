"""The rows of the policy that speak of VPCs (`tests/compat/test_policy_table.py`)."""

import itertools

from tests.support.policy_stage import Json, Row, Stage, named

from portlight.core.drafts_routing import FloatingIpDraft
from portlight.values.ids import NetworkId

NATIVE = "/portlight/v1"
TABLE = "/v2.0/routingtables/{route_table}"
ROUTE = "/v2.0/routes/{route}"
GATEWAY = "/v2.0/internetgateways/{internet_gateway}"
NAT = "/v2.0/natgateways/{nat_gateway}"
PUBLIC_IP = f"{NATIVE}/public-ips/{{public_ip}}"
ON_INTERFACE = f"{PUBLIC_IP}/network-interfaces/{{reachable}}"
PEERING = f"{NATIVE}/peerings/{{peering}}"
BLOCKS = itertools.count(1)
"""No two VPCs of the stage share addresses."""


def make_vpc(stage: Stage, key: str = "vpc") -> str:
    stage.ids[key] = stage.make("/v2.0/vpcs", name="vpc", cidrv4=f"10.{next(BLOCKS) % 256}.0.0/16")
    return stage.ids[key]


def block_of(stage: Stage) -> str:
    vpc = stage.by("member", "GET", f"/v2.0/vpcs/{stage.ids['vpc']}").json()["vpc"]
    return str(vpc["cidrv4"])


def make_subnet(stage: Stage) -> None:
    make_vpc(stage)
    cidr = block_of(stage).replace("/16", "/24")
    vpc = stage.ids["vpc"]
    stage.ids["vpc_subnet"] = stage.make("/v2.0/vpcsubnets", name="a", vpc_id=vpc, cidr=cidr)


def make_table(stage: Stage) -> None:
    vpc = make_vpc(stage)
    stage.ids["route_table"] = stage.make("/v2.0/routingtables", name="private", vpc_id=vpc)


def a_route(stage: Stage) -> Json:
    table = stage.ids["route_table"]
    return {"route": {"routingtable_id": table, "cidr": "172.20.0.0/16", "gateway": "blackhole"}}


def make_route(stage: Stage) -> None:
    make_table(stage)
    stage.ids["route"] = stage.make("/v2.0/routes", **a_route(stage)["route"])


def make_external(stage: Stage) -> str:
    """Make one external network for the whole stage."""
    if "external" not in stage.ids:
        fields = {"router:external": True, "name": "public"}
        stage.ids["external"] = stage.make("/v2.0/networks", "admin", **fields)
        network = stage.ids["external"]
        stage.make("/v2.0/subnets", "admin", network_id=network, cidr="198.18.0.0/16")
    return stage.ids["external"]


def a_gateway(stage: Stage) -> Json:
    return {"internetgateway": {"name": "out", "external_network_id": stage.ids["external"]}}


def make_gateway(stage: Stage) -> None:
    make_external(stage)
    make_table(stage)
    made = stage.make("/v2.0/internetgateways", **a_gateway(stage)["internetgateway"])
    stage.ids["internet_gateway"] = made


def make_attached_gateway(stage: Stage) -> None:
    make_gateway(stage)
    body = {"gateway_id": stage.ids["internet_gateway"]}
    answer = stage.by("member", "PUT", stage.path(TABLE) + "/attach_gateway", body)
    assert answer.status_code == 200, answer.text


def a_nat_gateway(stage: Stage) -> Json:
    ids = stage.ids
    return {
        "natgateway": {
            "name": "nat",
            "vpc_id": ids["vpc"],
            "subnet_id": ids["vpc_subnet"],
            "floatingips_id": ids["nat_address"],
        }
    }


def prepare_nat_gateway(stage: Stage) -> None:
    network = NetworkId(make_external(stage))
    make_subnet(stage)
    cloud = stage.server.cloud
    caller = cloud.authenticate_token(stage.clients["member"].headers["X-Auth-Token"])
    taken = cloud.floating_ips.create(caller, FloatingIpDraft(floating_network_id=network))
    stage.ids["nat_address"] = taken.id


def make_nat_gateway(stage: Stage) -> None:
    prepare_nat_gateway(stage)
    fields = a_nat_gateway(stage)["natgateway"]
    stage.ids["nat_gateway"] = stage.make("/v2.0/natgateways", **fields)


def two_vpcs(stage: Stage) -> None:
    make_vpc(stage)
    make_vpc(stage, "other_vpc")


def a_peering(stage: Stage) -> Json:
    return {
        "peering": {"vpc_id": stage.ids["vpc"], "peer_vpc_id": stage.ids["other_vpc"]},
    }


def make_peering(stage: Stage) -> None:
    two_vpcs(stage)
    stage.ids["peering"] = stage.make(f"{NATIVE}/peerings", **a_peering(stage)["peering"])


def ask_for_peering(stage: Stage) -> None:
    """Let the strangers ask the owner, whose word it is then."""
    make_vpc(stage)
    theirs = stage.make(
        "/v2.0/vpcs", "stranger", name="far", cidrv4=f"10.{next(BLOCKS) % 256}.0.0/16"
    )
    stage.ids["peering"] = stage.make(
        f"{NATIVE}/peerings",
        "stranger",
        vpc_id=theirs,
        peer_vpc_id=stage.ids["vpc"],
        peer_project_id=stage.projects["owner"],
    )


def make_reachable_port(stage: Stage) -> None:
    make_attached_gateway(stage)
    vpc, cidr = stage.ids["vpc"], block_of(stage).replace("/16", "/24")
    subnet = stage.make("/v2.0/vpcsubnets", name="a", vpc_id=vpc, cidr=cidr)
    network = stage.by("member", "GET", f"/v2.0/subnets/{subnet}").json()["subnet"]["network_id"]
    stage.ids["reachable"] = stage.make("/v2.0/ports", network_id=network)


def make_public_ip(stage: Stage) -> None:
    network = make_external(stage)
    stage.ids["public_ip"] = stage.make(f"{NATIVE}/public-ips", "manager", network_id=network)


def public_ip_and_port(stage: Stage) -> None:
    make_reachable_port(stage)
    make_public_ip(stage)


def associated_public_ip(stage: Stage) -> None:
    public_ip_and_port(stage)
    answer = stage.by("manager", "PUT", stage.path(ON_INTERFACE))
    assert answer.status_code == 200, answer.text


PUBLIC_IP_ROWS = (
    Row(
        action="get_public_ip",
        call=f"GET {PUBLIC_IP}",
        expect="200 200 200 200 404 404",
        before=make_public_ip,
    ),
    Row(
        action="create_public_ip",
        call=f"POST {NATIVE}/public-ips",
        expect="201 201 403 403 403 403",
        body=lambda stage: {"public_ip": {"network_id": stage.ids["external"]}},
        before=make_external,
    ),
    Row(
        action="update_public_ip",
        call=f"PUT {PUBLIC_IP}",
        expect="200 200 403 403 404 404",
        body=named("public_ip"),
        before=make_public_ip,
    ),
    Row(
        action="delete_public_ip",
        call=f"DELETE {PUBLIC_IP}",
        expect="204 204 403 403 404 404",
        before=make_public_ip,
    ),
    Row(
        action="associate_public_ip",
        call=f"PUT {ON_INTERFACE}",
        expect="200 200 403 403 404 404",
        before=public_ip_and_port,
    ),
    Row(
        action="disassociate_public_ip",
        call=f"DELETE {ON_INTERFACE}",
        expect="204 204 403 403 404 404",
        before=associated_public_ip,
    ),
    Row(action="get_usage", call=f"GET {NATIVE}/usage", expect="200 200 200 200 200 200"),
    Row(action="get_orphan", call=f"GET {NATIVE}/orphans", expect="200 200 200 200 200 200"),
)

VPC_ROWS = (
    *PUBLIC_IP_ROWS,
    Row(
        action="get_route_table",
        call=f"GET {TABLE}",
        expect="200 200 200 200 404 404",
        before=make_table,
    ),
    Row(
        action="create_route_table",
        call="POST /v2.0/routingtables",
        expect="201 201 201 403 404 404",
        body=lambda stage: {"routingtable": {"name": "more", "vpc_id": stage.ids["vpc"]}},
        before=make_vpc,
    ),
    Row(
        action="update_route_table",
        call=f"PUT {TABLE}",
        expect="200 200 200 403 404 404",
        body=named("routingtable"),
        before=make_table,
    ),
    Row(
        action="delete_route_table",
        call=f"DELETE {TABLE}",
        expect="204 204 204 403 404 404",
        before=make_table,
    ),
    Row(
        action="get_route",
        call=f"GET {ROUTE}",
        expect="200 200 200 200 404 404",
        before=make_route,
    ),
    Row(
        action="create_route",
        call="POST /v2.0/routes",
        expect="201 201 201 403 404 404",
        body=a_route,
        before=make_table,
    ),
    Row(
        action="update_route",
        call=f"PUT {ROUTE}",
        expect="200 200 200 403 404 404",
        body=lambda _: {"description": "new"},
        before=make_route,
    ),
    Row(
        action="delete_route",
        call=f"DELETE {ROUTE}",
        expect="204 204 204 403 404 404",
        before=make_route,
    ),
    Row(
        action="get_internet_gateway",
        call=f"GET {GATEWAY}",
        expect="200 200 200 200 404 404",
        before=make_gateway,
    ),
    Row(
        action="create_internet_gateway",
        call="POST /v2.0/internetgateways",
        expect="201 201 201 403 201 201",
        body=a_gateway,
        before=make_external,
    ),
    Row(
        action="update_internet_gateway",
        call=f"PUT {GATEWAY}",
        expect="200 200 200 403 404 404",
        body=named("internetgateway"),
        before=make_gateway,
    ),
    Row(
        action="delete_internet_gateway",
        call=f"DELETE {GATEWAY}",
        expect="204 204 204 403 404 404",
        before=make_gateway,
    ),
    Row(
        action="attach_internet_gateway",
        call=f"PUT {TABLE}/attach_gateway",
        expect="200 200 200 403 404 404",
        body=lambda stage: {"gateway_id": stage.ids["internet_gateway"]},
        before=make_gateway,
    ),
    Row(
        action="detach_internet_gateway",
        call=f"PUT {TABLE}/detach_gateway",
        expect="200 200 200 403 404 404",
        before=make_attached_gateway,
    ),
    Row(
        action="get_nat_gateway",
        call=f"GET {NAT}",
        expect="200 200 200 200 404 404",
        before=make_nat_gateway,
    ),
    Row(
        action="create_nat_gateway",
        call="POST /v2.0/natgateways",
        expect="201 201 201 403 404 404",
        body=a_nat_gateway,
        before=prepare_nat_gateway,
    ),
    Row(
        action="update_nat_gateway",
        call=f"PUT {NAT}",
        expect="200 200 200 403 404 404",
        body=named("natgateway"),
        before=make_nat_gateway,
    ),
    Row(
        action="delete_nat_gateway",
        call=f"DELETE {NAT}",
        expect="204 204 204 403 404 404",
        before=make_nat_gateway,
    ),
    Row(
        action="get_peering",
        call=f"GET {PEERING}",
        expect="200 200 200 200 404 404",
        before=make_peering,
    ),
    Row(
        action="create_peering",
        call=f"POST {NATIVE}/peerings",
        expect="201 201 201 403 404 404",
        body=a_peering,
        before=two_vpcs,
    ),
    Row(
        action="update_peering",
        call=f"PUT {PEERING}",
        expect="200 200 200 403 404 404",
        body=named("peering"),
        before=make_peering,
    ),
    Row(
        action="delete_peering",
        call=f"DELETE {PEERING}",
        expect="204 204 204 403 404 404",
        before=make_peering,
    ),
    Row(
        action="answer_peering",
        call=f"POST {PEERING}/accept",
        # who has asked cannot answer himself
        expect="200 200 200 403 403 404",
        before=ask_for_peering,
    ),
)
