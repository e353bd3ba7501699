"""The stock `openstack` command on pools, scopes, IPv6, zones, agents and used addresses."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_server import HOST, PASSWORD, ApiServer

from portlight.values.ids import HostName

COMMAND = str(Path(sys.executable).with_name("openstack"))
SECONDS = 60

Session = Callable[..., list[Any]]


def a_name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def answers_in(text: str) -> list[Any]:
    """Return the JSON documents that a session printed; its prompts are left out."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (start := _first_bracket(text, at)) is not None:
        document, at = decoder.raw_decode(text, start)
        found.append(document)
    return found


def _first_bracket(text: str, at: int) -> int | None:
    return min((place for place in (text.find(c, at) for c in "[{") if place >= 0), default=None)


@pytest.fixture(scope="module")
def session(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Run several commands in one process, as one types them at its prompt."""
    file = tmp_path_factory.mktemp("openstack") / "clouds.yaml"
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
        for user in ("portlight", "admin")
    }
    # JSON is YAML too
    file.write_text(json.dumps({"clouds": clouds}))
    known = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}

    def run(*lines: str, cloud: str = "portlight") -> list[Any]:
        done = subprocess.run(
            [COMMAND, "--os-cloud", cloud],
            env={**known, "OS_CLIENT_CONFIG_FILE": str(file), "TERM": "dumb"},
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert not done.stderr.strip(), done.stderr
        return answers_in(done.stdout)

    return run


@pytest.mark.extension(
    "address-scope", "subnet_allocation", "subnet_onboard", "network_availability_zone"
)
def test_pools_scopes_and_ipv6_subnets_live_their_whole_life(session: Session) -> None:
    scope, pool, plain, pooled = map(a_name, ("scope", "pool", "net", "net"))
    first, second, six, port = map(a_name, ("sub", "sub", "sub", "port"))

    made, filled, placed, shown, joined, held, listed, auto, answer = session(
        f"address scope create {scope} --ip-version 4 -f json",
        f"subnet pool create {pool} --pool-prefix 10.30.0.0/16 --default-prefix-length 26"
        f" --address-scope {scope} --default-quota 4096 --tag blue -f json",
        f"network create {pooled} -f value -c name",
        f"subnet create {first} --network {pooled} --subnet-pool {pool} -f json",
        f"network show {pooled} -f json",
        f"network create {plain} --dns-domain cloud.example. --availability-zone-hint nova"
        " -f value -c name",
        f"subnet create {second} --network {plain} --subnet-range 10.32.0.0/24 -f value -c id",
        f"subnet pool add network {plain} {pool}",
        f"subnet show {second} -f json",
        f"subnet pool set {pool} --pool-prefix 10.31.0.0/16 --description wide",
        f"subnet pool show {pool} -f json",
        f"subnet pool list --name {pool} --long -f json",
        f"subnet create {six} --network {plain} --subnet-range fd00:77::/64 --ip-version 6"
        " --ipv6-ra-mode slaac --ipv6-address-mode slaac -f json",
        f"port create {port} --network {plain} --mac-address fa:16:3e:01:02:03"
        f" --fixed-ip subnet={six} -f json",
        f"port delete {port}",
        f"network delete {plain} {pooled}",
        f"subnet pool delete {pool}",
        f"address scope delete {scope}",
    )

    assert (made["ip_version"], made["shared"]) == (4, False)
    assert (filled["prefixes"], filled["address_scope_id"]) == (["10.30.0.0/16"], made["id"])
    assert (placed["cidr"], placed["subnetpool_id"]) == ("10.30.0.0/26", filled["id"])
    assert shown["ipv4_address_scope"] == made["id"]
    assert joined["subnetpool_id"] == filled["id"]
    assert (held["prefixes"], held["description"]) == (["10.30.0.0/15", "10.32.0.0/24"], "wide")
    assert [one["Name"] for one in listed] == [pool]
    assert (auto["ipv6_ra_mode"], auto["ipv6_address_mode"]) == ("slaac", "slaac")
    assert [one["ip_address"] for one in answer["fixed_ips"]] == ["fd00:77::f816:3eff:fe01:203"]


@pytest.mark.extension("agent", "availability_zone", "network-ip-availability", "service-type")
def test_administrators_see_hosts_zones_and_used_addresses(
    session: Session, server: ApiServer
) -> None:
    server.cloud.changes_after(HostName(HOST), None)
    (agent,) = (one["id"] for one in server.must("GET", "/v2.0/agents", user="admin")["agents"])
    network, _ = server.a_network_with_subnet("10.34.0.0/24")
    server.make("port", network_id=network["id"])

    listed, shown, providers, used, zones, outside = session(
        "network agent list -f json",
        f"network agent set {agent} --description rack-7",
        f"network agent show {agent} -f json",
        "network service provider list -f json",
        f"ip availability show {network['name']} -f json",
        "availability zone list --network -f json",
        f"network create {a_name('out')} --external --share -f json",
        cloud="admin",
    )

    assert [(one["Host"], one["Alive"], one["Availability Zone"]) for one in listed] == [
        (HOST, True, "nova")
    ]
    assert (shown["description"], shown["binary"]) == ("rack-7", "portlight-agent")
    assert providers == []
    assert (used["used_ips"], used["total_ips"]) == (1, 253)
    assert [(zone["Zone Name"], zone["Zone Status"]) for zone in zones] == [("nova", "available")]
    assert (outside["router:external"], outside["shared"]) == (True, True)
    assert outside["provider:network_type"] == "local"
    assert server.must("GET", "/v2.0/agents")["agents"] == []
    assert server.http().get(f"/v2.0/agents/{agent}").status_code == 404
    server.must("DELETE", f"/v2.0/networks/{outside['id']}", user="admin")


NOWHERE = "00000000-0000-0000-0000-00000000dead"
POOL: dict[str, Any] = {"name": "pool", "prefixes": ["10.40.0.0/16"]}


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("subnetpools", {"subnetpool": {"prefixes": ["10.0.0.0/8"]}}, 400, "HTTPBadRequest"),
        ("subnetpools", {"subnetpool": POOL | {"name": ""}}, 400, "HTTPBadRequest"),
        ("subnetpools", {"subnetpool": POOL | {"prefixes": []}}, 400, "EmptySubnetPoolPrefixList"),
        (
            "subnetpools",
            {"subnetpool": POOL | {"prefixes": ["10.0.0.0/8", "fd00::/8"]}},
            400,
            "PrefixVersionMismatch",
        ),
        (
            "subnetpools",
            {"subnetpool": POOL | {"default_prefixlen": 40}},
            400,
            "IllegalSubnetPoolPrefixBounds",
        ),
        ("subnetpools", {"subnetpool": POOL | {"shared": True}}, 403, "PolicyNotAuthorized"),
        (
            "subnetpools",
            {"subnetpool": POOL | {"address_scope_id": NOWHERE}},
            404,
            "AddressScopeNotFound",
        ),
        ("address-scopes", {"address_scope": {"ip_version": 5}}, 400, "HTTPBadRequest"),
        ("address-scopes", {"address_scope": {"name": "no version"}}, 400, "HTTPBadRequest"),
        ("agents", {"agent": {"description": "mine"}}, 400, "InvalidInput"),
        (
            "networks",
            {"network": {"availability_zone_hints": ["moon"]}},
            404,
            "AvailabilityZoneNotFound",
        ),
        ("networks", {"network": {"router:external": True}}, 403, "PolicyNotAuthorized"),
    ],
)
def test_a_refusal_names_what_is_wrong_as_neutron_does(
    server: ApiServer, path: str, body: dict[str, Any], status: int, kind: str
) -> None:
    answered, error = server.refused("POST", f"/v2.0/{path}", body)

    assert (answered, error["type"]) == (status, kind)


@pytest.mark.extension("subnetpool-prefix-ops")
def test_prefixes_come_and_go_over_http_and_a_used_one_stays(server: ApiServer) -> None:
    pool = server.make("subnetpool", **POOL)
    network = server.make("network")
    server.make("subnet", network_id=network["id"], subnetpool_id=pool["id"], prefixlen=24)
    path = f"/v2.0/subnetpools/{pool['id']}"

    grown = server.must("PUT", f"{path}/add_prefixes", {"prefixes": ["10.41.0.0/16"]})
    shrunk = server.must("PUT", f"{path}/remove_prefixes", {"prefixes": ["10.40.128.0/17"]})
    status, error = server.refused("PUT", f"{path}/remove_prefixes", {"prefixes": ["10.40.0.0/24"]})
    empty, _ = server.refused("PUT", f"{path}/add_prefixes", {"prefixes": []})

    assert grown == {"prefixes": ["10.40.0.0/15"]}
    assert shrunk == {"prefixes": ["10.40.0.0/17", "10.41.0.0/16"]}
    assert (status, error["type"], empty) == (400, "IllegalSubnetPoolPrefixUpdate", 400)
    assert server.refused("DELETE", path)[1]["type"] == "SubnetPoolDeleteError"


@pytest.mark.extension("network-ip-availability")
def test_used_addresses_of_a_huge_subnet_are_numbers(server: ApiServer) -> None:
    network = server.make("network", name=a_name("huge"))
    server.make("subnet", network_id=network["id"], cidr="fd00:99::/32", enable_dhcp=False)
    path = "/v2.0/network-ip-availabilities"

    one = server.must("GET", f"{path}/{network['id']}", user="admin")["network_ip_availability"]
    six = server.must("GET", f"{path}?ip_version=6&network_id={network['id']}", user="admin")
    four = server.must("GET", f"{path}?ip_version=4&network_id={network['id']}", user="admin")

    assert one["total_ips"] == (1 << 96) - 2
    assert one["subnet_ip_availability"][0]["cidr"] == "fd00:99::/32"
    assert [two["network_id"] for two in six["network_ip_availabilities"]] == [network["id"]]
    assert four["network_ip_availabilities"] == []
    assert server.must("GET", path)["network_ip_availabilities"] == []
