"""Laws of rule sets on generated ones: text, verdict, lint and import, without any tool."""

from ipaddress import IPv4Network, IPv6Network
from random import Random

import pytest
from tests.support.iptables_import import allow_list, core_allows
from tests.support.iptables_rules import NAMES, save_file

from portlight.guest.iptables.comparison import compare, is_allowed, make_packets
from portlight.guest.iptables.groups import Place, security_group
from portlight.guest.iptables.lint import Fault, lint
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.render import render_save
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.verdict import decide
from portlight.guest.iptables.walk import Verdict

FAMILIES = pytest.mark.parametrize("family", [4, 6])
RULE_SETS = 12


def chances() -> list[Random]:
    return [Random(seed) for seed in range(RULE_SETS)]  # noqa: S311 -- wanted: repeatable


def generated(random: Random, family: int, *, rules: int) -> RuleSet:
    return parse_save(save_file(random, family, rules=rules), family, NAMES)


@FAMILIES
def test_what_is_written_is_read_as_the_same(family: int) -> None:
    for random in chances():
        ruleset = generated(random, family, rules=30)

        again = parse_save(render_save(ruleset, counters=True), family)

        assert again == ruleset


@FAMILIES
def test_a_shadowed_rule_is_met_by_no_packet(family: int) -> None:
    hidden_in_all = 0
    for random in chances():
        ruleset = generated(random, family, rules=80)
        hidden = {
            (each.chain, each.number)
            for each in lint(ruleset)
            if each.fault in {Fault.SHADOWED, Fault.IMPOSSIBLE}
        }
        hidden_in_all += len(hidden)

        for packet in make_packets(random, ruleset, Place(), 60):
            trail = decide(ruleset, packet, only="filter").trail
            met = {(step.chain, step.number) for step in trail if step.is_certain}
            assert not met & hidden

    assert hidden_in_all > RULE_SETS


@FAMILIES
def test_an_import_of_any_rule_set_opens_nothing_that_is_not_listed(family: int) -> None:
    for random in chances():
        ruleset = generated(random, family, rules=12)
        found = security_group(ruleset, Place())

        proof = compare(ruleset, found, Place(), random, packets=60)

        opened = [each for each in proof.differences if each.is_allowed_now]
        assert any(each.widens for each in found.leftovers) or not opened


@FAMILIES
def test_an_allow_list_becomes_a_group_that_judges_every_packet_alike(family: int) -> None:
    allowed = 0
    for random in chances():
        ruleset = parse_save(allow_list(random, family), family)
        found = security_group(ruleset, Place())

        assert found.leftovers == ()
        for packet in make_packets(random, ruleset, Place(), 60):
            before = decide(ruleset, packet, only="filter").verdict is Verdict.ACCEPT
            assert is_allowed(found.documents, packet) == before
            assert core_allows(found.documents, packet) == before
            allowed += before

    assert allowed > RULE_SETS


@pytest.mark.parametrize("network", [IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8")])
def test_an_allowance_but_for_one_host_leaves_that_host_out(
    network: IPv4Network | IPv6Network,
) -> None:
    host = network[77]
    rules = f"-A INPUT -s {host} -j DROP\n-A INPUT -s {network} -j ACCEPT\n"
    text = f"*filter\n:INPUT DROP [0:0]\n{rules}COMMIT\n"

    found = security_group(parse_save(text, network.version), Place())

    prefixes = [
        type(network)(str(each["remote_ip_prefix"]))
        for each in found.documents
        if each["direction"] == "ingress"
    ]
    assert sum(prefix.num_addresses for prefix in prefixes) == network.num_addresses - 1
    assert not any(host in prefix for prefix in prefixes)
