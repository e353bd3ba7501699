"""Traffic mirroring as the stock SDK drives it: signed requests, typed answers, its exceptions."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.api_server import ApiServer
from tests.support.vpc_sdk import (
    VpcSdk,
    a_filter,
    a_rule,
    a_session,
    refusal,
    vpc_sdk,
    vpc_sdk_with,
)


@pytest.mark.covers("H51", "H115", "H132", "P22")
def test_a_session_has_its_defaults_and_typed_fields(sdk: VpcSdk, ports: Iterator[str]) -> None:
    made = a_session(sdk, ports)

    assert (made.virtual_network_id, made.packet_length, made.enabled) == (1, 96, False)
    assert (made.type, made.traffic_mirror_target_type) == ("eni", "eni")
    assert made.project_id == sdk.project_id
    assert sdk.show("session", made.id).to_dict() == made.to_dict()


@pytest.mark.covers("H132", "P22")
@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("virtual_network_id", ("0", "16777215"), ("16777216", "-1", "x")),
        ("packet_length", ("1", "1460"), ("0", "1461")),
        ("priority", (1, 32766), (0, 32767)),
    ],
)
def test_the_numbers_of_a_session_have_bounds(
    sdk: VpcSdk, ports: Iterator[str], field: str, good: tuple[object, ...], bad: tuple[object, ...]
) -> None:
    for value in good:
        made = a_session(sdk, ports, **{field: value})
        assert getattr(made, field) == int(str(value))
        assert sdk.delete("session", made.id) == 204
    for value in bad:
        refused = refusal(a_session, sdk, ports, **{field: value})
        assert (refused.status, refused.code) == (400, "VPC.9901")
        assert field in refused.message


@pytest.mark.covers("H27", "H28", "H30")
def test_sources_sessions_of_a_source_and_sessions_of_a_target_are_limited(
    sdk: VpcSdk, ports: Iterator[str]
) -> None:
    source, target, one = next(ports), next(ports), a_filter(sdk)

    def session(**fields: object) -> Any:  # noqa: ANN401
        return a_session(sdk, ports, traffic_mirror_filter_id=one, **fields)

    for _ in range(3):
        session(traffic_mirror_sources=[source])
    fourth = refusal(session, traffic_mirror_sources=[source])
    assert (fourth.status, fourth.code) == (409, "VPC.9905")
    assert "'traffic_mirror_source_referred_by_session'" in fourth.message
    ten = session(traffic_mirror_sources=[next(ports) for _ in range(10)])
    eleventh = refusal(sdk.add_sources, ten.id, next(ports))
    assert (eleventh.status, eleventh.code) == (409, "VPC.9905")
    assert "'traffic_mirror_session_contain_sources'" in eleventh.message
    for _ in range(10):
        session(traffic_mirror_target_id=target)
    full = refusal(session, traffic_mirror_target_id=target)
    assert (full.status, full.code) == (409, "VPC.9905")
    assert "'traffic_mirror_target_eni_referred_by_session'" in full.message


@pytest.mark.covers("H27", "H32", "H34", "H29", "H31")
def test_the_quotas_are_shown_and_an_administrator_sets_them_for_a_project(
    server: ApiServer, sdk: VpcSdk, ports: Iterator[str]
) -> None:
    shown = sdk.quota()
    assert {name: shown[name] for name in shown if name.startswith("traffic_mirror")} == {
        "traffic_mirror_filter": 10_000,
        "traffic_mirror_filter_referred_by_session": 1000,
        "traffic_mirror_filter_contain_rules_each_direction": 10,
        "traffic_mirror_session": 20_000,
        "traffic_mirror_session_contain_sources": 10,
        "traffic_mirror_source_referred_by_session": 3,
        "traffic_mirror_target_elb_referred_by_session": -1,
        "traffic_mirror_target_eni_referred_by_session": 10,
    }
    path = f"/portlight/v1/quotas/{sdk.project_id}"
    body = {"quota": {"mirror_session_sources": {"limit": 11}}}
    server.must("PUT", path, body, user="admin")
    try:
        made = a_session(sdk, ports, traffic_mirror_sources=[next(ports) for _ in range(11)])
        refused = refusal(sdk.add_sources, made.id, next(ports))
        assert sdk.quota()["traffic_mirror_session_contain_sources"] == 11
    finally:
        server.must("DELETE", path, user="admin")
    assert len(made.traffic_mirror_sources) == 11
    assert refused.code == "VPC.9905"


def test_the_priority_of_a_session_is_unique_in_the_project(
    sdk: VpcSdk, ports: Iterator[str]
) -> None:
    made = a_session(sdk, ports, priority=77)

    refused = refusal(a_session, sdk, ports, priority=77)

    assert (refused.status, refused.code) == (409, "VPC.9902")
    assert made.id in refused.message
    other = a_session(sdk, ports)
    assert refusal(sdk.update, "session", other.id, priority=77).status == 409


@pytest.mark.covers("H40")
def test_a_port_is_never_source_and_target_at_once(sdk: VpcSdk, ports: Iterator[str]) -> None:
    one, two = next(ports), next(ports)
    made = a_session(sdk, ports, traffic_mirror_sources=[one], traffic_mirror_target_id=two)

    refusals = [
        refusal(a_session, sdk, ports, traffic_mirror_target_id=one),
        refusal(a_session, sdk, ports, traffic_mirror_sources=[two]),
        refusal(sdk.add_sources, made.id, two),
        refusal(sdk.update, "session", made.id, traffic_mirror_target_id=one),
    ]

    assert {(one.status, one.code) for one in refusals} == {(409, "VPC.9902")}


@pytest.mark.covers("H10", "H117", "H118")
def test_sources_come_and_go_down_to_none(sdk: VpcSdk, ports: Iterator[str]) -> None:
    made = a_session(sdk, ports)
    (first,) = made.traffic_mirror_sources
    second = next(ports)

    assert sdk.remove_sources(made.id, first).traffic_mirror_sources == []
    assert sdk.add_sources(made.id, first).traffic_mirror_sources == [first]
    assert sdk.add_sources(made.id, first, second).traffic_mirror_sources == [first, second]
    absent = refusal(sdk.remove_sources, made.id, next(ports))
    assert (absent.status, absent.code) == (404, "VPC.9904")
    nobody = refusal(sdk.add_sources, made.id, "00000000-0000-4000-8000-000000000000")
    assert (nobody.status, nobody.code) == (404, "VPC.9904")
    assert nobody.message == "Port 00000000-0000-4000-8000-000000000000 could not be found."


@pytest.mark.covers("H116", "H119", "H120", "H121")
def test_everything_but_the_sources_of_a_session_changes_by_an_update(
    sdk: VpcSdk, ports: Iterator[str]
) -> None:
    made, other, target = a_session(sdk, ports), a_filter(sdk, "other"), next(ports)
    changes = {
        "name": "renamed",
        "description": "why",
        "traffic_mirror_filter_id": other,
        "traffic_mirror_target_id": target,
        "traffic_mirror_target_type": "eni",
        "virtual_network_id": 7,
        "packet_length": 1460,
        "priority": 31_000,
    }

    changed = sdk.update("session", made.id, **changes, enabled="true")

    assert {name: getattr(changed, name) for name in changes} == changes
    assert changed.enabled is True
    assert changed.traffic_mirror_sources == made.traffic_mirror_sources
    assert sdk.update("session", made.id, enabled="false").enabled is False


@pytest.mark.covers("H8")
def test_a_load_balancer_as_target_is_not_found(sdk: VpcSdk, ports: Iterator[str]) -> None:
    refused = refusal(a_session, sdk, ports, traffic_mirror_target_type="elb")

    assert (refused.status, refused.code) == (404, "VPC.9904")
    assert refused.message.startswith("LoadBalancer ")


@pytest.mark.covers("H122")
def test_pages_end_without_a_next_marker(server: ApiServer, network: str) -> None:
    project = vpc_sdk(server, "admin")
    free = (str(server.make("port", network_id=network)["id"]) for _ in itertools.count())
    target, one = next(free), a_filter(project)
    made = [
        a_session(
            project, free, name=f"s-{number}", traffic_mirror_filter_id=one,
            traffic_mirror_target_id=target, enabled=str(number % 2 == 0).lower(),
        ).id
        for number in range(5)
    ]  # fmt: skip

    pages, marker = [], ""
    while marker is not None:
        page = project.find("session", limit=2, marker=marker)
        pages.append([one.id for one in page.traffic_mirror_sessions])
        assert page.page_info.previous_marker == pages[-1][0]
        assert page.page_info.current_count == len(pages[-1])
        marker = page.page_info.next_marker

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [identifier for page in pages for identifier in page] == sorted(made)
    filtered = project.find("session", limit=2, enabled="true")
    assert len(filtered.traffic_mirror_sessions) == 2
    assert filtered.page_info.next_marker is not None
    assert project.find("session", name="nobody").page_info.current_count == 0
    assert project.names("session", created_at="desc")[0] == "s-4"
    assert refusal(project.find, "session", marker=target).status == 400
    assert refusal(project.find, "session", created_at="up").status == 400
    assert refusal(project.find, "session", limit=2001).status == 400


@pytest.mark.covers("H132")
def test_texts_and_native_forms_of_numbers_and_truths_mean_the_same(
    server: ApiServer, sdk: VpcSdk, ports: Iterator[str]
) -> None:
    as_text = a_session(sdk, ports, virtual_network_id="7", packet_length="128", enabled="true")
    path = f"/v3/{sdk.project_id}/vpc/traffic-mirror-sessions/{as_text.id}"

    native = server.must(
        "PUT",
        path,
        {
            "traffic_mirror_session": {
                "virtual_network_id": 7,
                "packet_length": 128,
                "enabled": True,
            }
        },
    )["traffic_mirror_session"]

    for name in ("virtual_network_id", "packet_length", "enabled"):
        assert getattr(as_text, name) == native[name]
        assert type(getattr(as_text, name)) is type(native[name])


def test_a_deleted_source_leaves_its_sessions_and_a_deleted_target_ends_the_copies(
    server: ApiServer, sdk: VpcSdk, ports: Iterator[str]
) -> None:
    made = a_session(sdk, ports, enabled="true")

    server.must("DELETE", f"/v2.0/ports/{made.traffic_mirror_sources[0]}")
    server.must("DELETE", f"/v2.0/ports/{made.traffic_mirror_target_id}")

    left = sdk.show("session", made.id)
    assert left.traffic_mirror_sources == []
    assert (left.traffic_mirror_target_id, left.traffic_mirror_target_type) == ("", "")
    again = sdk.update(
        "session", made.id, traffic_mirror_target_id=next(ports), traffic_mirror_target_type="eni"
    )
    assert again.traffic_mirror_target_type == "eni"


def test_the_ports_of_services_are_no_sources(
    server: ApiServer, sdk: VpcSdk, ports: Iterator[str]
) -> None:
    network = server.make("network")["id"]
    server.make("subnet", network_id=network, cidr="10.9.0.0/24", enable_dhcp=True)
    found = server.must("GET", f"/v2.0/ports?network_id={network}")["ports"]

    refused = refusal(a_session, sdk, ports, traffic_mirror_sources=[found[0]["id"]])

    assert (refused.status, refused.code) == (400, "VPC.9901")


def test_a_request_by_an_unknown_or_a_deleted_key_is_refused(
    server: ApiServer, sdk: VpcSdk
) -> None:
    nobody = vpc_sdk_with(server, "NOBODY", "secret-of-nobody", sdk.project_id)

    refused = refusal(nobody.find, "filter")

    assert (refused.status, refused.code) == (401, "APIGW.0301")


@pytest.mark.usefixtures("sdk")
def test_the_project_in_the_address_is_that_of_the_key(server: ApiServer) -> None:
    token = server.cloud.identity.token_of(server.http().headers["x-auth-token"])
    (key, *_) = server.cloud.identity.access_keys(token)
    elsewhere = vpc_sdk_with(server, key.key.access, key.secret, "0" * 32)

    refused = refusal(elsewhere.find, "filter")

    assert (refused.status, refused.code) == (400, "VPC.0007")


def test_the_things_of_another_project_do_not_exist(
    server: ApiServer, sdk: VpcSdk, ports: Iterator[str]
) -> None:
    made = a_session(sdk, ports)
    admin = vpc_sdk(server, "admin")
    own = a_session(admin, ports)

    for call in (
        lambda: admin.show("session", made.id),
        lambda: admin.update("session", made.id, name="mine"),
        lambda: admin.delete("session", made.id),
        lambda: admin.add_sources(made.id, next(ports)),
        lambda: admin.show("filter", made.traffic_mirror_filter_id),
        lambda: a_rule(admin, made.traffic_mirror_filter_id),
        lambda: a_session(admin, ports, traffic_mirror_filter_id=made.traffic_mirror_filter_id),
        lambda: admin.update(
            "session", own.id, traffic_mirror_filter_id=made.traffic_mirror_filter_id
        ),
    ):
        assert refusal(call).code == "VPC.9904"
    assert made.id not in [s.id for s in admin.find("session").traffic_mirror_sessions]
