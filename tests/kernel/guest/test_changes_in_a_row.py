"""Changes that stand on others, that meet others, and whose way back is not what it was."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.lab import wait_until
from tests.support.guest_pair import OPERATOR, GuestPair, guest_pair

from portlight.guest.guard.journal import held

SHUT = ("iptables", "--force", "-P", "INPUT", "DROP")
HARMLESS = ("-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP")
RULE = " ".join(HARMLESS)
NOTHING = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
POLICY = ["-P INPUT ACCEPT", "-P FORWARD ACCEPT", "-P OUTPUT ACCEPT"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestPair]:
    with guest_pair(tmp_path_factory.mktemp("row")) as pair:
        yield pair


@pytest.fixture
def pair(made: GuestPair) -> Iterator[GuestPair]:
    """The server without rules and history."""
    yield made
    if list(made.state.glob("changes/*.watch")):
        made.guest("firewall", "rollback")
    for table in ("filter", "nat"):
        made.iptables("-t", table, "-F")
    shutil.rmtree(made.state, ignore_errors=True)


def waiting(pair: GuestPair) -> list[dict[str, object]]:
    """Return what waits for a confirmation."""
    told: list[dict[str, object]] = json.loads(pair.guest("firewall", "status", "--json").stdout)
    return told


def slow(pair: GuestPair, *words: str) -> subprocess.Popen[bytes]:
    """Start a change; return when it has read the rules and judged them, and waits for its turn."""
    command = ("env", "PYTHONUNBUFFERED=1", "sh", "-c", 'exec "$@" 2>&1', "sh", *pair.tool(*words))
    program = pair.start(pair.server, *command)
    assert program.stdout
    while b"other live flows stay open" not in (line := program.stdout.readline()):
        assert line, "it ended"
    return program


@pytest.mark.covers("X11", "X12")
@pytest.mark.parametrize(
    "words",
    [("iptables", "--keep", *HARMLESS), ("firewall", "restore", "--keep", "-")],
    ids=["iptables", "restore"],
)
def test_what_cuts_people_off_is_not_confirmed_by_what_stands_on_it(
    pair: GuestPair, words: tuple[str, ...]
) -> None:
    pair.guest("protect", "add", OPERATOR, "tcp/22")
    pair.guest(*SHUT)
    now = pair.guest("firewall", "save").stdout

    told = pair.guest(*words, check=False, stdin=now.replace("COMMIT", f"{RULE}\nCOMMIT"))

    assert told.returncode == 1
    assert "change 2 is not confirmed: it stands on change 1 (firewall, iptables -P" in told.stderr
    assert "change 2 is taken back in" in told.stdout
    assert [one["id"] for one in waiting(pair)] == [1, 2]
    pair.guest("firewall", "rollback")
    assert pair.reaches()


@pytest.mark.covers("X12")
def test_a_person_may_confirm_both(pair: GuestPair) -> None:
    pair.guest("iptables", "-A", "INPUT", "-s", "192.0.2.2", "-j", "DROP")
    pair.guest("iptables", "--keep", *HARMLESS, check=False)

    pair.guest("firewall", "confirm")

    assert waiting(pair) == []
    assert "192.0.2.1/32 -j DROP\n" in (pair.state / "rules-nft.v4").read_text()


@pytest.mark.covers("K59", "X12")
def test_what_was_changed_meanwhile_is_neither_lost_nor_taken_for_something_else(
    pair: GuestPair, tmp_path: Path
) -> None:
    file = tmp_path / "rules"
    file.write_text(NOTHING)
    for address in ("192.0.2.2", "192.0.2.3"):
        pair.iptables("-A", "INPUT", "-s", address, "-j", "DROP")
    with held(pair.state / "lock"):
        deleting = slow(pair, "iptables", "-D", "INPUT", "2")
        putting = slow(pair, "firewall", "restore", str(file))
        pair.iptables("-I", "INPUT", "-s", "192.0.2.1", "-j", "DROP")

    for program in (deleting, putting):
        assert program.stdout
        assert b"the rules were changed meanwhile; nothing was done" in program.stdout.read()
        assert program.wait() == 1
    assert [rule.split()[3] for rule in pair.rules()[3:]] == [
        f"192.0.2.{number}/32" for number in (1, 2, 3)
    ]
    assert pair.guest("firewall", "history").stdout.count("\n") == 1


@pytest.mark.covers("K60")
def test_a_restored_file_touches_only_the_tables_it_names(pair: GuestPair) -> None:
    pair.iptables("-t", "nat", "-A", "POSTROUTING", "-s", "192.0.2.1", "-j", "MASQUERADE")
    pair.iptables(*HARMLESS)

    pair.guest("firewall", "restore", "--keep", "-", stdin=NOTHING)

    assert pair.rules() == POLICY
    assert "MASQUERADE" in pair.guest("iptables", "-t", "nat", "-S").stdout


@pytest.mark.covers("X11")
def test_the_way_back_is_found_although_path_does_not_name_it(pair: GuestPair) -> None:
    forced = ("iptables", "--force", "--confirm-within", "2", *SHUT[2:])

    pair.guest(*forced, path="/usr/bin:/bin")

    wait_until(lambda: pair.rules() == POLICY, pair.rules)
    wait_until(lambda: "rolled back" in pair.guest("firewall", "history").stdout)


@pytest.mark.covers("X11")
def test_without_a_way_back_nothing_is_changed(pair: GuestPair, tmp_path: Path) -> None:
    # An installation with a broken iptables-restore.
    (tmp_path / "iptables-restore").symlink_to("/bin/false")
    path = f"{tmp_path}:/usr/sbin:/usr/bin:/bin"

    broken = pair.guest("iptables", *HARMLESS, check=False, path=path)

    assert "there would be no way back" in broken.stderr
    assert broken.returncode == 1
    assert pair.rules() == POLICY


@pytest.mark.covers("X12")
@pytest.mark.parametrize(("force", "becomes"), [("force", "pending"), ("", "rolled back")])
def test_a_surprise_is_never_kept_not_even_by_force(
    pair: GuestPair, force: str, becomes: str
) -> None:
    pair.guest("protect", "add", OPERATOR, "tcp/22")

    surprised = pair.start(pair.server, sys.executable, "-c", SURPRISE, force)

    surprised.communicate()
    assert becomes in pair.guest("firewall", "history").stdout.splitlines()[-1]


SURPRISE = """
import sys
from portlight.guest.guard.guarded import Made, Outlook, Request, change_guarded
from portlight.guest.guard.journal import Change
from portlight.guest.guard.proof import Outcome
from portlight.guest.guard.wishes import Wishes
passes = Outcome(passes=True, why="", basis="")
lost = Outcome(passes=False, why="the kernel's own mind", basis="")
change_guarded(
    Request(
        outlook=Outlook(before=lambda _: passes, after=lambda _: passes, edges=lambda: ()),
        record=lambda: Change(kind="firewall", summary="a surprise", undo=()),
        apply=lambda: None,
        look=lambda: Made(text="shut", judge=lambda _: lost),
    ),
    Wishes(keep=True, force=bool(sys.argv[1])),
)
"""
"""A change of which the kernel makes something else than was planned."""
