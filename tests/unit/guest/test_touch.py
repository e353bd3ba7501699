"""Which changes of rules can matter to what was declared."""

import pytest

from portlight.guest.guard.protected import parse_protected
from portlight.guest.guard.touch import touching
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.rules import RuleSet

SSH = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
BAN = "-A INPUT -s 203.0.113.7/32 -j DROP"


def rules(*lines: str, policy: str = "ACCEPT", family: int = 4, nat: str = "") -> RuleSet:
    text = "\n".join(("*filter", f":INPUT {policy} [0:0]", *lines, "COMMIT\n"))
    return parse_save(f"*nat\n{nat}\nCOMMIT\n{text}" if nat else text, family)


@pytest.mark.covers("X12")
@pytest.mark.parametrize(
    ("after", "matters"),
    [
        (rules(SSH, BAN), False),
        (rules(SSH, BAN, "-A INPUT -p tcp -m tcp --dport 80 -j DROP"), False),
        (rules(SSH, BAN, "-A INPUT -s 198.51.100.0/24 -j DROP"), False),
        (rules(SSH, BAN, "-A OUTPUT -p tcp -m tcp ! --sport 22 -j DROP"), False),
        (rules(SSH, BAN, "-A OUTPUT -p tcp -m tcp --sport 22 -j DROP"), True),
        (rules(SSH, BAN, "-A INPUT -s 203.0.113.9/32 -j DROP"), True),
        (rules(SSH, BAN, "-A INPUT ! -s 198.51.100.0/24 -j DROP"), True),
        (rules(SSH, BAN, nat="-A PREROUTING -p tcp -m tcp --dport 80 -j ACCEPT"), True),
        (rules(BAN, SSH), True),
        (rules(BAN), True),
        (rules(SSH, BAN, policy="DROP"), True),
    ],
)
def test_a_change_matters_if_one_of_its_rules_may_meet_the_packets(
    after: RuleSet, *, matters: bool
) -> None:
    declared = parse_protected("in 203.0.113.0/24 tcp/22")

    assert touching({4: rules(SSH, BAN)}, {4: after})(declared) == matters


@pytest.mark.covers("X12")
def test_neighbours_matter_to_what_is_declared_in_ipv6() -> None:
    declared = parse_protected("in 2001:db8::/32 tcp/22")
    drop = "-A INPUT -p ipv6-icmp -j DROP"

    assert touching({6: rules(family=6)}, {6: rules(drop, family=6)})(declared)
    assert not touching({4: rules()}, {4: rules("-A INPUT -j DROP")})(declared)
