"""The `portlight` command over a real server: names or ids, tables or JSON, errors in one line."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from tests.support.api_server import AGENT_TOKEN, HOST, ApiServer, Json

from portlight.cli.app import app

Portlight = Callable[..., Result]


@pytest.fixture
def portlight(server: ApiServer, tmp_path: Path) -> Portlight:
    server.write_state(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--state", str(tmp_path), *arguments])

    return run


def must(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def made(result: Result) -> Json:
    document: Json = json.loads(must(result))
    return document


def a_name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def a_subnet(portlight: Portlight) -> tuple[str, str]:
    vpc, subnet = a_name("vpc"), a_name("sub")
    must(portlight("vpc", "create", vpc))
    must(portlight("subnet", "create", subnet, "--vpc", vpc, "--cidr", "10.4.0.0/24"))
    return vpc, subnet


def test_a_router_joins_subnets_and_leads_outside_by_name(
    portlight: Portlight, server: ApiServer
) -> None:
    public, name = a_name("public"), a_name("router")
    wide = {"name": public, "router:external": True}
    network = server.must("POST", "/v2.0/networks", {"network": wide}, "admin")["network"]["id"]
    pool = {"network_id": network, "cidr": "198.18.0.0/24", "enable_dhcp": False}
    server.must("POST", "/v2.0/subnets", {"subnet": pool}, "admin")
    _, subnet = a_subnet(portlight)

    must(portlight("router", "create", name))
    must(portlight("router", "add-subnet", name, subnet))
    led = made(portlight("router", "set-gateway", name, public, "--json"))
    routes = must(portlight("router", "routes", name, "--add", "10.9.0.0/16=10.4.0.9"))
    refused = portlight("router", "delete", name)
    must(portlight("router", "routes", name, "--remove", "10.9.0.0/16=10.4.0.9"))
    must(portlight("router", "remove-subnet", name, subnet))
    must(portlight("router", "set-gateway", name, "none"))
    must(portlight("router", "delete", name))
    server.must("DELETE", f"/v2.0/networks/{network}", None, "admin")

    assert led["external_gateway_info"]["external_fixed_ips"][0]["ip_address"] == "198.18.0.2"
    assert "10.9.0.0/16" in routes
    assert refused.exit_code == 1
    assert "still has ports" in refused.output


@pytest.mark.covers("H66", "H67", "H73", "N17")
def test_a_nic_is_made_shown_changed_and_deleted_by_name(portlight: Portlight) -> None:
    vpc, subnet = a_subnet(portlight)
    name = a_name("nic")

    created = made(
        portlight("nic", "create", name, "--subnet", subnet, "--ip", "10.4.0.9", "--json")
    )
    changed = made(
        portlight("nic", "set", name, "--name", f"{name}-b", "--ip", "10.4.0.10", "--json")
    )
    table = must(portlight("nic", "list", "--vpc", vpc))
    must(portlight("nic", "delete", f"{name}-b"))
    after = must(portlight("nic", "list", "--vpc", vpc, "--json"))

    assert created["fixed_ips"][0]["ip_address"] == "10.4.0.9"
    assert changed["fixed_ips"][0]["ip_address"] == "10.4.0.10"
    assert f"{name}-b" in table
    assert created["id"] in table
    assert created["id"] not in after


@pytest.mark.covers("N9", "N12")
def test_security_is_switched_off_with_a_reason_and_an_end_and_the_posture_shows_it(
    portlight: Portlight,
) -> None:
    _, subnet = a_subnet(portlight)
    name = a_name("nic")
    must(portlight("nic", "create", name, "--subnet", subnet))
    off = ("nic", "set", name, "--no-port-security", "--no-sg", "--json")

    without = portlight(*off)
    opened = made(portlight(*off, "--reason", "a capture", "--for", "5"))
    posture = json.loads(must(portlight("nic", "posture", "--json")))

    assert without.exit_code == 2
    assert "--reason" in without.output
    assert opened["port_security_until"] is not None
    (exposure,) = [one for one in posture if one["port_id"] == opened["id"]]
    assert exposure["findings"] == [{"exposure": "security_off", "detail": "a capture"}]


def test_pairs_are_added_and_removed_one_by_one(portlight: Portlight) -> None:
    _, subnet = a_subnet(portlight)
    name = a_name("nic")
    must(portlight("nic", "create", name, "--subnet", subnet))

    must(portlight("nic", "pair", "add", name, "10.4.0.100"))
    two = made(portlight("nic", "pair", "add", name, "10.5.0.0/16", "--json"))
    one = made(portlight("nic", "pair", "remove", name, "10.4.0.100", "--json"))
    missing = portlight("nic", "pair", "remove", name, "10.4.0.100")

    assert [pair["ip_address"] for pair in two["allowed_address_pairs"]] == [
        "10.4.0.100",
        "10.5.0.0/16",
    ]
    assert [pair["ip_address"] for pair in one["allowed_address_pairs"]] == ["10.5.0.0/16"]
    assert missing.exit_code == 1


@pytest.mark.covers("H91", "H98")
def test_rules_are_added_listed_and_deleted(portlight: Portlight) -> None:
    group = a_name("sg")
    must(portlight("sg", "create", group, "--established-flows", "keep"))
    rule = made(
        portlight("sg", "rule", "add", group, "--protocol", "tcp", "--port", "80-90", "--json")
    )
    must(portlight("sg", "rule", "add", group, "--protocol", "icmp", "--port", "3:4"))

    listed = must(portlight("sg", "rule", "list", group))
    must(portlight("sg", "rule", "delete", rule["id"]))
    left = must(portlight("sg", "rule", "list", group))

    assert "80-90" in listed
    assert "type 3 code 4" in listed
    assert rule["id"] not in left


@pytest.mark.covers("X1", "N27")
def test_a_virtual_ip_gets_members_and_moves(portlight: Portlight) -> None:
    _, subnet = a_subnet(portlight)
    vip, nic = a_name("vip"), a_name("nic")
    must(portlight("vip", "create", vip, "--subnet", subnet, "--ip", "10.4.0.200"))
    port = made(portlight("nic", "create", nic, "--subnet", subnet, "--json"))

    member = made(portlight("vip", "member", "add", vip, nic, "--vrid", "5", "--json"))
    must(portlight("vip", "move", vip, nic))
    state = made(portlight("vip", "status", vip, "--json"))
    history = must(portlight("vip", "history", vip))
    must(portlight("vip", "member", "remove", vip, nic))
    after = made(portlight("vip", "show", vip, "--json"))

    assert member["members"][0]["virtual_router_id"] == 5
    assert state["owner_port_id"] == port["id"]
    assert "api" in history
    assert after["members"] == []


@pytest.mark.covers("H68")
def test_an_instance_gets_and_loses_an_interface(portlight: Portlight) -> None:
    _, subnet = a_subnet(portlight)
    instance, nic = a_name("vm"), a_name("nic")
    must(portlight("nic", "create", nic, "--subnet", subnet))
    must(portlight("instance", "create", instance, "--subnet", subnet))

    must(portlight("instance", "attach", instance, nic))
    two = made(portlight("instance", "show", instance, "--json"))
    must(portlight("instance", "detach", instance, nic))
    one = made(portlight("instance", "show", instance, "--json"))
    rebooted = made(portlight("instance", "reboot", instance, "--json"))
    renewed = made(portlight("instance", "renew", instance, "--json"))
    must(portlight("instance", "delete", instance))

    assert [interface["device_index"] for interface in two["interfaces"]] == [0, 1]
    assert len(one["interfaces"]) == 1
    assert rebooted["boot"] == 2
    assert renewed["renewals"] == 1


def test_what_was_dropped_is_shown_with_its_reason(server: ApiServer, portlight: Portlight) -> None:
    _, subnet = a_subnet(portlight)
    port = made(portlight("nic", "create", a_name("nic"), "--subnet", subnet, "--json"))
    headers = {"X-Agent-Token": AGENT_TOKEN}
    snapshot = server.http().get(f"/portlight/v1/agent/changes?host={HOST}", headers=headers)
    number = next(
        one["entity"]["number"]
        for one in snapshot.json()["changes"]
        if one["id"] == port["id"] and one["kind"] == "ports"
    )
    count = {"port": number, "direction": "egress", "packets": 42, "bytes": 4200}
    report = {"host": HOST, "counters": [{**count, "reason": "spoofed_ipv4"}]}
    server.http().post("/portlight/v1/agent/report", json=report, headers=headers)

    drops = must(portlight("nic", "drops", port["id"]))

    assert "spoofed_ipv4" in drops
    assert "42" in drops


def test_an_instance_without_a_process_cannot_be_entered(portlight: Portlight) -> None:
    name = a_name("vm")
    must(portlight("instance", "create", name))

    result = portlight("exec", name, "--", "true")

    assert result.exit_code == 1
    assert "no process" in result.output


def test_a_name_that_two_things_have_asks_for_the_id(portlight: Portlight) -> None:
    name = a_name("vpc")
    first = made(portlight("vpc", "create", name, "--json"))
    must(portlight("vpc", "create", name))

    by_name = portlight("vpc", "show", name)
    by_id = portlight("vpc", "show", first["id"])

    assert by_name.exit_code == 1
    assert "id" in by_name.output
    assert by_id.exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("vpc", "show", "nothing-of-this-name"),
        ("subnet", "create", "x", "--vpc", "nothing-of-this-name", "--cidr", "10.0.0.0/24"),
        ("vpc", "create", "x", "--mtu", "5"),
        ("nic", "list", "--state", "/nonexistent"),
    ],
    ids=" ".join,
)
def test_an_error_is_one_line_and_status_one(
    portlight: Portlight, arguments: tuple[str, ...]
) -> None:
    result = portlight(*arguments)

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1


def test_a_server_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    stored = {
        "auth_url": "http://127.0.0.1:1/identity/v3",
        "username": "u",
        "password": "p",
        "project_name": "p",
    }
    (tmp_path / "credentials.json").write_text(json.dumps(stored))

    result = CliRunner().invoke(app, ["--state", str(tmp_path), "vpc", "list"])

    assert result.exit_code == 1
    assert "portlight up" in result.output


def test_the_token_is_kept_in_private_and_replaced_when_it_is_no_good(
    portlight: Portlight, tmp_path: Path
) -> None:
    must(portlight("vpc", "list"))
    kept = tmp_path / "token.json"
    first = kept.read_text()
    must(portlight("vpc", "list"))
    again = kept.read_text()
    kept.write_text(first.replace(json.loads(first)["token"], "0" * 32))

    must(portlight("vpc", "list"))

    assert first == again
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "0" * 32 not in kept.read_text()


def test_the_folder_before_a_command_counts_for_the_verbs_of_the_service_too(
    tmp_path: Path,
) -> None:
    @click.command("where")
    @click.option("--state", default="/somewhere/else")
    def where(state: str) -> None:
        click.echo(state)

    app.add_command(where)
    try:
        before = CliRunner().invoke(app, ["--state", str(tmp_path), "where"])
        after = CliRunner().invoke(app, ["where", "--state", str(tmp_path)])
    finally:
        del app.commands["where"]

    assert before.output.strip() == str(tmp_path)
    assert after.output.strip() == str(tmp_path)
