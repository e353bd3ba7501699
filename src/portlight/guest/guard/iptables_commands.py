"""`portlight-guest iptables …`: iptables' own command line, under guard.

What only reads is the tool's own, to the byte. Our options stand before the tool's.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Final

from portlight.guest.arguments import Commands
from portlight.guest.guard.change import (
    Request,
    Wishes,
    change_firewall,
    models,
    read_again,
    read_rules,
)
from portlight.guest.guard.confirm import DEFAULT_SECONDS
from portlight.guest.guard.firewall import Firewall
from portlight.guest.guard.journal import Journal
from portlight.guest.guard.texts import rules_only
from portlight.guest.iptables.apply import apply
from portlight.guest.iptables.command import parse_command
from portlight.guest.iptables.commands import QUESTIONS, run_question
from portlight.guest.iptables.problems import CommandError, Dialect
from portlight.guest.iptables.render import render_save
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.tool import ToolError, system_names

_PROGRAMS: Final = {"iptables": 4, "ip6tables": 6}
_LONGEST_SECONDS: Final = 86_400
_NO_PREFIX: Final = "\0"
"""What starts an option of our own parser: nothing that a person types."""


def add_iptables(commands: Commands) -> None:
    """Add both programs; all their words are their own."""
    for program, family in _PROGRAMS.items():
        parser = commands.add_parser(
            program,
            help=f"{program}' own command line, under guard",
            prefix_chars=_NO_PREFIX,
            add_help=False,
        )
        parser.add_argument("words", nargs="*")
        parser.set_defaults(run=_runner(program, family))


def add_wishes(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a change is made."""
    parser.add_argument("--force", action="store_true", help="even if it cuts somebody off")
    parser.add_argument("--dry-run", action="store_true", help="say only what would happen")
    parser.add_argument("--keep", action="store_true", help="confirm at once if nobody is cut off")
    parser.add_argument(
        "--confirm-within",
        type=_seconds,
        default=DEFAULT_SECONDS,
        metavar="SECONDS",
        help="taken back unless confirmed in this time; default: %(default)g",
    )
    parser.add_argument("--json", action="store_true")
    add_backend(parser)


def _seconds(text: str) -> float:
    """Parse the time of a timer; one that never ends is none."""
    seconds = float(text)
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {_LONGEST_SECONDS} seconds")
    return seconds


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add the choice of iptables' back end."""
    parser.add_argument("--backend", choices=("nft", "legacy"), default="")


def wishes_of(arguments: argparse.Namespace) -> Wishes:
    """Return what was wished."""
    return Wishes(
        seconds=arguments.confirm_within,
        force=arguments.force,
        dry_run=arguments.dry_run,
        keep=arguments.keep,
        as_json=arguments.json,
    )


def _runner(program: str, family: int) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        ours = argparse.ArgumentParser(
            prog=f"portlight-guest {program}",
            allow_abbrev=False,
            usage=f"%(prog)s [our options] [options of {program}]",
        )
        add_wishes(ours)
        split = _first_of_the_tool(arguments.words)
        question = arguments.words[split : split + 1]
        if question and question[0] in QUESTIONS:
            return run_question(question[0], arguments.words[split + 1 :], family)
        options = ours.parse_args(arguments.words[:split])
        return _run(options, family, arguments.words[split:])

    return run


def _first_of_the_tool(words: Sequence[str]) -> int:
    """Return the place of the first word that is not ours."""
    place = 0
    while place < len(words):
        if words[place].partition("=")[0] in {"--confirm-within", "--backend"}:
            place += 1 if "=" in words[place] else 2
        elif words[place] in {"--force", "--dry-run", "--keep", "--json"}:
            place += 1
        else:
            break
    return place


def _run(options: argparse.Namespace, family: int, words: Sequence[str]) -> int:
    firewall = Firewall(backend=options.backend)
    tool = firewall.tool(family).program()
    if shutil.which(tool) is None:
        raise FileNotFoundError(f"{tool} is not installed; on Debian: apt-get install iptables")
    try:
        command = parse_command(words, family, system_names())
        if not command.changes:
            os.execvp(tool, (tool, *words))  # noqa: S606 -- what reads is the tool's own
        now = read_rules(firewall)
        before = models(now)[family]
        planned = apply(before, command)
    except CommandError as error:
        text, status = error.said_by(Dialect(program=tool))
        sys.stderr.write(text)
        return status

    def carry_out() -> None:
        sys.stdout.write(firewall.run(family, *words))

    try:
        if _is_same(before, planned):
            with Journal().locked():
                read_again(firewall, now)
                carry_out()
            return 0
        summary = " ".join((tool, *words))
        request = Request(summary=summary, planned={family: planned}, apply=carry_out)
        return change_firewall(firewall, request, now, wishes_of(options))
    except ToolError as error:
        sys.stderr.write(error.said)
        return error.status


def _is_same(before: RuleSet, planned: RuleSet) -> bool:
    """Whether only counters change: then nothing can be cut off."""
    return rules_only(render_save(before)) == rules_only(render_save(planned))
