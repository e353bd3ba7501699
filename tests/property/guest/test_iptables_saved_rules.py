"""Rules that are read only when somebody looks at them, beside the same rules read at once."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from tests.support.iptables_rules import NAMES, save_file

from portlight.guest.iptables.comparison import make_packets
from portlight.guest.iptables.extension import Context
from portlight.guest.iptables.groups import Place
from portlight.guest.iptables.packet import Packet
from portlight.guest.iptables.parse import SaveFileError, parse_save
from portlight.guest.iptables.render import render_save
from portlight.guest.iptables.rules import ZERO, Counters, Rule, RuleSet, Table
from portlight.guest.iptables.saved_rules import Reader
from portlight.guest.iptables.specification import parse_rule
from portlight.guest.iptables.verdict import decide
from portlight.guest.iptables.walk import Verdict
from portlight.guest.iptables.words import split_raw

RULE_SETS = 6
HOSTS = {4: ("10.9.0.1", "10.9.1.3", "10.9.0.4"), 6: ("fd09::1", "fd09::3", "::ffff:10.9.0.1")}
FAMILIES = pytest.mark.parametrize("family", [4, 6])


def written_by_the_tool(random: Random, family: int) -> str:
    """A save file in which every form of rule stands for several hosts, with counters or none."""
    ruleset = parse_save(save_file(random, family, rules=30), family, NAMES)
    lines: list[str] = []
    for line in render_save(ruleset).splitlines():
        lines.append(line)
        if line.startswith("-A"):
            lines.extend(_alike(random, line, family) for _ in range(8))
    return "".join(f"{line}\n" for line in lines)


def _alike(random: Random, line: str, family: int) -> str:
    """The same rule for another host, or for a port where it asks for no protocol."""
    start, chain, *words = line.split(" ")
    counters = random.choice(("", "[7:420] "))
    if not {"-s", "-d"} & set(words):
        host = f"{random.choice(HOSTS[family])}/{32 if family == 4 else 128}"
        words = [random.choice(("-s", "-d")), host, *words]
    if "-p" not in words and words[2:3] != ["!"] and words[2:3] and words[2] in {"-m", "-j", "-g"}:
        port = random.choice(("22", "80", "443", "65535"))
        words[2:2] = ["-p", "tcp", "-m", "tcp", random.choice(("--dport", "--sport")), port]
    return counters + " ".join((start, chain, *words))


def read_at_once(ruleset: RuleSet) -> RuleSet:
    """The same rules as tuples, of which every one is asked."""

    def table(one: Table) -> Table:
        chains = {
            name: replace(chain, rules=tuple(chain.rules)) for name, chain in one.chains.items()
        }
        return replace(one, chains=chains)

    return replace(ruleset, tables={name: table(one) for name, one in ruleset.tables.items()})


def packets(random: Random, ruleset: RuleSet) -> Iterator[Packet]:
    """Packets at the rules' edges, and the same ones half of which nobody told."""
    for packet in make_packets(random, ruleset, Place(), 60):
        yield packet
        yield replace(packet, source=None)
        yield replace(packet, destination=None, destination_port=None)


@FAMILIES
def test_a_rule_left_as_a_line_is_the_rule_that_the_full_parser_reads(family: int) -> None:
    for seed in range(RULE_SETS):
        text = written_by_the_tool(Random(seed), family)  # noqa: S311 -- wanted: repeatable
        expected: dict[tuple[str, str], list[Rule]] = {}
        table = ""
        for line in text.splitlines():
            table = line[1:] if line.startswith("*") else table
            counters, found, rest = line.partition("-A ")
            if found:
                chain, *words = split_raw(rest)
                (rule,) = parse_rule(words, Context(family=family), is_lenient=True)
                counted = Counters(7, 420) if counters else ZERO
                expected.setdefault((table, chain), []).append(replace(rule, counters=counted))

        read: dict[tuple[str, str], list[Rule]] = {}
        for place, each, _, rule in parse_save(text, family).rules():
            read.setdefault((place.name, each.name), []).append(rule)

        assert read == expected


@FAMILIES
def test_lines_left_unread_are_equal_to_rules_and_rendered_as_they_stood(family: int) -> None:
    for seed in range(RULE_SETS):
        text = written_by_the_tool(Random(seed), family)  # noqa: S311 -- wanted: repeatable
        ruleset = parse_save(text, family)

        assert read_at_once(ruleset) == ruleset == read_at_once(parse_save(text, family))
        rendered = render_save(ruleset, counters=True).replace("[0:0] -A", "-A")
        assert sorted(rendered.splitlines()) == sorted(text.splitlines())


@FAMILIES
def test_a_verdict_and_the_way_to_it_do_not_depend_on_what_was_left_unread(family: int) -> None:
    verdicts = set()
    for seed in range(RULE_SETS):
        random = Random(seed)  # noqa: S311 -- wanted: repeatable
        text = written_by_the_tool(random, family)
        as_lines, as_rules = parse_save(text, family), read_at_once(parse_save(text, family))
        for packet in packets(random, as_rules):
            decision = decide(as_lines, packet)
            verdicts.add(decision.verdict)

            assert decision == decide(as_rules, packet)

    assert {Verdict.ACCEPT, Verdict.DROP, Verdict.DEPENDS} <= verdicts


def test_most_lines_of_a_long_file_are_left_unread() -> None:
    text = written_by_the_tool(Random(1), 4)  # noqa: S311 -- wanted: repeatable
    reader = Reader(Context(family=4))
    lines = [line for line in text.splitlines() if "-A " in line and '"' not in line]
    unread = 0
    for line in lines:
        if reader.known(line):
            unread += 1
        else:
            _, *words = split_raw(line.partition("-A ")[2])
            reader.read(line, words, None)

    assert unread > len(lines) / 2


KNOWN = "-A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 22 -j DROP\n"
BEFORE = f"*filter\n:INPUT ACCEPT [0:0]\n{KNOWN * 2}"


@pytest.mark.parametrize(
    "line",
    [
        "-A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 65536 -j DROP",
        "-A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 22,80 -j DROP",
        "-A INPUT -s 10.0.0.256/32 -p tcp -m tcp --dport 22 -j DROP",
        "-A INPUT -s 10.0.0.1/33 -p tcp -m tcp --dport 22 -j DROP",
        "-A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 2\N{ARABIC-INDIC DIGIT TWO} -j DROP",
        "-A OTHER -s 10.0.0.1/32 -p tcp -m tcp --dport 22 -j DROP",
    ],
)
def test_a_mistake_in_a_line_of_a_known_form_is_found_while_reading(line: str) -> None:
    with pytest.raises(SaveFileError, match=r"^line 5: "):
        parse_save(f"{BEFORE}{line}\nCOMMIT\n")
