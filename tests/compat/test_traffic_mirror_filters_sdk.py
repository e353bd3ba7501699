"""Mirror filters and their rules as the stock SDK drives them."""

from collections.abc import Iterator

import pytest
from tests.support.vpc_sdk import VpcSdk, a_filter, a_rule, a_session, refusal


@pytest.mark.covers("H124")
def test_the_priority_of_a_rule_has_bounds_and_its_place_is_unique_in_one_direction(
    sdk: VpcSdk,
) -> None:
    one = a_filter(sdk)

    assert [a_rule(sdk, one, priority=value).priority for value in (1, 65535)] == [1, 65535]
    for value in (0, 65536):
        assert refusal(a_rule, sdk, one, priority=value).status == 400
    taken = refusal(a_rule, sdk, one, priority=1)
    assert (taken.status, taken.code) == (409, "VPC.9902")
    assert a_rule(sdk, one, priority=1, direction="egress").priority == 1
    other = a_rule(sdk, one, priority=2)
    assert refusal(sdk.update, "rule", other.id, priority=1).status == 409


@pytest.mark.covers("H33")
def test_each_direction_of_a_filter_has_room_for_ten_rules(sdk: VpcSdk) -> None:
    one = a_filter(sdk)
    for priority in range(1, 11):
        a_rule(sdk, one, priority=priority)

    refused = refusal(a_rule, sdk, one, priority=11)

    assert (refused.status, refused.code) == (409, "VPC.9905")
    quota = "traffic_mirror_filter_contain_rules_each_direction"
    assert refused.message == f"Quota exceeded for resources: ['{quota}']."
    for priority in range(1, 11):
        a_rule(sdk, one, priority=priority, direction="egress")
    shown = sdk.show("filter", one)
    assert [rule.priority for rule in shown.ingress_rules] == list(range(1, 11))
    assert len(shown.egress_rules) == 10


@pytest.mark.covers("H123")
def test_a_filter_in_use_stays_and_takes_its_rules_with_it_when_it_goes(
    sdk: VpcSdk, ports: Iterator[str]
) -> None:
    made = a_session(sdk, ports)
    rule = a_rule(sdk, made.traffic_mirror_filter_id)

    refused = refusal(sdk.delete, "filter", made.traffic_mirror_filter_id)

    assert (refused.status, refused.code) == (409, "VPC.9902")
    assert made.id in refused.message
    assert refused.request_id
    assert sdk.delete("session", made.id) == 204
    assert sdk.delete("filter", made.traffic_mirror_filter_id) == 204
    assert refusal(sdk.show, "rule", rule.id).code == "VPC.9904"


@pytest.mark.covers("H122", "H124")
def test_lists_are_narrowed_by_every_field_of_the_contract(
    sdk: VpcSdk, ports: Iterator[str]
) -> None:
    made = a_session(sdk, ports, name="narrow", description="d", enabled="true", packet_length="7")
    one = made.traffic_mirror_filter_id
    rule = a_rule(
        sdk, one, direction="egress", protocol="udp", priority=9, action="reject",
        source_cidr_block=" 10.0.0.0/8 ", destination_port_range="53",
    )  # fmt: skip

    for query in (
        {"id": made.id},
        {"name": "narrow"},
        {"description": "d", "name": "narrow"},
        {"traffic_mirror_filter_id": one},
        {"traffic_mirror_target_id": made.traffic_mirror_target_id},
        {"packet_length": "7"},
        {"priority": str(made.priority)},
        {"traffic_mirror_target_type": "eni", "name": "narrow", "type": "eni", "enabled": "true"},
    ):
        assert [s.id for s in sdk.find("session", **query).traffic_mirror_sessions] == [made.id]
    assert sdk.names("session", name="narrow", enabled="false") == []
    assert (rule.protocol, rule.source_cidr_block) == ("UDP", "10.0.0.0/8")
    assert rule.destination_port_range == "53-53"
    assert rule.source_port_range is None
    for query in (
        {"protocol": "UDP"},
        {"direction": "egress", "priority": "9"},
        {"action": "reject"},
        {"source_cidr_block": "10.0.0.0/8"},
        {"destination_port_range": "53-53"},
    ):
        assert sdk.names("rule", traffic_mirror_filter_id=one, **query) == [rule.id]
    assert sdk.names("rule", traffic_mirror_filter_id=one, direction="ingress") == []


@pytest.mark.covers("H124")
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"protocol": "ICMP", "ethertype": "IPv6"}, "VPC.9902"),
        ({"protocol": "ICMPV6"}, "VPC.9902"),
        ({"source_cidr_block": "2001:db8::/32"}, "VPC.9902"),
        ({"protocol": "ICMP", "destination_port_range": "1-2"}, "VPC.9901"),
        ({"protocol": "ALL", "source_port_range": "1-2"}, "VPC.9901"),
        ({"source_port_range": "0-80"}, "VPC.9901"),
        ({"source_port_range": "80-79"}, "VPC.9901"),
        ({"source_port_range": "1-65536"}, "VPC.9901"),
        ({"source_cidr_block": "10.0.0.1"}, "VPC.9901"),
        ({"action": "mirror"}, "VPC.9901"),
        ({"direction": "both"}, "VPC.9901"),
        ({"description": "<b>"}, "VPC.9901"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(
    sdk: VpcSdk, fields: dict[str, object], code: str
) -> None:
    refused = refusal(a_rule, sdk, a_filter(sdk), **fields)

    assert (refused.status, refused.code) == (400, code)


@pytest.mark.covers("H123")
@pytest.mark.parametrize(
    ("name", "is_good"),
    [("镜像_a-1.b", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("", False)],
)
def test_a_name_has_a_length_and_an_alphabet(sdk: VpcSdk, name: str, *, is_good: bool) -> None:
    if is_good:
        assert sdk.create("filter", name=name).name == name
    else:
        assert refusal(sdk.create, "filter", name=name).code == "VPC.9901"


def test_a_rule_changes_all_but_its_filter_and_direction(sdk: VpcSdk) -> None:
    one = a_filter(sdk)
    rule = a_rule(sdk, one, destination_port_range="1-65535", source_cidr_block="0.0.0.0/0")
    assert (rule.destination_port_range, rule.source_cidr_block) == ("1-65535", "0.0.0.0/0")

    changed = sdk.update(
        "rule", rule.id, protocol="UDP", action="reject", priority=5,
        destination_port_range="53-53", source_cidr_block="10.0.0.0/8", description="dns",
    )  # fmt: skip

    assert (changed.protocol, changed.action, changed.priority) == ("UDP", "reject", 5)
    assert (changed.destination_port_range, changed.description) == ("53-53", "dns")
    assert changed.direction == "ingress"
    assert refusal(sdk.update, "rule", rule.id, protocol="ICMP").code == "VPC.9901"
    assert sdk.delete("rule", rule.id) == 204
