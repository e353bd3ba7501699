"""Instances, virtual IPs and counters over HTTP."""

import pytest
from tests.support.api_server import AGENT_TOKEN, HOST, ApiServer, Json

NATIVE = "/portlight/v1"


def an_instance(server: ApiServer, **fields: object) -> Json:
    made: Json = server.must("POST", f"{NATIVE}/instances", {"instance": fields})["instance"]
    return made


def a_virtual_ip(server: ApiServer, subnet: Json, **fields: object) -> Json:
    body = {"virtual_ip": {"subnet_id": subnet["id"], **fields}}
    made: Json = server.must("POST", f"{NATIVE}/virtual-ips", body)["virtual_ip"]
    return made


def tell(server: ApiServer, **report: object) -> None:
    answer = server.http().post(
        f"{NATIVE}/agent/report",
        json={"host": HOST, **report},
        headers={"X-Agent-Token": AGENT_TOKEN},
    )
    assert answer.status_code == 204, answer.text


def numbers(server: ApiServer) -> dict[str, int]:
    """Return the data plane's numbers of ports and networks by id."""
    answer = server.http().get(
        f"{NATIVE}/agent/changes?host={HOST}", headers={"X-Agent-Token": AGENT_TOKEN}
    )
    return {
        change["id"]: change["entity"]["number"]
        for change in answer.json()["changes"]
        if change["kind"] in ("ports", "networks")
    }


def test_an_instance_is_made_with_its_interfaces_in_order(server: ApiServer) -> None:
    network, subnet = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])

    instance = an_instance(
        server,
        name="web",
        interfaces=[{"port_id": port["id"]}, {"subnet_id": subnet["id"], "ip_address": "10.0.0.9"}],
    )

    first, second = instance["interfaces"]
    assert first["port_id"] == port["id"]
    assert [first["device_index"], second["device_index"]] == [0, 1]
    assert second["fixed_ips"][0]["ip_address"] == "10.0.0.9"
    assert [first["delete_on_termination"], second["delete_on_termination"]] == [False, True]


@pytest.mark.covers("H68", "N20")
@pytest.mark.covers("N20")
def test_only_an_administrator_deletes_a_port_that_is_in_use_and_only_by_force(
    server: ApiServer,
) -> None:
    network, _ = server.a_network_with_subnet()
    instance = an_instance(server, interfaces=[{"network_id": network["id"]}])
    path = f"/v2.0/ports/{instance['interfaces'][0]['port_id']}"

    status, error = server.refused("DELETE", path)
    assert (status, error["type"]) == (409, "PortInUse")
    assert instance["id"] in error["message"]
    assert server.refused("DELETE", path + "?force=detach")[0] == 403
    assert server.refused("DELETE", path + "?force=please")[0] == 400
    server.must("DELETE", path + "?force=detach", user="admin")

    assert server.refused("GET", path)[0] == 404
    left = server.must("GET", f"/portlight/v1/instances/{instance['id']}")["instance"]
    assert left["interfaces"] == []


@pytest.mark.covers("N9", "N12")
def test_the_posture_names_open_ports_and_the_audit_log_who_opened_them(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"], name="router")
    opening = {
        "port_security_enabled": False,
        "security_groups": [],
        "port_security_reason": "it routes",
        "port_security_seconds": 3600,
    }

    changed = server.must("PUT", f"/v2.0/ports/{port['id']}", {"port": opening})["port"]

    assert changed["port_security_reason"] == "it routes"
    assert changed["port_security_until"] is not None
    exposure = server.must("GET", f"/portlight/v1/port-exposures/{port['id']}")["port_exposure"]
    assert exposure["findings"] == [{"exposure": "security_off", "detail": "it routes"}]
    (entry,) = server.must("GET", f"/portlight/v1/audit-entries?object_id={port['id']}")[
        "audit_entries"
    ]
    assert (entry["action"], entry["user_name"]) == ("port_security_off", "portlight")
    assert entry["reason"] == "it routes"


def test_a_port_is_attached_while_running_and_then_cannot_be_deleted(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])
    instance = an_instance(server, name="host")

    body = {"interface": {"port_id": port["id"]}}
    attached = server.must("POST", f"{NATIVE}/instances/{instance['id']}/interfaces", body)
    status, error = server.refused("DELETE", f"/v2.0/ports/{port['id']}")
    server.must("DELETE", f"{NATIVE}/instances/{instance['id']}/interfaces/{port['id']}")

    assert attached["interface"]["device_index"] == 0
    assert (status, error["type"]) == (409, "PortInUse")
    assert instance["id"] in error["message"]
    server.must("DELETE", f"/v2.0/ports/{port['id']}")


def test_an_instance_is_stopped_started_and_rebooted(server: ApiServer) -> None:
    path = f"{NATIVE}/instances/{an_instance(server, name='cycle')['id']}"

    stopped = server.must("POST", f"{path}/stop")["instance"]
    refused, _ = server.refused("POST", f"{path}/reboot")
    started = server.must("POST", f"{path}/start")["instance"]
    rebooted = server.must("POST", f"{path}/reboot")["instance"]
    renewed = server.must("POST", f"{path}/renew")["instance"]

    assert (stopped["power_state"], started["power_state"]) == ("stopped", "running")
    assert refused == 409
    assert rebooted["boot"] > started["boot"]
    assert renewed["renewals"] > rebooted["renewals"]


def test_a_virtual_ip_is_reserved_and_nobody_else_gets_its_address(server: ApiServer) -> None:
    network, subnet = server.a_network_with_subnet()
    virtual_ip = a_virtual_ip(server, subnet, ip_address="10.0.0.100", name="front")

    status, error = server.refused(
        "POST",
        "/v2.0/ports",
        {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.0.0.100"}]}},
    )

    assert virtual_ip["ip_address"] == "10.0.0.100"
    assert (status, error["type"]) == (409, "IpAddressAlreadyAllocated")


@pytest.mark.covers("N8")
def test_a_virtual_ip_as_an_interface_is_refused_with_the_right_call(server: ApiServer) -> None:
    _, subnet = server.a_network_with_subnet()
    virtual_ip = a_virtual_ip(server, subnet)

    status, error = server.refused(
        "POST",
        f"{NATIVE}/instances",
        {"instance": {"name": "x", "interfaces": [{"port_id": virtual_ip["port_id"]}]}},
    )

    assert (status, error["type"]) == (409, "VirtualIpNotAttachable")
    assert f"POST {NATIVE}/virtual-ips/{virtual_ip['id']}/members" in error["message"]


@pytest.mark.covers("N27")
def test_a_member_opens_a_virtual_ip_on_its_port_without_an_administrator(
    server: ApiServer,
) -> None:
    network, subnet = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])
    instance = an_instance(server, name="m", interfaces=[{"port_id": port["id"]}])
    virtual_ip = a_virtual_ip(server, subnet)

    body = {"member": {"port_id": port["id"], "virtual_router_id": 7}}
    opened = server.must("POST", f"{NATIVE}/virtual-ips/{virtual_ip['id']}/members", body)
    member = opened["virtual_ip"]["members"][0]

    assert opened["virtual_ip"]["project_id"] == port["project_id"]
    assert opened["virtual_ip"]["network_id"] == network["id"]
    assert member == {
        "port_id": port["id"],
        "virtual_router_id": 7,
        "device_id": instance["id"],
        "ip_addresses": [port["fixed_ips"][0]["ip_address"]],
    }


@pytest.mark.covers("X1")
def test_the_owner_and_its_moves_are_shown_whoever_moved_it(server: ApiServer) -> None:
    network, subnet = server.a_network_with_subnet()
    ports = [server.make("port", network_id=network["id"]) for _ in range(2)]
    members = [{"port_id": port["id"]} for port in ports]
    virtual_ip = a_virtual_ip(server, subnet, members=members)
    path = f"{NATIVE}/virtual-ips/{virtual_ip['id']}"
    known = numbers(server)

    tell(
        server,
        claims=[
            {
                "network": known[network["id"]],
                "address": virtual_ip["ip_address"],
                "port": known[ports[0]["id"]],
                "mac": ports[0]["mac_address"],
                "kind": "arp",
                "accepted": True,
                "at": 1_767_225_600.25,
            }
        ],
    )
    learned = server.must("GET", f"{path}/state")["virtual_ip_state"]
    moved = server.must("POST", f"{path}/move", {"port_id": ports[1]["id"]})["virtual_ip_state"]

    assert learned["owner_port_id"] == ports[0]["id"]
    assert learned["last_announced_at"] == "2026-01-01T00:00:00.250000Z"
    assert [move["kind"] for move in moved["moves"]] == ["arp", "api"]
    assert moved["owner_port_id"] == ports[1]["id"]


@pytest.mark.covers("X3")
def test_two_members_that_claim_at_once_raise_a_visible_alarm(server: ApiServer) -> None:
    network, subnet = server.a_network_with_subnet()
    ports = [server.make("port", network_id=network["id"]) for _ in range(2)]
    members = [{"port_id": port["id"]} for port in ports]
    virtual_ip = a_virtual_ip(server, subnet, members=members, claim_policy="latest")
    known = numbers(server)
    claims = [
        {
            "network": known[network["id"]],
            "address": virtual_ip["ip_address"],
            "port": known[ports[turn % 2]["id"]],
            "mac": ports[turn % 2]["mac_address"],
            "kind": "vrrp",
            "accepted": True,
            "at": 1_767_225_600.0 + turn * 0.2,
            "priority": 100,
        }
        for turn in range(6)
    ]

    tell(server, claims=claims)

    state = server.must("GET", f"{NATIVE}/virtual-ips/{virtual_ip['id']}/state")
    metrics = server.http().get("/metrics").text
    assert state["virtual_ip_state"]["split_brain"] is True
    assert set(state["virtual_ip_state"]["contenders"]) == {port["id"] for port in ports}
    alarm = f'portlight_virtual_ip_split_brain{{virtual_ip="{virtual_ip["id"]}"}} 1'
    assert alarm in metrics.splitlines()


def test_drops_are_counted_by_reason_in_api_and_metrics(server: ApiServer) -> None:
    network, _ = server.a_network_with_subnet()
    port = server.make("port", network_id=network["id"])
    number = numbers(server)[port["id"]]
    way = {"port": number, "direction": "egress"}

    tell(
        server,
        counters=[
            {**way, "reason": None, "packets": 5, "bytes": 500},
            {**way, "reason": "spoofed_mac", "packets": 3, "bytes": 180},
        ],
    )

    path = f"{NATIVE}/ports/{port['id']}/counters"
    counters = server.must("GET", path)["port_counters"]["counters"]
    metrics = server.http().get("/metrics").text.splitlines()
    expected = {"direction": "egress", "reason": "spoofed_mac", "packets": 3, "bytes": 180}
    assert expected in counters
    labels = f'port="{port["id"]}",direction="egress"'
    assert f'portlight_port_drops_total{{{labels},reason="spoofed_mac"}} 3' in metrics
    assert f"portlight_port_packets_total{{{labels}}} 5" in metrics


def test_the_server_says_that_it_lives(server: ApiServer) -> None:
    assert server.http().get("/healthz").json() == {"status": "ok"}


def test_what_a_host_cannot_do_is_shown_to_administrators(server: ApiServer) -> None:
    tell(server, applied_sequence=3, errors=[{"object": "port 7", "message": "no such link"}])

    seen = server.must("GET", f"{NATIVE}/status")["status"]["hosts"][0]
    known = server.must("GET", f"{NATIVE}/status", user="admin")["status"]["hosts"][0]

    assert (seen["host"], seen["applied_sequence"], seen["failures"]) == (HOST, 3, 1)
    assert "errors" not in seen
    assert known["errors"] == [{"object": "port 7", "message": "no such link"}]
