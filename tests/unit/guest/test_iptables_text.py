"""The text of rule sets: what is read, what is written, what is refused and how."""

import pytest

from portlight.guest.iptables.apply import apply
from portlight.guest.iptables.command import parse_command
from portlight.guest.iptables.parse import SaveFileError, parse_save
from portlight.guest.iptables.problems import CommandError, Dialect
from portlight.guest.iptables.render import (
    ListStyle,
    render_commands,
    render_list,
    render_save,
)
from portlight.guest.iptables.rules import RuleSet, empty_table

FROM_THE_GUIDE = """\
filter
:INPUT ACCEPT [1438:151829]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [845:93350]
:sshguard - [0:0]
-A INPUT -j sshguard
COMMIT
"""

COUNTED = """\
*filter
:INPUT ACCEPT [451:44136]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [278:30411]
:sshguard - [0:0]
[773:77557] -A INPUT -j sshguard
COMMIT
"""


def after(*commands: str) -> RuleSet:
    ruleset = RuleSet(family=4, tables={"filter": empty_table("filter")})
    for command in commands:
        ruleset = apply(ruleset, parse_command(command.split()))
    return ruleset


def printed(ruleset: RuleSet) -> list[str]:
    return render_commands(ruleset.tables["filter"]).splitlines()[3:]


@pytest.mark.covers("K61")
def test_a_save_file_without_its_star_is_read_and_written_with_it() -> None:
    assert render_save(parse_save(FROM_THE_GUIDE)) == "*" + FROM_THE_GUIDE


@pytest.mark.covers("K45")
def test_the_listing_of_the_guide_comes_out_in_its_layout() -> None:
    style = ListStyle(
        is_numeric=True,
        is_verbose=True,
        has_line_numbers=True,
        dialect=Dialect(version="1.6.1"),
    )

    listing = render_list(parse_save(COUNTED).tables["filter"], 4, style)

    assert [" ".join(line.split()) for line in listing.splitlines()] == [
        "Chain INPUT (policy ACCEPT 451 packets, 44136 bytes)",
        "num pkts bytes target prot opt in out source destination",
        "1 773 77557 sshguard all -- * * 0.0.0.0/0 0.0.0.0/0",
        "",
        "Chain FORWARD (policy ACCEPT 0 packets, 0 bytes)",
        "num pkts bytes target prot opt in out source destination",
        "",
        "Chain OUTPUT (policy ACCEPT 278 packets, 30411 bytes)",
        "num pkts bytes target prot opt in out source destination",
        "",
        "Chain sshguard (1 references)",
        "num pkts bytes target prot opt in out source destination",
    ]


@pytest.mark.covers("K46")
def test_the_rules_of_the_guide_are_printed_with_their_counters() -> None:
    table = parse_save(COUNTED).tables["filter"]

    assert render_commands(table, counters=True).splitlines() == [
        "-P INPUT ACCEPT -c 451 44136",
        "-P FORWARD ACCEPT -c 0 0",
        "-P OUTPUT ACCEPT -c 278 30411",
        "-N sshguard",
        "-A INPUT -c 773 77557 -j sshguard",
    ]


@pytest.mark.covers("K44")
def test_the_version_line_names_the_back_end_since_there_are_two() -> None:
    assert Dialect(version="1.6.1").banner == "iptables v1.6.1"
    assert Dialect(version="1.8.9").banner == "iptables v1.8.9 (nf_tables)"
    assert Dialect(version="1.8.9", is_nft=False).banner == "iptables v1.8.9 (legacy)"


@pytest.mark.covers("K51", "K52", "K53", "K54", "K55")
def test_the_rules_of_the_guide_are_taken_and_printed_in_full() -> None:
    ruleset = after(
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -p tcp --dport 22 -j ACCEPT",
        "-A INPUT -p tcp --dport 80 -j ACCEPT",
        "-A INPUT -p tcp --dport 443 -j ACCEPT",
        "-A INPUT -d 192.0.2.10 -p tcp --dport 22 -j ACCEPT",
    )

    assert printed(ruleset) == [
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT",
        "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT",
        "-A INPUT -d 192.0.2.10/32 -p tcp -m tcp --dport 22 -j ACCEPT",
    ]


@pytest.mark.covers("K56", "K57", "K58")
def test_a_rule_is_deleted_by_number_and_by_either_spelling() -> None:
    ruleset = after(
        "-A INPUT -p tcp --dport 22 -j REJECT",
        "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT",
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -j DROP",
        "-D INPUT 4",
        "-D INPUT -p tcp -m tcp --dport 22 -j REJECT",
        "-D INPUT -p tcp --dport 443 -j ACCEPT",
    )

    assert printed(ruleset) == ["-A INPUT -i lo -j ACCEPT"]


@pytest.mark.covers("K62")
def test_the_mistyped_port_option_is_refused_as_the_tool_refuses_it() -> None:
    with pytest.raises(CommandError) as refused:
        after("-A INPUT -p tcp -dport 22 -j ACCEPT")

    assert refused.value.said_by(Dialect())[0].startswith("Bad argument `22'")


def test_what_is_not_known_comes_back_as_it_came() -> None:
    match = '-m string --string "a \\"b" --algo bm'
    line = f"-A INPUT -p tcp {match} -m tcp --dport 5 -j NFQUEUE --queue-num 3"
    chains = "".join(f":{name} ACCEPT [0:0]\n" for name in ("INPUT", "FORWARD", "OUTPUT"))
    text = f"*filter\n{chains}{line}\nCOMMIT\n"

    assert render_save(parse_save(text)) == text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("-A NOPE -j DROP", "chain NOPE was not announced"),
        ("-A INPUT -p tcp --dport 70000 -j DROP", "invalid port/service `70000' specified"),
        ("hello", "`hello' is no line of a save file"),
        (":INPUT REJECT [0:0]", "`REJECT' is no policy"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, reason: str) -> None:
    with pytest.raises(SaveFileError) as refused:
        parse_save(f"*filter\n{line}\nCOMMIT\n")

    assert refused.value.line == 2
    assert reason in refused.value.reason


def test_a_range_that_could_never_match_is_refused() -> None:
    with pytest.raises(CommandError, match="would never match"):
        after("-A INPUT -p tcp ! --sport 0:65535 -j DROP")
