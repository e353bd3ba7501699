"""Which rules are valid, and which are the same."""

from dataclasses import replace

import pytest

from portlight.core.changes import Birth
from portlight.core.drafts import SecurityGroupRuleDraft
from portlight.core.errors import DomainError
from portlight.core.errors_security_group import (
    InvalidIcmpValueError,
    InvalidPortRangeError,
    InvalidPortValueError,
    InvalidProtocolError,
    MissingIcmpTypeError,
    MultipleRemotesError,
    ProtocolFamilyError,
    ProtocolRequiredWithPortsError,
    ProtocolWithoutPortsError,
    RemotePrefixFamilyError,
    SecurityGroupRuleExistsError,
)
from portlight.core.security_group import Direction, EtherType, IcmpSelector
from portlight.core.security_groups import build_rule, check_no_twin
from portlight.values.addresses import parse_interface
from portlight.values.ids import ProjectId, SecurityGroupId
from portlight.values.ranges import PortRange

BIRTH = Birth(id="r1", project_id=ProjectId("p1"), now=5.0)
DRAFT = SecurityGroupRuleDraft(security_group_id=SecurityGroupId("g1"), direction=Direction.INGRESS)
V6 = EtherType.IPV6


@pytest.mark.parametrize(
    ("spelling", "ethertype", "number"),
    [
        (None, EtherType.IPV4, None),
        ("any", EtherType.IPV4, None),
        ("tcp", EtherType.IPV4, 6),
        ("TCP", V6, 6),
        ("6", EtherType.IPV4, 6),
        ("icmp", EtherType.IPV4, 1),
        ("icmp", V6, 58),
        ("1", V6, 58),
        ("icmpv6", V6, 58),
        ("ipv6-icmp", V6, 58),
        ("vrrp", EtherType.IPV4, 112),
        ("sctp", V6, 132),
        ("udplite", EtherType.IPV4, 136),
        ("255", EtherType.IPV4, 255),
    ],
)
@pytest.mark.covers("H91")
def test_protocols_go_by_name_and_number(
    spelling: str | None, ethertype: EtherType, number: int | None
) -> None:
    rule = build_rule(replace(DRAFT, protocol=spelling, ethertype=ethertype), BIRTH)

    assert rule.protocol == number
    assert rule.protocol_spelling == (None if number is None else spelling)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"protocol": "tpc"}, InvalidProtocolError),
        ({"protocol": "256"}, InvalidProtocolError),
        ({"protocol": "-1"}, InvalidProtocolError),
        ({"protocol": ""}, InvalidProtocolError),
        ({"protocol": "icmpv6"}, ProtocolFamilyError),
        ({"port_range_min": 1, "port_range_max": 2}, ProtocolRequiredWithPortsError),
        (
            {"protocol": "gre", "port_range_min": 1, "port_range_max": 2},
            ProtocolWithoutPortsError,
        ),
        ({"protocol": "tcp", "port_range_min": 5, "port_range_max": 4}, InvalidPortRangeError),
        ({"protocol": "tcp", "port_range_min": 5}, InvalidPortRangeError),
        ({"protocol": "tcp", "port_range_max": 5}, InvalidPortRangeError),
        ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 5}, InvalidPortValueError),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}, InvalidPortValueError),
        ({"protocol": "icmp", "port_range_min": 256}, InvalidIcmpValueError),
        ({"protocol": "icmp", "port_range_min": 3, "port_range_max": 256}, InvalidIcmpValueError),
        ({"protocol": "icmp", "port_range_min": -1}, InvalidIcmpValueError),
        ({"protocol": "icmp", "port_range_max": 3}, MissingIcmpTypeError),
        ({"remote_prefix": parse_interface("2001:db8::/64")}, RemotePrefixFamilyError),
        (
            {"ethertype": V6, "remote_prefix": parse_interface("10.0.0.0/8")},
            RemotePrefixFamilyError,
        ),
        (
            {"remote_prefix": parse_interface("10.0.0.0/8"), "remote_group_id": "g2"},
            MultipleRemotesError,
        ),
    ],
)
@pytest.mark.covers("H91")
def test_contradictions_have_a_name_each(
    changes: dict[str, object], refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        build_rule(replace(DRAFT, **changes), BIRTH)  # type: ignore[arg-type]


def test_ports_and_icmp_become_their_own_selectors() -> None:
    web = build_rule(replace(DRAFT, protocol="tcp", port_range_min=80, port_range_max=443), BIRTH)
    echo = build_rule(replace(DRAFT, protocol="icmp", port_range_min=8, port_range_max=0), BIRTH)
    every_code = build_rule(replace(DRAFT, protocol="icmp", port_range_min=3), BIRTH)
    all_icmp = build_rule(replace(DRAFT, protocol="icmp"), BIRTH)

    assert (web.ports, web.icmp) == (PortRange(first=80, last=443), None)
    assert (echo.ports, echo.icmp) == (None, IcmpSelector(type=8, code=0))
    assert every_code.icmp == IcmpSelector(type=3)
    assert all_icmp.icmp is None


def test_rules_are_twins_whatever_their_spelling_and_description() -> None:
    first = build_rule(replace(DRAFT, protocol="tcp", description="one"), BIRTH)
    second = build_rule(replace(DRAFT, protocol="6", description="two"), replace(BIRTH, id="r2"))

    with pytest.raises(SecurityGroupRuleExistsError) as caught:
        check_no_twin(second, [first])
    assert caught.value.rule_id == "r1"


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": Direction.EGRESS},
        {"ethertype": V6},
        {"protocol": "udp"},
        {"port_range_min": 80, "port_range_max": 81},
        {"remote_prefix": parse_interface("10.0.0.0/8")},
        {"remote_group_id": "g2"},
        {"security_group_id": "g9"},
    ],
)
def test_rules_that_differ_in_anything_that_matters_are_no_twins(
    changes: dict[str, object],
) -> None:
    base = replace(DRAFT, protocol="tcp", port_range_min=80, port_range_max=80)
    other = replace(base, **changes)  # type: ignore[arg-type]

    check_no_twin(build_rule(other, BIRTH), [build_rule(base, BIRTH)])
