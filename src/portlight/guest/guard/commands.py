"""The commands about the firewall as a whole: its history, and its rules as a file."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from portlight.guest.arguments import Commands
from portlight.guest.guard.boot import SCRIPT, boot_files, kept_files, unit_text
from portlight.guest.guard.change import NewRules, change_firewall, models, read_rules
from portlight.guest.guard.confirm import pending
from portlight.guest.guard.firewall import BACKENDS, FAMILIES, Firewall
from portlight.guest.guard.history_commands import OK, REFUSED, add_history_commands
from portlight.guest.guard.iptables_commands import add_backend, add_firewall_wishes
from portlight.guest.guard.journal import Backend, Journal, Record, State, write_durably
from portlight.guest.guard.rollback import ChangeError
from portlight.guest.guard.standing import standing, undo_summary
from portlight.guest.guard.texts import by_family, whole
from portlight.guest.guard.wishes import wishes_of
from portlight.guest.iptables.commands import read_rules_file
from portlight.guest.iptables.parse import SaveFileError, parse_save
from portlight.guest.iptables.render import render_save
from portlight.guest.iptables.rules import RuleSet

USAGE = 2
_READABLE = 0o644


def add_firewall(commands: Commands) -> None:
    """Add `firewall` and what is below it."""
    parser = commands.add_parser("firewall", help="changes of the firewall, and its rules as files")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add_history_commands(verbs, "firewall")
    _add_save(verbs)
    _add_restore(verbs)
    _add_undo(verbs)
    boot = verbs.add_parser("at-boot", help="what puts the rules back after a restart")
    boot.set_defaults(run=_at_boot)


def _add_save(verbs: Commands) -> None:
    save = verbs.add_parser("save", help="the rules as iptables-save writes them")
    save.add_argument("file", type=Path, nargs="?", help="such as /etc/iptables.rules")
    save.add_argument("-6", "--ipv6", action="store_true")
    save.add_argument("-c", "--counters", action="store_true", help="of each rule as well")
    add_backend(save)
    save.set_defaults(run=_save)


def _save(arguments: argparse.Namespace) -> int:
    firewall = Firewall(backend=arguments.backend)
    text = firewall.save(_family(arguments), counters=arguments.counters)
    if arguments.file is None:
        sys.stdout.write(text)
    else:
        write_durably(arguments.file.absolute(), text, _READABLE)
    return OK


def _add_restore(verbs: Commands) -> None:
    restore = verbs.add_parser("restore", help="put the rules of a saved file in place, guarded")
    restore.add_argument("file", help="`-` reads standard input")
    restore.add_argument("-6", "--ipv6", action="store_true")
    add_firewall_wishes(restore)
    restore.set_defaults(run=_restore)


def _restore(arguments: argparse.Namespace) -> int:
    family = _family(arguments)
    text = read_rules_file(arguments.file)
    try:
        wanted = parse_save(text, family)
    except SaveFileError as error:
        print(f"{arguments.file}: {error}", file=sys.stderr)
        return USAGE
    if not wanted.tables:
        # What a full disk leaves of a file: to say "restored" would be a lie.
        print(f"{arguments.file}: there is no table in it; nothing was changed", file=sys.stderr)
        return USAGE
    firewall = Firewall(backend=arguments.backend)
    now = read_rules(firewall)
    return _put(arguments, firewall, now, {family: wanted}, f"restore {arguments.file}")


def _add_undo(verbs: Commands) -> None:
    undo = verbs.add_parser("undo", help="back to the rules from before a confirmed change")
    undo.add_argument("id", type=int, nargs="?", help="default: the last one that stands")
    undo.add_argument("--with-later", action="store_true", help="and everything after it")
    add_firewall_wishes(undo)
    undo.set_defaults(run=_undo)


def _undo(arguments: argparse.Namespace) -> int:
    record = _to_undo(arguments.backend, arguments.id)
    firewall = Firewall(backend=record.change.backend)
    holding = standing(_changes(firewall.real_backend()))
    later = [str(one.id) for one in holding if one.id > record.id]
    if later and not arguments.with_later:
        raise ChangeError(
            f"changes {', '.join(later)} came after {record.id} and would go as well:"
            " add --with-later"
        )
    now = read_rules(firewall)
    wanted = {
        family: parse_save(whole(text, [now[family]]), family)
        for family, text in by_family(record.change.before).items()
    }
    return _put(arguments, firewall, now, wanted, undo_summary(record.id))


def _changes(backend: Backend) -> list[Record]:
    """Return the changes of one back end's rules: those of the other stand on others."""
    return [
        one
        for one in Journal().records()
        if one.change.kind == "firewall"
        and Firewall(backend=one.change.backend).real_backend() == backend
    ]


def _to_undo(backend: Backend, number: int | None) -> Record:
    """Return the change that is meant, by default the last one that holds in any back end."""
    records = [_changes(one) for one in BACKENDS if backend in {"", one}]
    if number is None:
        chosen = [one for group in records for one in standing(group)]
    else:
        chosen = [one for group in records for one in group if one.id == number]
        chosen = [one for one in chosen if one.state is State.CONFIRMED]
    if not chosen:
        raise ChangeError(
            f"change {number} is not confirmed" if number else "no confirmed change is left to undo"
        )
    return max(chosen, key=lambda one: one.id)


def _put(
    arguments: argparse.Namespace,
    firewall: Firewall,
    now: Mapping[int, str],
    wanted: Mapping[int, RuleSet],
    summary: str,
) -> int:
    """Put the tables that are wanted in place; all others stay as they are."""
    before = models(now)
    planned = {
        family: RuleSet(family=family, tables={**before[family].tables, **one.tables})
        for family, one in wanted.items()
    }

    def carry_out() -> None:
        for family, ruleset in wanted.items():
            firewall.restore(family, render_save(ruleset, counters=True))

    new = NewRules(summary=summary, planned=planned, apply=carry_out)
    return change_firewall(firewall, new, now, wishes_of(arguments))


def _at_boot(_: argparse.Namespace) -> int:
    folder = Journal().folder
    script = folder / SCRIPT
    if not script.exists():
        if pending("firewall"):
            raise ChangeError("a change waits for its confirmation; confirm or roll back first")
        firewall = Firewall()
        for file in kept_files(folder, firewall, read_rules(firewall)):
            file.write()
    if files := boot_files(folder):
        for file in files:
            file.write()
        print(f"systemd runs {script} before the network comes up")
        return OK
    print(f"let this run before the network comes up: /bin/sh {script}\nfor systemd:\n")
    print(unit_text(folder))
    return REFUSED


def _family(arguments: argparse.Namespace) -> int:
    return FAMILIES[1] if arguments.ipv6 else FAMILIES[0]
