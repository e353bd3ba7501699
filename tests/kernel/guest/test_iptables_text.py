"""Our texts beside those of the real tools, byte for byte, in a namespace of their own."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.support.iptables_commands import REFUSED, commands_that_apply
from tests.support.iptables_rules import save_file
from tests.support.programs import private_network

from portlight.guest.iptables.apply import apply
from portlight.guest.iptables.command import parse_command
from portlight.guest.iptables.names import Names
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.problems import CommandError
from portlight.guest.iptables.render import ListStyle, render_commands, render_list, render_save
from portlight.guest.iptables.rules import RuleSet, empty_table
from portlight.guest.iptables.tool import Tool, ToolError, system_names

TOOLS = [
    pytest.param(Tool(family=family, backend=backend), id=f"{backend}-{family}")
    for backend in ("nft", "legacy")
    for family in (4, 6)
]
RULES = 300
COMMANDS = 100
_PROGRAM_COMMENT = re.compile(r"^#.*\n", re.MULTILINE)


def names() -> Names:
    """The names of this machine; hosts are shown as they are, as no resolver answers here."""
    known = system_names()
    return Names(
        protocols=known.protocols,
        services=known.services,
        users=known.users,
        resolve=lambda name, _: ("127.0.0.1",) if name == "localhost" else (),
    )


NAMES = names()


@pytest.fixture(autouse=True)
def own_network() -> Iterator[None]:
    with private_network():
        yield


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 -- wanted: repeatable


def saved(tool: Tool) -> str:
    return _PROGRAM_COMMENT.sub("", tool.save())


def by_table(ruleset: RuleSet) -> dict[str, str]:
    """The save file of each table: the tools themselves differ in the order of tables."""
    return {
        name: render_save(
            RuleSet(family=ruleset.family, tables={name: table}), NAMES, counters=True
        )
        for name, table in ruleset.tables.items()
    }


@pytest.mark.covers("K45", "K46", "K47", "K25", "K26", "K14", "K15", "K16")
@pytest.mark.parametrize("tool", TOOLS)
def test_every_text_of_a_generated_rule_set_is_the_tools_own(tool: Tool) -> None:
    typed = save_file(chance(tool.family), tool.family, rules=RULES)
    tool.restore(typed)
    real = saved(tool)
    ruleset = parse_save(real, tool.family, NAMES)

    assert render_save(ruleset, NAMES, counters=True) == real
    assert_same_but_for_counters(parse_save(typed, tool.family, NAMES), ruleset)
    for table in ("filter", "nat", "mangle"):
        assert_listed_alike(tool, ruleset, table)
    assert tool.dialect().banner + "\n" == tool.run("", "-V")


def assert_same_but_for_counters(typed: RuleSet, real: RuleSet) -> None:
    """What we make of hand-written lines is what the tool makes of them."""
    for name, table in typed.tables.items():
        ours = render_save(RuleSet(family=4, tables={name: table}), NAMES)
        theirs = render_save(RuleSet(family=4, tables={name: real.tables[name]}), NAMES)
        assert ours.splitlines() == theirs.splitlines()


def assert_listed_alike(tool: Tool, ruleset: RuleSet, name: str) -> None:
    table, dialect = ruleset.tables[name], tool.dialect()
    asked = ("-t", name)
    verbose = ("-n", "-v", "--line-numbers")
    assert render_commands(table, names=NAMES) == tool.run("", *asked, "-S")
    assert render_commands(table, counters=True, names=NAMES) == tool.run("", *asked, "-S", "-v")
    for options in (("-n",), verbose, (*verbose, "-x"), ("-n", "-x")):
        style = ListStyle(
            is_numeric=True,
            is_verbose="-v" in options,
            is_exact="-x" in options,
            has_line_numbers="--line-numbers" in options,
            dialect=dialect,
            names=NAMES,
        )
        assert render_list(table, tool.family, style) == tool.run("", *asked, "-L", *options)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_listing_by_name_is_the_tools_own(tool: Tool) -> None:
    # Addresses are left out: the tool would ask a resolver for each.
    lines = save_file(chance(7), tool.family, rules=RULES).splitlines()
    bare = [line for line in lines if not re.search(r"(-s|-d|--destination) ", line)]
    tool.restore("\n".join((*bare, "")))
    table = tool.read(NAMES).tables["filter"]

    for verbose in (False, True):
        style = ListStyle(is_verbose=verbose, names=NAMES)
        options = ("-v",) if verbose else ()
        assert render_list(table, tool.family, style) == tool.run("", "-L", *options)


@pytest.mark.covers(
    "K20", "K21", "K23", "K24", "K27", "K28", "K29", "K30", "K31", "K32", "K33", "K34", "K35"
)
@pytest.mark.covers("K36", "K37", "K38", "K39", "K40", "K56", "K57", "K58", "K62")
@pytest.mark.parametrize("tool", TOOLS)
def test_our_rule_set_after_commands_is_the_tools_own(tool: Tool) -> None:
    ruleset = RuleSet(
        family=tool.family, tables={name: empty_table(name) for name in ("filter", "nat", "mangle")}
    )
    ours, commands = commands_that_apply(chance(11), ruleset, NAMES, count=COMMANDS)

    # The nft back end makes a chain when something is put into it, not when it is asked for.
    tool.restore(render_save(ruleset))

    # One by one: iptables-nft-restore 1.8.9 crashes on some batches that replace rules.
    for words in commands:
        tool.run("", *words)

    real = parse_save(saved(tool), tool.family, NAMES)
    for name, table in ours.tables.items():
        assert render_commands(table, names=NAMES) == render_commands(
            real.tables[name], names=NAMES
        )


@pytest.mark.covers("K22", "K62")
@pytest.mark.parametrize("tool", [Tool(family=4, backend="nft"), Tool(family=4, backend="legacy")])
def test_what_the_tool_refuses_we_refuse_in_its_words(tool: Tool) -> None:
    tool.restore(
        "*filter\n:a - [0:0]\n:b - [0:0]\n-A INPUT -j a\n-A a -s 1.2.3.4 -j DROP\nCOMMIT\n"
    )
    ruleset = tool.read(NAMES)
    dialect = tool.dialect()

    for words in REFUSED:
        with pytest.raises(ToolError) as theirs:
            tool.run("", *words)
        with pytest.raises(CommandError) as ours:
            apply(ruleset, parse_command(words, 4, NAMES))
        assert ours.value.said_by(dialect) == (theirs.value.said, theirs.value.status), words
    assert tool.read(NAMES) == ruleset


@pytest.mark.covers("K61")
@pytest.mark.parametrize("tool", TOOLS)
def test_the_save_file_goes_back_into_the_tool_and_comes_out_the_same(tool: Tool) -> None:
    tool.restore(save_file(chance(3), tool.family, rules=50))
    before = tool.read(NAMES)

    tool.restore(render_save(before, NAMES, counters=True))

    assert render_save(tool.read(NAMES), NAMES) == render_save(before, NAMES)


def test_the_file_of_the_guide_is_taken_by_the_tool_when_we_have_written_it(tmp_path: Path) -> None:
    tool = Tool(family=4, backend="nft")
    bare = "filter\n:INPUT ACCEPT [5:300]\n:sshguard - [0:0]\n-A INPUT -j sshguard\nCOMMIT\n"
    (tmp_path / "iptables.rules").write_text(bare)
    with pytest.raises(ToolError):
        tool.restore((tmp_path / "iptables.rules").read_text())

    tool.restore(render_save(parse_save(bare)))

    assert "-A INPUT -j sshguard" in saved(tool)
    assert (
        subprocess.run(["iptables-nft", "-C", "INPUT", "-j", "sshguard"], check=False).returncode
        == 0
    )
