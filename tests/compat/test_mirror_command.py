"""`portlight mirror`, in one go and step by step, and the native face behind it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.support.api_server import AGENT_TOKEN, HOST, ApiServer, Json

from portlight.cli.app import app
from portlight.client.agent import AgentClient, MirrorReport, Report
from portlight.service.caller import Caller

Portlight = Callable[..., Any]


@pytest.fixture
def run(server: ApiServer, tmp_path: Path) -> Callable[..., Result]:
    server.write_state(tmp_path)
    return lambda *words: CliRunner().invoke(app, ["--state", str(tmp_path), *words])


@pytest.fixture
def portlight(run: Callable[..., Result]) -> Portlight:
    def must(*words: str) -> Any:  # noqa: ANN401 -- JSON
        result = run(*words)
        assert result.exit_code == 0, result.output
        return json.loads(result.output) if "--json" in words else {"text": result.output}

    return must


def nics(server: ApiServer, count: int) -> list[str]:
    network, _ = server.a_network_with_subnet()
    return [str(server.make("port", network_id=network["id"])["id"]) for _ in range(count)]


def rules_of(server: ApiServer, filter_id: str) -> list[Json]:
    path = f"/portlight/v1/mirror-filter-rules?mirror_filter_id={filter_id}"
    found: list[Json] = server.must("GET", path)["mirror_filter_rules"]
    return sorted(found, key=lambda rule: (rule["direction"], rule["priority"]))


@pytest.mark.covers("H50")
def test_one_command_sets_up_a_session_and_enables_it(
    server: ApiServer, portlight: Portlight
) -> None:
    source, other, target = nics(server, 3)

    made = portlight(
        "mirror", "create", "web", "--priority", "201", "--source", source, "--source", other,
        "--target", target, "--rule", "reject ingress tcp dport=22",
        "--rule", "accept ingress tcp src=10.0.0.0/8",
        "--rule", "accept,egress,udp,dst=2001:db8::/32,dport=53,priority=7", "--json",
    )  # fmt: skip

    assert made["enabled"] is True
    assert made["source_port_ids"] == [source, other]
    assert made["target_port_id"] == target
    found = rules_of(server, made["mirror_filter_ids"][0])
    assert [(one["direction"], one["priority"], one["action"]) for one in found] == [
        ("egress", 7, "accept"),
        ("ingress", 1, "reject"),
        ("ingress", 2, "accept"),
    ]
    assert (found[0]["ethertype"], found[0]["destination_ports"]) == ("IPv6", "53-53")
    assert (found[2]["source_ip_prefix"], found[2]["protocol"]) == ("10.0.0.0/8", "TCP")


def test_a_set_up_that_fails_leaves_nothing_behind(
    server: ApiServer, run: Callable[..., Result]
) -> None:
    (source,) = nics(server, 1)
    before = server.must("GET", "/portlight/v1/mirror-filters")

    failed = run(
        "mirror", "create", "loop", "--priority", "202", "--source", source, "--target", source,
        "--rule", "accept ingress",
    )  # fmt: skip

    assert failed.exit_code == 1
    assert "cannot be source and target" in failed.output
    assert server.must("GET", "/portlight/v1/mirror-filters") == before


@pytest.mark.covers("H50", "H115", "H116", "H117", "H118", "H121", "H122")
def test_a_session_is_set_up_step_by_step(server: ApiServer, portlight: Portlight) -> None:
    source, other, target = nics(server, 3)
    steps = ("mirror", "session")
    portlight(*steps, "create", "steps", "--priority", "203")
    one = portlight("mirror", "filter", "create", "step-filter", "--json")
    rule = portlight(
        "mirror", "rule", "create", "step-filter", "accept", "ingress", "--priority", "1", "--json"
    )
    portlight(*steps, "set", "steps", "--filter", "step-filter")
    portlight(*steps, "add-source", "steps", source, other)
    portlight(*steps, "set", "steps", "--target", target, "--length", "0", "--budget", "1000")
    portlight(*steps, "enable", "steps")

    shown = portlight(*steps, "show", "steps", "--json")

    assert shown["mirror_filter_ids"] == [one["id"]]
    assert shown["source_port_ids"] == [source, other]
    assert (shown["target_port_id"], shown["enabled"]) == (target, True)
    assert (shown["packet_length"], shown["bytes_per_second"]) == (0, 1000)
    portlight(*steps, "remove-source", "steps", other)
    portlight(*steps, "disable", "steps")
    portlight("mirror", "rule", "set", rule["id"][:13], "--protocol", "icmp", "--priority", "3")
    again = portlight(*steps, "show", "steps", "--json")
    assert (again["source_port_ids"], again["enabled"]) == ([source], False)
    assert portlight("mirror", "rule", "show", rule["id"], "--json")["protocol"] == "ICMP"
    portlight("mirror", "rule", "set", rule["id"], "--protocol", "udp", "--dport", "53")
    portlight("mirror", "rule", "set", rule["id"], "--protocol", "any", "--dport", "any")
    wide = portlight("mirror", "rule", "show", rule["id"], "--json")
    assert (wide["protocol"], wide["destination_ports"]) == ("ALL", None)
    assert "ALL" in portlight("mirror", "rule", "list", "step-filter")["text"]
    assert "steps" in portlight(*steps, "list", "--source", source)["text"]
    portlight(*steps, "delete", "steps")
    portlight("mirror", "rule", "delete", rule["id"])
    portlight("mirror", "filter", "delete", "step-filter")


@pytest.mark.covers("H50")
def test_copies_may_go_to_an_address_outside_the_cloud(
    server: ApiServer, portlight: Portlight, run: Callable[..., Result]
) -> None:
    source, target = nics(server, 2)
    create = ("mirror", "create", "out", "--priority", "205", "--rule", "accept ingress")
    neither = run(*create, "--source", source)
    assert (neither.exit_code, "--target-ip" in neither.output) == (2, True)

    made = portlight(*create, "--source", source, "--target-ip", "192.0.2.9", "--json")

    assert (made["target_ip"], made["target_port_id"]) == ("192.0.2.9", None)
    assert "192.0.2.9" in portlight("mirror", "session", "list", "--source", source)["text"]
    path = f"/portlight/v1/mirror-sessions/{made['id']}"
    for wrong in ("2001:db8::9", "224.0.0.5", "nowhere", ["192.0.2.9"]):
        answer = server.http().put(path, json={"mirror_session": {"target_ip": wrong}})
        assert answer.status_code == 400, wrong
        assert "target_ip" in answer.text
    step = ("mirror", "session", "set", "out")
    assert portlight(*step, "--target", target, "--json")["target_ip"] is None
    portlight(*step, "--target-ip", "192.0.2.10")
    assert server.must("GET", path)["mirror_session"]["target_port_id"] is None
    portlight("mirror", "session", "delete", "out")
    portlight("mirror", "filter", "delete", "out")


@pytest.mark.parametrize(
    "rule", ["mirror ingress", "accept both", "accept ingress tpc", "accept ingress dport="]
)
def test_a_rule_that_cannot_be_read_is_refused(run: Callable[..., Result], rule: str) -> None:
    refused = run(
        "mirror", "create", "x", "--priority", "1", "--source", "a", "--target", "b",
        "--rule", rule,
    )  # fmt: skip

    assert refused.exit_code == 2
    assert rule in refused.output


@pytest.mark.covers("H122")
def test_what_hosts_count_is_shown_by_source_direction_and_outcome(
    server: ApiServer, portlight: Portlight
) -> None:
    source, target = nics(server, 2)
    made = portlight(
        "mirror", "session", "create", "counted", "--priority", "204", "--source", source,
        "--target", target, "--json",
    )  # fmt: skip
    admin = server.http("admin")
    host = AgentClient(url=server.url, host=HOST, token=AGENT_TOKEN)
    (port,) = server.cloud.ports.find(_caller(server), {"id": [source]})

    def say(outcome: str, packets: int, octets: int) -> MirrorReport:
        return MirrorReport(
            session=made["number"], port=port.number, direction="egress", outcome=outcome,
            packets=packets, bytes=octets,
        )  # fmt: skip

    host.report(Report(host=HOST, mirrors=(say("copied", 5, 500), say("truncated", 2, 9))))
    host.report(Report(host=HOST, mirrors=(say("copied", 7, 700), say("no_target", 1, 60))))

    path = f"/portlight/v1/mirror-sessions/{made['id']}/counters"
    ways = {
        one["direction"]: one for one in server.must("GET", path)["mirror_counters"]["counters"]
    }
    assert ways["egress"]["copied"] == {"packets": 7, "bytes": 700}
    assert ways["egress"]["truncated"] == {"packets": 2, "bytes": 9}
    assert ways["egress"]["matched"] == 8
    assert ways["ingress"]["matched"] == 0
    shown = portlight("mirror", "session", "counters", "counted", "--json")
    assert [(one["direction"], one["matched"]) for one in shown] == [("ingress", 0), ("egress", 8)]
    labels = f'session="{made["id"]}",port="{source}",direction="egress",outcome="copied"'
    page = admin.get("/metrics").text
    assert f"portlight_mirror_packets_total{{{labels}}} 7" in page
    assert f"portlight_mirror_bytes_total{{{labels}}} 700" in page
    server.must("DELETE", f"/portlight/v1/mirror-sessions/{made['id']}")
    assert made["id"] not in admin.get("/metrics").text
    host.close()


def _caller(server: ApiServer) -> Caller:
    return server.cloud.authenticate_token(server.http().headers["x-auth-token"])
