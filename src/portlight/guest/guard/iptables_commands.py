"""`portlight-guest iptables …`: iptables' own command line, under guard.

What only reads is the tool's own, to the byte. Our options stand before the tool's.
"""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Final

from portlight.guest.arguments import Commands
from portlight.guest.guard.change import NewRules, change_firewall, models, read_again, read_rules
from portlight.guest.guard.firewall import Firewall
from portlight.guest.guard.journal import Journal
from portlight.guest.guard.texts import rules_only
from portlight.guest.guard.wishes import add_wishes, count_wishes, wishes_of
from portlight.guest.iptables.apply import apply
from portlight.guest.iptables.command import parse_command
from portlight.guest.iptables.commands import QUESTIONS, run_question
from portlight.guest.iptables.problems import CommandError, Dialect
from portlight.guest.iptables.render import render_save
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.tool import ToolError, system_names

_PROGRAMS: Final = {"iptables": 4, "ip6tables": 6}
_BACKEND: Final = "--backend"
_KEEP: Final = "--keep"
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


def add_firewall_wishes(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a change of the firewall is made."""
    add_wishes(parser)
    parser.add_argument(_KEEP, action="store_true", dest="no_confirm", help="as --no-confirm")
    add_backend(parser)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add the choice of iptables' back end."""
    parser.add_argument(_BACKEND, choices=("nft", "legacy"), default="")


def _runner(program: str, family: int) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        ours = argparse.ArgumentParser(
            prog=f"portlight-guest {program}",
            allow_abbrev=False,
            usage=f"%(prog)s [our options] [options of {program}]",
        )
        add_firewall_wishes(ours)
        split = count_wishes(arguments.words, {_KEEP}, {_BACKEND})
        question = arguments.words[split : split + 1]
        if question and question[0] in QUESTIONS:
            return run_question(question[0], arguments.words[split + 1 :], family)
        options = ours.parse_args(arguments.words[:split])
        return _run(options, family, arguments.words[split:])

    return run


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
        summary = shlex.join((tool, *words))
        new = NewRules(summary=summary, planned={family: planned}, apply=carry_out)
        return change_firewall(firewall, new, now, wishes_of(options))
    except ToolError as error:
        sys.stderr.write(error.said)
        return error.status


def _is_same(before: RuleSet, planned: RuleSet) -> bool:
    """Whether only counters change: then nothing can be cut off."""
    return rules_only(render_save(before)) == rules_only(render_save(planned))
