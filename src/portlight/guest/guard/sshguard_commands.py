"""The commands about brute force: `protect` and `sshguard`."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from ipaddress import ip_network
from pathlib import Path

from portlight.guest.arguments import Commands
from portlight.guest.guard.bans import Ban, load_bans
from portlight.guest.guard.firewall import Firewall
from portlight.guest.guard.journal import Journal
from portlight.guest.guard.orders import Orders
from portlight.guest.guard.pipeline import Policy, SshguardError
from portlight.guest.guard.protected import (
    ProtectedError,
    load_protected,
    parse_protected,
    save_protected,
)
from portlight.guest.guard.sessions import current_door
from portlight.guest.guard.sshguard import (
    find_log,
    run,
    running,
    start,
    stop,
    unban,
)

OK, REFUSED, USAGE = 0, 1, 2


def add_protect(commands: Commands) -> None:
    """Add `protect`: what no rule and no ban may cut off."""
    parser = commands.add_parser("protect", help="what must stay open whatever is changed")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list").set_defaults(run=_list_protected)
    for verb, change in (("add", _protect), ("remove", _unprotect)):
        one = verbs.add_parser(verb)
        one.add_argument("words", nargs="+", metavar="[in|out] ADDRESS[/LENGTH] [tcp/PORT]")
        one.set_defaults(run=change)


def add_sshguard(commands: Commands) -> None:
    """Add `sshguard`: who guesses passwords is banned for a while."""
    parser = commands.add_parser("sshguard", help="ban who guesses passwords")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    begin = verbs.add_parser("start")
    begin.add_argument("--log", type=Path, help="the server's auth log")
    begin.add_argument("--threshold", type=int, default=Policy().threshold)
    begin.add_argument("--block-seconds", type=int, default=Policy().block_seconds)
    begin.add_argument("--detection-seconds", type=int, default=Policy().detection_seconds)
    begin.add_argument("--backend", choices=("nft", "legacy"), default="")
    release = verbs.add_parser("unban")
    release.add_argument("address", type=ip_network)
    release.add_argument("--backend", choices=("nft", "legacy"), default="")
    bans = verbs.add_parser("bans", help="who is banned, who was spared, and why")
    bans.add_argument("--json", action="store_true")
    for verb, act in (
        (begin, _start),
        (verbs.add_parser("run", help="as last started, in the foreground; for the boot"), _run),
        (verbs.add_parser("stop"), _stop),
        (verbs.add_parser("status"), _status),
        (bans, _bans),
        (release, _unban),
    ):
        verb.set_defaults(run=_telling(act))


def _telling(
    act: Callable[[argparse.Namespace], int],
) -> Callable[[argparse.Namespace], int]:
    def told(arguments: argparse.Namespace) -> int:
        try:
            return act(arguments)
        except SshguardError as error:
            print(f"sshguard: {error}", file=sys.stderr)
            return REFUSED

    return told


def _list_protected(_: argparse.Namespace) -> int:
    for one in load_protected(Journal().folder):
        print(one)
    return OK


def _protect(arguments: argparse.Namespace) -> int:
    return _change_protected(arguments, keep=True)


def _unprotect(arguments: argparse.Namespace) -> int:
    return _change_protected(arguments, keep=False)


def _change_protected(arguments: argparse.Namespace, *, keep: bool) -> int:
    try:
        wanted = parse_protected(" ".join(arguments.words))
    except ProtectedError as error:
        print(f"protect: {error}", file=sys.stderr)
        return USAGE
    journal = Journal()
    with journal.locked():
        known = load_protected(journal.folder)
        if not keep and wanted not in known:
            print(f"protect: {wanted} is not protected", file=sys.stderr)
            return REFUSED
        others = tuple(one for one in known if one != wanted)
        save_protected(journal.folder, (*others, wanted) if keep else others)
    return OK


def _start(arguments: argparse.Namespace) -> int:
    policy = Policy(
        threshold=arguments.threshold,
        block_seconds=arguments.block_seconds,
        detection_seconds=arguments.detection_seconds,
    )
    orders = Orders(
        log=str(find_log(arguments.log)),
        policy=policy,
        backend=arguments.backend,
        spare=tuple(str(one.socket.remote) for one in current_door().sessions),
    )
    start(Journal(), orders)
    print("attackers are banned from now on")
    return OK


def _run(_: argparse.Namespace) -> int:
    run(Journal())
    return OK


def _stop(_: argparse.Namespace) -> int:
    print("ended; bans stay" if stop(Journal()) else "it did not run")
    return OK


def _status(_: argparse.Namespace) -> int:
    pid = running(Journal())
    banned = len(load_bans(Journal().folder).banned)
    print(f"{f'runs as process {pid}' if pid else 'does not run'}; {banned} banned")
    return OK if pid else REFUSED


def _bans(arguments: argparse.Namespace) -> int:
    bans = load_bans(Journal().folder)
    if arguments.json:
        print(json.dumps(asdict(bans)))
        return OK
    for word, group in (("banned", bans.banned), ("spared", bans.spared)):
        for one in group:
            print(_line(word, one))
    return OK


def _line(word: str, ban: Ban) -> str:
    return f"{word}  {ban.network}  {ban.at}  {ban.reason}"


def _unban(arguments: argparse.Namespace) -> int:
    if unban(Journal(), Firewall(backend=arguments.backend), arguments.address):
        print(f"{arguments.address} may send again")
        return OK
    print(
        f"sshguard: {arguments.address} is not banned; `sshguard bans` lists them", file=sys.stderr
    )
    return REFUSED
