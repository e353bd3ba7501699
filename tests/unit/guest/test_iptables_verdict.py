"""What happens to a packet under a rule set, and what is not settled by it."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.verdict import decide
from portlight.guest.iptables.walk import Verdict


def rules(*lines: str, policy: str = "ACCEPT", table: str = "filter", chains: str = "") -> RuleSet:
    text = "\n".join(
        (
            f"*{table}",
            f":{'INPUT' if table == 'filter' else 'PREROUTING'} {policy} [0:0]",
            *(f":{name} - [0:0]" for name in chains.split()),
            *lines,
            "COMMIT",
        )
    )
    return parse_save(text)


def ssh(*, port: int = 22, source: str = "203.0.113.9") -> Packet:
    return Packet(
        hook=Hook.INPUT,
        in_interface="eth0",
        source=ip_address(source),
        destination=ip_address("192.0.2.10"),
        protocol=6,
        source_port=40000,
        destination_port=port,
    )


def test_the_first_rule_that_matches_decides() -> None:
    found = decide(rules("-A INPUT -p tcp --dport 22 -j ACCEPT", "-A INPUT -j DROP"), ssh())

    assert (found.verdict, found.chain, found.number) == (Verdict.ACCEPT, "INPUT", 1)


def test_the_policy_decides_when_no_rule_does() -> None:
    found = decide(rules("-A INPUT -p udp -j ACCEPT", policy="DROP"), ssh())

    assert (found.verdict, found.number, found.text) == (Verdict.DROP, None, "DROP")


def test_a_user_chain_returns_to_the_rule_after_the_jump() -> None:
    found = decide(
        rules(
            "-A INPUT -j a",
            "-A INPUT -j REJECT",
            "-A a -p tcp --dport 22 -j RETURN",
            "-A a -j DROP",
            chains="a",
        ),
        ssh(),
    )

    assert (found.verdict, found.number) == (Verdict.REJECT, 2)
    assert [step.chain for step in found.trail] == ["INPUT", "a", "INPUT"]


def test_a_goto_does_not_come_back_to_its_own_chain() -> None:
    ruleset = rules("-A INPUT -g a", "-A INPUT -j DROP", "-A a -p udp -j DROP", chains="a")

    assert decide(ruleset, ssh()).verdict is Verdict.ACCEPT


def test_a_match_that_is_not_modelled_makes_the_verdict_depend_on_it() -> None:
    ruleset = rules("-A INPUT -m time --timestart 10:00:00 -j DROP", "-A INPUT -j ACCEPT")

    found = decide(ruleset, ssh())

    assert found.verdict is Verdict.DEPENDS
    assert found.depends_on == ("-m time --timestart 10:00:00",)
    assert found.number == 1


def test_what_is_not_modelled_does_not_matter_when_both_ways_end_alike() -> None:
    ruleset = rules("-A INPUT -m time --timestart 10:00:00 -j ACCEPT", "-A INPUT -j ACCEPT")

    assert decide(ruleset, ssh()).verdict is Verdict.ACCEPT


def test_a_return_that_only_may_happen_leaves_both_ways_open() -> None:
    ruleset = rules(
        "-A INPUT -j a",
        "-A INPUT -j DROP",
        "-A a -m limit --limit 5/min -j RETURN",
        "-A a -j ACCEPT",
        chains="a",
    )

    assert decide(ruleset, ssh()).verdict is Verdict.DEPENDS


def test_a_chain_that_is_only_perhaps_entered_settles_nothing() -> None:
    ruleset = rules(
        "-A INPUT -m recent --update --name x -j a",
        "-A INPUT -j ACCEPT",
        "-A a -j DROP",
        chains="a",
    )

    found = decide(ruleset, ssh())

    assert (found.verdict, found.chain) == (Verdict.DEPENDS, "a")


def test_an_established_connection_passes_where_a_new_one_does_not() -> None:
    ruleset = rules("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", policy="DROP")

    assert decide(ruleset, ssh()).verdict is Verdict.DROP
    assert decide(ruleset, replace(ssh(), state="ESTABLISHED")).verdict is Verdict.ACCEPT


def test_a_redirected_packet_meets_the_filter_at_its_new_port() -> None:
    nat = "*nat\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n"
    ruleset = parse_save(f"{nat}*filter\n-A INPUT -p tcp --dport 80 -j DROP\nCOMMIT\n")

    assert decide(ruleset, ssh(port=80)).verdict is Verdict.ACCEPT


def test_a_mark_set_in_one_table_is_seen_in_the_next() -> None:
    mangle = "*mangle\n-A PREROUTING -p tcp -j MARK --set-mark 7\nCOMMIT\n"
    ruleset = parse_save(f"{mangle}*filter\n-A INPUT -m mark --mark 7 -j DROP\nCOMMIT\n")

    assert decide(ruleset, ssh()).verdict is Verdict.DROP


@pytest.mark.parametrize(
    ("rule", "port", "verdict"),
    [
        ("-i eth+ -p tcp --dport 20:22", 22, Verdict.DROP),
        ("-i eth+ -p tcp ! --dport 20:22", 22, Verdict.ACCEPT),
        ("-p tcp -m multiport --dports 80,443", 443, Verdict.DROP),
        ("-p tcp -m multiport --ports 80,40000", 443, Verdict.DROP),
        ("-p tcp --syn", 22, Verdict.DROP),
        ("-p tcp ! --syn", 22, Verdict.ACCEPT),
        ("-s 203.0.113.0/24", 22, Verdict.DROP),
        ("! -s 203.0.113.0/24", 22, Verdict.ACCEPT),
        ("-s 0.0.113.0/0.0.255.0", 22, Verdict.DROP),
        ("-m iprange --src-range 203.0.113.1-203.0.113.8", 22, Verdict.ACCEPT),
        ("-m addrtype --dst-type LOCAL", 22, Verdict.DROP),
        ("-o eth0", 22, Verdict.ACCEPT),
        ("-f", 22, Verdict.ACCEPT),
        ("-p icmp", 22, Verdict.ACCEPT),
    ],
)
def test_each_match_asks_what_it_says(rule: str, port: int, verdict: Verdict) -> None:
    assert decide(rules(f"-A INPUT {rule} -j DROP"), ssh(port=port)).verdict is verdict


@pytest.mark.covers("K22")
@pytest.mark.parametrize(
    ("state", "verdict"), [("NEW", Verdict.ACCEPT), ("ESTABLISHED", Verdict.DEPENDS)]
)
def test_the_mark_of_a_known_connection_is_not_guessed(state: str, verdict: Verdict) -> None:
    mangle = "*mangle\n-A PREROUTING -j CONNMARK --restore-mark\nCOMMIT\n"
    marked = "*filter\n-A INPUT -m mark --mark 7 -j DROP\nCOMMIT\n"

    found = decide(parse_save(mangle + marked), replace(ssh(), state=state, tcp_flags=0x10))

    assert found.verdict is verdict


@pytest.mark.covers("K22")
def test_a_mark_that_may_have_been_set_in_a_chain_is_not_sure() -> None:
    mangle = (
        "*mangle\n:PREROUTING ACCEPT [0:0]\n:a - [0:0]\n"
        "-A PREROUTING -m statistic --mode random --probability 0.5 -j a\n"
        "-A a -j MARK --set-mark 7\nCOMMIT\n"
    )
    marked = "*filter\n-A INPUT -m mark --mark 7 -j DROP\nCOMMIT\n"

    assert decide(parse_save(mangle + marked), ssh()).verdict is Verdict.DEPENDS
