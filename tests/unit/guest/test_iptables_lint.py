"""Rules that do nothing are found; others are left alone."""

import pytest

from portlight.guest.iptables.lint import Fault, Finding, lint
from portlight.guest.iptables.parse import parse_save


def findings(*rules: str, chains: str = "") -> list[Finding]:
    lines = "".join(f"-A {rule}\n" for rule in rules)
    return list(lint(parse_save(f"*filter\n{chains}{lines}COMMIT\n")))


@pytest.mark.parametrize(
    ("rules", "by"),
    [
        (("INPUT -p tcp -j DROP", "INPUT -p tcp --dport 22 -j ACCEPT"), (1,)),
        (("INPUT -s 10.0.0.0/8 -j DROP", "INPUT -s 10.1.2.3 -p udp -j ACCEPT"), (1,)),
        (
            (
                "INPUT -s 10.0.0.0/9 -j DROP",
                "INPUT -s 10.128.0.0/9 -j ACCEPT",
                "INPUT -s 10.0.0.0/8 -j REJECT",
            ),
            (1, 2),
        ),
        (
            (
                "INPUT -p tcp --dport 1:100 -j DROP",
                "INPUT -p tcp --dport 90:200 -j DROP",
                "INPUT -p tcp -m multiport --dports 50,150 -j LOG",
            ),
            (1, 2),
        ),
        (("INPUT -i eth+ -j DROP", "INPUT -i eth0 -p tcp -j ACCEPT"), (1,)),
        (("INPUT -j DROP", "INPUT -m time --timestart 10:00 -j ACCEPT"), (1,)),
        (("INPUT -m state --state NEW -j DROP", "INPUT -p tcp -m state --state NEW -j LOG"), (1,)),
    ],
)
def test_a_rule_whose_packets_were_all_taken_before_is_shadowed(
    rules: tuple[str, ...], by: tuple[int, ...]
) -> None:
    (found,) = findings(*rules)

    assert (found.fault, found.number, found.by) == (Fault.SHADOWED, len(rules), by)


@pytest.mark.parametrize(
    "rules",
    [
        ("INPUT -p tcp -j LOG", "INPUT -p tcp --dport 22 -j ACCEPT"),
        ("INPUT -p tcp -m limit --limit 3/min -j DROP", "INPUT -p tcp --dport 22 -j ACCEPT"),
        ("INPUT -p tcp --dport 22 -j DROP", "INPUT -p tcp -j ACCEPT"),
        ("INPUT -i eth0 -j DROP", "INPUT -i eth1 -j ACCEPT"),
        ("INPUT -i eth0 -j DROP", "INPUT -i eth+ -j ACCEPT"),
        ("INPUT ! -i eth0 -j DROP", "INPUT -i eth0 -j ACCEPT"),
        ("INPUT -m mark --mark 1 -j DROP", "INPUT -m mark --mark 1 -j ACCEPT"),
        ("INPUT -s 10.0.0.0/9 -j DROP", "INPUT -s 10.0.0.0/8 -j REJECT"),
    ],
)
def test_a_rule_that_could_still_be_met_is_not(rules: tuple[str, ...]) -> None:
    assert findings(*rules) == []


def test_a_chain_that_lets_nothing_back_hides_what_comes_after_it() -> None:
    found = findings("INPUT -p tcp -j a", "INPUT -p tcp -j LOG", "a -j DROP", chains=":a - [0:0]\n")

    assert [(each.chain, each.number, each.fault) for each in found] == [
        ("INPUT", 2, Fault.SHADOWED)
    ]


def test_an_empty_set_of_packets_and_a_chain_that_nobody_uses_are_named() -> None:
    found = findings(
        "INPUT -m iprange --src-range 10.0.0.1-10.0.0.5 -s 10.0.1.0/24 -j DROP",
        chains=":a - [0:0]\n",
    )

    assert [each.fault for each in found] == [Fault.IMPOSSIBLE, Fault.UNREFERENCED]


def test_a_rule_that_counted_nothing_where_others_counted_was_never_hit() -> None:
    found = lint(
        parse_save(
            "*filter\n[5:300] -A INPUT -p tcp -j ACCEPT\n[0:0] -A INPUT -p udp -j ACCEPT\nCOMMIT\n"
        )
    )

    assert [(each.number, each.fault) for each in found] == [(2, Fault.NEVER_HIT)]
