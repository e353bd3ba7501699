"""The stock `openstack` command, unmodified, against a server of ours."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_server import PASSWORD, ApiServer

COMMAND = str(Path(sys.executable).with_name("openstack"))
SECONDS = 60

OpenStack = Callable[..., Any]


def a_name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def clouds_file(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cloud = {
        "auth": {
            "auth_url": f"{server.url}/identity/v3",
            "username": "portlight",
            "password": PASSWORD,
            "project_name": "portlight",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "region_name": "RegionOne",
        "identity_api_version": "3",
    }
    file = tmp_path_factory.mktemp("openstack") / "clouds.yaml"
    # JSON is YAML too
    file.write_text(json.dumps({"clouds": {"portlight": cloud}}))
    return file


@pytest.fixture(scope="session")
def openstack(clouds_file: Path) -> OpenStack:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
        "OS_CLIENT_CONFIG_FILE": str(clouds_file),
    }

    def run(*arguments: str, form: str | None = "json") -> Any:  # noqa: ANN401 -- JSON
        wanted = ["-f", form] if form else []
        done = subprocess.run(
            [COMMAND, "--os-cloud", "portlight", *arguments, *wanted],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return json.loads(done.stdout) if form else done.stdout

    return run


@pytest.mark.covers("H66", "H67", "H73", "N17")
def test_networks_subnets_and_ports_live_their_whole_life(openstack: OpenStack) -> None:
    network, subnet, port = a_name("net"), a_name("sub"), a_name("port")
    openstack("network", "create", network)
    openstack(
        "subnet", "create", "--network", network, "--subnet-range", "10.1.0.0/24",
        "--dns-nameserver", "9.9.9.9", subnet,
    )  # fmt: skip
    made = openstack(
        "port", "create", "--network", network,
        "--fixed-ip", f"subnet={subnet},ip-address=10.1.0.50",
        "--allowed-address", "ip-address=10.1.0.99",
        "--security-group", "default", "--tag", "red", port,
    )  # fmt: skip
    openstack(
        "port", "set", "--name", f"{port}-b", "--fixed-ip", "ip-address=10.1.0.60", port, form=None
    )
    openstack(
        "port", "unset", "--fixed-ip", f"subnet={subnet},ip-address=10.1.0.50",
        "--allowed-address", f"ip-address=10.1.0.99,mac-address={made['mac_address']}", f"{port}-b",
        form=None,
    )  # fmt: skip
    shown = openstack("port", "show", f"{port}-b")
    listed = openstack("port", "list", "--network", network, "--tags", "red")
    openstack("port", "delete", f"{port}-b", form=None)
    openstack("subnet", "set", "--gateway", "none", "--no-dhcp", subnet, form=None)
    gateway = openstack("subnet", "show", subnet)["gateway_ip"]
    openstack("network", "delete", network, form=None)
    left = openstack("network", "list", "--name", network)

    assert [one["ip_address"] for one in made["fixed_ips"]] == ["10.1.0.50"]
    assert made["allowed_address_pairs"][0]["ip_address"] == "10.1.0.99"
    assert len(made["security_group_ids"]) == 1
    assert [one["ip_address"] for one in shown["fixed_ips"]] == ["10.1.0.60"]
    assert shown["allowed_address_pairs"] == []
    assert [one["ID"] for one in listed] == [made["id"]]
    assert gateway is None
    assert left == []


@pytest.mark.covers("N9", "N13")
def test_the_switches_of_a_port_are_set_at_creation(openstack: OpenStack) -> None:
    network = a_name("net")
    openstack("network", "create", network)

    bare = openstack("port", "create", "--network", network, "--no-security-group", a_name("port"))
    open_port = openstack(
        "port", "create", "--network", network, "--no-security-group",
        "--disable-port-security", a_name("port"),
    )  # fmt: skip

    assert bare["security_group_ids"] == []
    assert bare["port_security_enabled"] is True
    assert open_port["port_security_enabled"] is False


@pytest.mark.extension("security-group")
@pytest.mark.covers("H91", "H98")
def test_security_groups_and_rules_live_their_whole_life(openstack: OpenStack) -> None:
    group = a_name("group")
    made = openstack("security", "group", "create", "--description", "for the web", group)
    web = openstack(
        "security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "80",
        "--remote-ip", "192.0.2.0/24", "--ingress", group,
    )  # fmt: skip
    peers = openstack(
        "security", "group", "rule", "create", "--protocol", "udp", "--dst-port", "100:200",
        "--remote-group", group, "--egress", "--ethertype", "IPv6", group,
    )  # fmt: skip
    ping = openstack(
        "security", "group", "rule", "create", "--protocol", "icmp", "--icmp-type", "8", group
    )
    listed = openstack("security", "group", "rule", "list", group)
    openstack("security", "group", "rule", "delete", web["id"], peers["id"], form=None)
    openstack("security", "group", "set", "--name", f"{group}-b", group, form=None)
    shown = openstack("security", "group", "show", f"{group}-b")
    openstack("security", "group", "delete", f"{group}-b", form=None)

    assert len(made["rules"]) == 2
    assert (web["port_range_min"], web["remote_ip_prefix"]) == (80, "192.0.2.0/24")
    assert (peers["direction"], peers["ether_type"]) == ("egress", "IPv6")
    assert peers["remote_group_id"] == made["id"]
    assert (ping["port_range_min"], ping["port_range_max"]) == (8, None)
    assert len(listed) == 5
    assert ping["id"] in [rule["id"] for rule in shown["rules"]]
    assert web["id"] not in [rule["id"] for rule in shown["rules"]]


def test_the_command_finds_token_catalog_and_extensions(openstack: OpenStack) -> None:
    token = openstack("token", "issue")
    services = openstack("catalog", "list")
    aliases = [one["Alias"] for one in openstack("extension", "list", "--network")]

    assert token["project_id"]
    assert {one["Type"] for one in services} == {"identity", "network"}
    assert "port-security" in aliases


def test_a_refusal_reaches_the_user_in_our_words(openstack: OpenStack) -> None:
    network = a_name("net")
    openstack("network", "create", network)
    openstack("subnet", "create", "--network", network, "--subnet-range", "10.2.0.0/24", "a")

    with pytest.raises(AssertionError, match="overlaps with subnet"):
        openstack("subnet", "create", "--network", network, "--subnet-range", "10.2.0.0/25", "b")


@pytest.mark.extension("address-group", "security-groups-remote-address-group")
def test_address_groups_live_their_whole_life_and_are_the_remote_side_of_a_rule(
    openstack: OpenStack,
) -> None:
    group, web = a_name("addresses"), a_name("group")
    made = openstack(
        "address", "group", "create", "--address", "192.0.2.1", "--address", "fd00::/48", group
    )
    openstack("address", "group", "set", "--address", "198.51.100.0/24", group, form=None)
    openstack("address", "group", "unset", "--address", "192.0.2.1", group, form=None)
    shown = openstack("address", "group", "show", group)
    openstack("security", "group", "create", web)
    rule = openstack("security", "group", "rule", "create", "--remote-address-group", group, web)
    with pytest.raises(AssertionError, match="is in use on one or more security group rules"):
        openstack("address", "group", "delete", group, form=None)
    openstack("security", "group", "delete", web, form=None)
    openstack("address", "group", "delete", group, form=None)
    listed = openstack("address", "group", "list", "--name", group)

    assert made["addresses"] == ["192.0.2.1/32", "fd00::/48"]
    assert shown["addresses"] == ["fd00::/48", "198.51.100.0/24"]
    assert rule["remote_address_group_id"] == made["id"]
    assert listed == []


@pytest.mark.extension("security-groups-default-rules")
@pytest.mark.covers("P10")
def test_the_template_of_new_groups_is_the_operators(
    server: ApiServer, openstack: OpenStack
) -> None:
    initial = openstack("default", "security", "group", "rule", "list")
    with pytest.raises(AssertionError, match="create_default_security_group_rule"):
        openstack("default", "security", "group", "rule", "create", "--protocol", "tcp")
    template = {"direction": "ingress", "protocol": "icmp"}
    made = server.must(
        "POST",
        "/v2.0/default-security-group-rules",
        {"default_security_group_rule": template},
        user="admin",
    )["default_security_group_rule"]
    shown = openstack("default", "security", "group", "rule", "show", made["id"])
    group = openstack("security", "group", "create", a_name("group"))
    server.must("DELETE", f"/v2.0/default-security-group-rules/{made['id']}", user="admin")

    assert len(initial) == 4
    assert shown["used_in_non_default_sg"] is True
    assert sorted(str(rule["protocol"]) for rule in group["rules"]) == ["None", "None", "icmp"]
