"""The commands about interfaces and routes: `routes show`, `check`, `fix`, ..."""

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from portlight.guest.arguments import Commands
from portlight.guest.guard.guarded import foresee
from portlight.guest.guard.history_commands import OK, REFUSED, add_history_commands
from portlight.guest.guard.wishes import Wishes, add_wishes, wishes_of
from portlight.guest.routes.changes import outlook_of, start, start_undo
from portlight.guest.routes.checks.all import find_faults
from portlight.guest.routes.remedies import (
    REMEDIES,
    kept_gateway,
    plan_remedies,
    remedies_of,
)
from portlight.guest.routes.render_command import add_render
from portlight.guest.routes.restore import (
    follow_intent,
    follow_policy,
    restore,
    switch_policy,
    switching,
)
from portlight.guest.routes.show import read_rows, read_rows6, render_rows, render_rows6
from portlight.guest.routes.snapshot import read_snapshot

_PROC: Final = Path("/proc/net")


def add_commands(commands: Commands) -> None:
    """Add `routes` and what is below it."""
    routes = commands.add_parser("routes", help="this server's interfaces and routes")
    verbs = routes.add_subparsers(required=True, metavar="VERB")
    for add in (_add_show, _add_check, _add_fix, _add_undo, _add_restore, _add_policy, add_render):
        add(verbs)
    add_history_commands(verbs, "routes", show_word="change")


def _add_show(verbs: Commands) -> None:
    show = verbs.add_parser("show", help="the routing table, as `route -n` prints it")
    show.add_argument("-6", "--ipv6", action="store_true", help="IPv6, as `route -6 -n`")
    show.add_argument("--json", action="store_true")
    show.set_defaults(run=_show)


def _show(arguments: argparse.Namespace) -> int:
    if arguments.ipv6:
        rows, render = [*read_rows6((_PROC / "ipv6_route").read_text())], render_rows6
    else:
        rows, render = [*read_rows((_PROC / "route").read_text())], render_rows
    if arguments.json:
        print(json.dumps({"routes": [asdict(row) for row in rows]}))
    else:
        print(render(rows), end="")
    return OK


def _add_check(verbs: Commands) -> None:
    check = verbs.add_parser("check", help="what is wrong, why, and what to do")
    check.add_argument("--no-probe", action="store_true", help="send nothing to the gateways")
    check.add_argument(
        "--keepalived-conf",
        type=Path,
        default=Path("/etc/keepalived/keepalived.conf"),
        help="says which addresses are virtual IPs (default: %(default)s)",
    )
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    snapshot = read_snapshot(keepalived=arguments.keepalived_conf, probe=not arguments.no_probe)
    faults = find_faults(snapshot)
    if arguments.json:
        print(json.dumps({"faults": [asdict(fault) for fault in faults]}))
    for fault in () if arguments.json else faults:
        print(f"{fault.name}: {fault.interface}" if fault.interface else fault.name)
        print(f"  seen:   {fault.evidence}\n  remedy: {fault.remedy}")
    if not faults and not arguments.json:
        print("no fault found")
    return REFUSED if faults else OK


def _add_fix(verbs: Commands) -> None:
    fix = verbs.add_parser("fix", help="put right what `check` found; taken back unless confirmed")
    fix.add_argument(
        *("--only", "-o"), action="append", choices=tuple(REMEDIES), help="this remedy; repeatable"
    )
    fix.add_argument("--keep", default="", help="the interface whose default gateway stays")
    add_wishes(fix)
    fix.set_defaults(run=_fix)


def _fix(arguments: argparse.Namespace) -> int:
    snapshot, wishes = read_snapshot(), wishes_of(arguments)
    kinds = arguments.only or remedies_of(find_faults(snapshot))
    commands = plan_remedies(snapshot, kinds, arguments.keep)
    if not commands.apply:
        print(json.dumps({"result": "nothing to do"}) if wishes.as_json else "nothing to do")
        return OK
    for command in () if wishes.as_json else commands.apply:
        print(shlex.join(command))
    # At the next start another gateway may be the first: the one that stays is written down.
    keep = kept_gateway(snapshot) if "default-gateways" in kinds else ""
    return start(kinds, arguments.keep or keep, commands, snapshot, wishes)


def _add_undo(verbs: Commands) -> None:
    undo = verbs.add_parser("undo", help="take the last change of routes back")
    add_wishes(undo)
    undo.set_defaults(run=lambda arguments: start_undo(wishes_of(arguments)))


def _add_restore(verbs: Commands) -> None:
    parser = verbs.add_parser("restore", help="apply the confirmed remedies anew; for the boot")
    parser.add_argument(
        "--follow", action="store_true", help="stay, and follow addresses and routes"
    )
    parser.set_defaults(run=_restore)


def _restore(arguments: argparse.Namespace) -> int:
    if arguments.follow:
        follow_intent()
        return OK
    restored = restore()
    for command in restored.commands:
        print(shlex.join(command))
    for problem in restored.problems:
        print(f"portlight-guest: {problem}", file=sys.stderr)
    return REFUSED if restored.problems else OK


def _add_policy(verbs: Commands) -> None:
    policy = verbs.add_parser(
        "policy", help="policy routing at once and without a timer; for the boot"
    )
    policy.add_argument("state", choices=("on", "off"))
    policy.add_argument(
        "--follow", action="store_true", help="stay, and follow addresses and routes"
    )
    policy.add_argument("--force", action="store_true", help="even if it cuts somebody off")
    policy.set_defaults(run=_policy)


def _policy(arguments: argparse.Namespace) -> int:
    is_on = arguments.state == "on"
    if not arguments.force:
        snapshot = read_snapshot()
        outlook = outlook_of(snapshot, switching(snapshot, on=is_on))
        if not foresee(outlook, Wishes()):
            return REFUSED
    if arguments.follow and is_on:
        follow_policy()
    switch_policy(on=is_on)
    return OK
