"""From a save file to a security group: what it allows, what could not be said."""

from ipaddress import ip_address
from random import Random

import pytest

from portlight.guest.iptables.comparison import compare
from portlight.guest.iptables.groups import Import, Place, security_group
from portlight.guest.iptables.parse import parse_save

PLACE = Place(interface="eth0", addresses=(ip_address("192.0.2.10"),))
ANSWERS = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"


def imported(rules: str, *, chains: str = "", place: Place = PLACE) -> Import:
    """Import, and prove it on generated packets."""
    text = f"*filter\n:INPUT DROP [0:0]\n{chains}{rules}COMMIT\n"
    ruleset = parse_save(text)
    found = security_group(ruleset, place)
    chance = Random(1)  # noqa: S311 -- wanted: repeatable
    assert compare(ruleset, found, place, chance, packets=400).differences == ()
    return found


def ingress(found: Import) -> list[dict[str, str | int]]:
    drop = ("direction", "ethertype")
    return [
        {key: value for key, value in each.items() if key not in drop}
        for each in found.documents
        if each["direction"] == "ingress"
    ]


@pytest.mark.covers("K51", "K52", "K53", "K54", "K55")
def test_the_rules_of_the_guide_become_a_group() -> None:
    found = imported(
        "-A INPUT -i lo -j ACCEPT\n"
        "-A INPUT -d 192.0.2.10 -p tcp --dport 22 -j ACCEPT\n"
        "-A INPUT -p tcp --dport 80 -j ACCEPT\n"
        "-A INPUT -p tcp --dport 443 -j ACCEPT\n"
    )

    assert ingress(found) == [
        {"protocol": "6", "port_range_min": port, "port_range_max": port} for port in (22, 80, 443)
    ]
    assert found.leftovers == ()
    assert not found.is_stateful


def test_a_refusal_before_an_allowance_is_cut_out_of_it() -> None:
    found = imported(
        "-A INPUT -s 198.51.100.0/25 -j DROP\n"
        "-A INPUT -s 198.51.100.0/24 -p tcp --dport 22:24 -j ACCEPT\n"
    )

    assert ingress(found) == [
        {
            "protocol": "6",
            "port_range_min": 22,
            "port_range_max": 24,
            "remote_ip_prefix": "198.51.100.128/25",
        }
    ]


def test_rules_that_let_answers_in_make_the_group_stateful() -> None:
    assert imported(ANSWERS + "-A INPUT -p tcp --dport 22 -j ACCEPT\n").is_stateful


def test_a_group_that_would_let_in_answers_that_the_rules_hold_back_says_so() -> None:
    rules = "-A INPUT -p tcp --dport 22 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\n"
    (leftover,) = imported(rules).leftovers

    assert leftover.widens
    assert "answers" in leftover.reason


def test_user_chains_are_followed() -> None:
    found = imported(
        "-A INPUT -p tcp -j web\n"
        "-A web -s 10.0.0.0/8 -j RETURN\n"
        "-A web -p tcp --dport 80 -j ACCEPT\n",
        chains=":web - [0:0]\n",
    )

    prefixes = {each["remote_ip_prefix"] for each in ingress(found)}
    assert "11.0.0.0/8" in prefixes
    assert not any(str(each).startswith("10.") for each in prefixes)


@pytest.mark.parametrize(
    ("rule", "reason", "widens"),
    [
        ("-p tcp --sport 20 -j ACCEPT", "source port", False),
        ("-p tcp --dport 22 -m limit --limit 3/min -j ACCEPT", "limit", False),
        ("-m mac --mac-source 02:00:00:00:00:01 -j DROP", "source MAC", True),
        ("-d 192.0.2.11 -p tcp -j ACCEPT", "own addresses", False),
    ],
)
def test_what_a_group_cannot_say_is_listed(rule: str, reason: str, *, widens: bool) -> None:
    place = Place(addresses=(ip_address("192.0.2.10"), ip_address("192.0.2.11")))

    (leftover,) = imported(f"-A INPUT {rule}\n", place=place).leftovers

    assert reason in leftover.reason
    assert leftover.widens is widens


def test_other_tables_and_forwarding_are_listed() -> None:
    ruleset = parse_save(
        "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*filter\n-A FORWARD -j DROP\nCOMMIT\n"
    )

    listed = security_group(ruleset, PLACE).leftovers

    assert [each.table for each in listed] == ["nat", "filter"]
