"""Changes of the firewall by somebody who works through SSH, on a real server."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.lab import inside, run, wait_until
from tests.support.guest_pair import (
    ATTACKER,
    OPERATOR,
    ROOT,
    SERVER,
    SUDOER,
    GuestPair,
    guest_pair,
)

KEEP = ("--keep", "--json")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestPair]:
    with guest_pair(tmp_path_factory.mktemp("locked")) as pair:
        yield pair


@pytest.fixture
def pair(made: GuestPair) -> GuestPair:
    """The server without rules, declarations and history."""
    made.start_again()
    return made


def over_ssh(pair: GuestPair, *words: str) -> subprocess.CompletedProcess[str]:
    """Run our tool as the operator does."""
    return pair.ssh(f"PYTHONPATH={ROOT}/src {shlex.join(pair.tool(*words))}")


@pytest.mark.covers("X12", "K48")
def test_what_would_cut_off_the_session_is_refused_with_its_packet(pair: GuestPair) -> None:
    pair.iptables("-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
    before = pair.rules()

    refused = over_ssh(pair, "iptables", "-I", "INPUT", "-s", f"{OPERATOR}/24", "-j", "DROP")

    assert refused.returncode == 1
    assert f"you work through SSH: {OPERATOR} -> {SERVER}" in refused.stdout
    assert "WOULD BE LOST: SSH session of root" in refused.stdout
    assert "DROP by filter INPUT, rule 1: -s 10.77.0.0/24 -j DROP" in refused.stdout
    assert "nothing was changed" in refused.stderr
    assert pair.rules() == before


@pytest.mark.covers("X12")
@pytest.mark.parametrize(
    ("words", "packet"),
    [
        (("-P", "OUTPUT", "DROP"), "the next packet out: DROP by filter OUTPUT, policy DROP"),
        (
            ("-I", "INPUT", "-p", "tcp", "--dport", "22", "-m", "conntrack", "--ctstate", "NEW",
             "-j", "REJECT"),
            "the first packet of a new connection: REJECT",
        ),
        (
            ("-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "22", "-j", "REDIRECT",
             "--to-ports", "2222"),
            "the first packet of a new connection: sent elsewhere by nat PREROUTING, rule 1",
        ),
    ],
)  # fmt: skip
def test_a_session_is_lost_in_many_ways(
    pair: GuestPair, words: tuple[str, ...], packet: str
) -> None:
    refused = over_ssh(pair, "iptables", *words)

    assert refused.returncode == 1
    assert packet in refused.stdout


@pytest.mark.covers("X12")
def test_a_declared_network_is_kept_down_to_its_last_address(pair: GuestPair) -> None:
    pair.guest("protect", "add", "203.0.113.0/24", "tcp/22")
    inside(pair.server, "ip", "route", "replace", "203.0.113.0/24", "via", OPERATOR)

    refused = pair.guest("iptables", "-A", "INPUT", "-s", "203.0.113.77", "-j", "DROP", check=False)
    allowed = pair.guest("iptables", "-A", "INPUT", "-s", "203.0.114.0/24", "-j", "DROP")

    assert refused.returncode == 1
    assert "203.0.113.77:50022 -> 10.77.0.1:22 tcp" in refused.stdout
    assert "stays open: protected: in 203.0.113.0/24 tcp/22" in allowed.stdout


@pytest.mark.covers("K49")
def test_a_dry_run_lists_the_live_flows_that_would_die_and_changes_nothing(
    pair: GuestPair,
) -> None:
    for port in ("5001", "5002"):
        pair.start(pair.client, "nc", "-l", OPERATOR, port)
        wait_until(lambda: f":{port} " in inside(pair.client, "ss", "-Hltn"))  # noqa: B023 -- at once
        pair.start(pair.server, "nc", OPERATOR, port)
    wait_until(lambda: inside(pair.server, "ss", "-Htn").count(f"{OPERATOR}:500") == 2)
    only = ("-p", "tcp", "-m", "multiport", "!", "--dports", "22,5001", "-j", "DROP")

    told = pair.guest("iptables", "--dry-run", "--json", "-A", "OUTPUT", *only)

    dying = json.loads(told.stdout)["dying"]
    assert [one["flow"].split(" -> ")[1] for one in dying] == [f"{OPERATOR}:5002 tcp"]
    assert pair.rules() == ["-P INPUT ACCEPT", "-P FORWARD ACCEPT", "-P OUTPUT ACCEPT"]


@pytest.mark.covers("X11", "K27")
def test_a_forced_lock_out_ends_by_itself(pair: GuestPair) -> None:
    # Long enough to see that it is shut, on a machine with much to do as well.
    forced = ("--force", "--confirm-within", "5", "--json", "-P", "INPUT", "DROP")

    told = pair.guest("iptables", *forced)

    assert json.loads(told.stdout)["result"] == "pending"
    assert not pair.reaches()
    wait_until(pair.reaches, seconds=30)
    listing = pair.guest("firewall", "history").stdout
    assert "rolled back" in listing.splitlines()[-1]


@pytest.mark.covers("X11")
def test_history_tells_author_and_difference_and_undo_goes_back(pair: GuestPair) -> None:
    over_ssh(pair, "iptables", *KEEP, "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "ACCEPT")
    over_ssh(pair, "iptables", *KEEP, "-A", "INPUT", "-p", "tcp", "--dport", "81", "-j", "ACCEPT")

    shown = pair.guest("firewall", "show", "2").stdout
    refused = pair.guest("firewall", "undo", "1", check=False)
    pair.guest("firewall", "undo", "--keep")

    assert f"by root from {OPERATOR}" in shown
    assert "\n+-A INPUT -p tcp -m tcp --dport 81 -j ACCEPT\n" in shown
    assert "changes 2 came after 1" in refused.stderr
    assert pair.rules()[3:] == ["-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"]


@pytest.mark.covers("K59")
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_confirmed_rules_come_back_after_a_restart_and_others_do_not(
    pair: GuestPair, backend: str
) -> None:
    ours = ("--backend", backend)
    pair.guest("iptables", *KEEP, *ours, "-A", "INPUT", "-s", ATTACKER, "-j", "DROP")
    pair.guest("ip6tables", *KEEP, *ours, "-A", "INPUT", "-s", "fd00::9", "-j", "DROP")
    pair.guest("iptables", "--confirm-within", "60", *ours, "-P", "FORWARD", "DROP")

    # A namespace as the kernel makes it: what a server is before its network comes up.
    restore = (str(pair.state / "restore.sh"), f"iptables-{backend}", f"ip6tables-{backend}")
    script = '/bin/sh "$0" && "$1" -S && "$2" -S'
    rules = run("unshare", "--net", "sh", "-c", script, *restore)

    pair.guest("firewall", "rollback")
    pair.guest("iptables", *KEEP, *ours, "-F")
    pair.guest("ip6tables", *KEEP, *ours, "-F")
    assert f"-A INPUT -s {ATTACKER}/32 -j DROP\n" in rules
    assert "-A INPUT -s fd00::9/128 -j DROP\n" in rules
    assert "-P FORWARD ACCEPT\n" in rules


@pytest.mark.covers("K59")
@pytest.mark.parametrize("has_earlier", [False, True])
def test_rules_of_both_back_ends_come_back(pair: GuestPair, *, has_earlier: bool) -> None:
    addresses = {"nft": "192.0.2.1", "legacy": "192.0.2.2"}
    for backend, address in addresses.items():
        ours = ("--backend", backend, "-A", "INPUT", "-s", address, "-j", "DROP")
        pair.guest("iptables", *KEEP, *ours)
        if backend == "nft" and has_earlier:
            as_earlier_versions_left_it(pair.state)

    script = '/bin/sh "$0" && iptables-nft -S && iptables-legacy -S'
    rules = run("unshare", "--net", "sh", "-c", script, str(pair.state / "restore.sh"))

    pair.guest("iptables", *KEEP, "--backend", "legacy", "-F")
    for address in addresses.values():
        assert f"-A INPUT -s {address}/32 -j DROP\n" in rules


@pytest.mark.covers("X11")
def test_undo_goes_back_in_the_back_end_that_was_changed(pair: GuestPair) -> None:
    for backend in ("nft", "legacy"):
        ours = ("--backend", backend, "-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP")
        pair.guest("iptables", *KEEP, *ours)

    pair.guest("firewall", "undo", "--keep", "1")

    assert pair.rules()[3:] == []
    assert pair.rules("iptables-legacy")[3:] == ["-A INPUT -s 192.0.2.1/32 -j DROP"]
    pair.guest("firewall", "undo", "--keep", "2")
    assert pair.rules("iptables-legacy")[3:] == []


def as_earlier_versions_left_it(state: Path) -> None:
    """One name for the rules of both back ends."""
    lines = []
    for family, program in ((4, "iptables"), (6, "ip6tables")):
        (state / f"rules-nft.v{family}").rename(state / f"rules.v{family}")
        lines.append(f"{program}-restore -w <'{state}/rules.v{family}' || status=1\n")
    (state / "restore.sh").write_text("".join(("#!/bin/sh\nstatus=0\n", *lines, "exit $status\n")))


@pytest.mark.covers("K60")
def test_rules_leave_and_come_as_the_file_that_iptables_save_writes(
    pair: GuestPair, tmp_path: Path
) -> None:
    pair.iptables("-N", "sshguard")
    pair.iptables("-A", "INPUT", "-j", "sshguard")
    file = tmp_path / "iptables.rules"

    pair.guest("firewall", "save", str(file))
    pair.iptables("-F")
    pair.iptables("-X")
    # As some save it by hand, without the star.
    file.write_text(file.read_text().replace("*filter", "filter"))
    pair.guest("firewall", "restore", "--keep", str(file))

    assert pair.rules()[3:] == ["-N sshguard", "-A INPUT -j sshguard"]
    saved = pair.guest("firewall", "save").stdout
    assert ":sshguard - [0:0]\n-A INPUT -j sshguard\nCOMMIT\n" in saved


@pytest.mark.covers("X11", "X21")
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_a_comment_may_be_any_bytes(pair: GuestPair, tmp_path: Path, backend: str) -> None:
    program, comment, file = f"iptables-{backend}", "caf\udce9", tmp_path / "rules.v4"
    rule = ("INPUT", "-s", "192.0.2.1", "-m", "comment", "--comment", comment, "-j", "DROP")
    inside(pair.server, program, "-A", *rule)
    ours = ("--backend", backend)

    pair.guest("iptables", "--confirm-within", "60", *ours, "-F")
    shown = pair.guest("firewall", "show", "1").stdout
    pair.guest("firewall", "rollback")
    pair.guest("firewall", "save", *ours, str(file))
    pair.guest("iptables", *ours, *KEEP, "-D", *rule)
    pair.guest("firewall", "restore", *ours, "--keep", str(file))
    saved = pair.guest("firewall", "save", *ours).stdout
    pair.guest("iptables", *ours, *KEEP, "-F")

    assert f'-A INPUT -s 192.0.2.1/32 -m comment --comment "{comment}" -j DROP\n' in shown
    assert f'--comment "{comment}" -j DROP\n' in saved
    assert b'--comment "caf\xe9" -j DROP\n' in file.read_bytes()


@pytest.mark.covers("X21")
@pytest.mark.parametrize(
    "words",
    [
        ("-nL", "--line-numbers", "--verbose"),
        ("-S", "-v"),
        ("-C", "INPUT", "-j", "DROP"),
        ("-D", "INPUT", "9"),
    ],
)
def test_the_tools_own_words_and_statuses_come_through(
    pair: GuestPair, words: tuple[str, ...]
) -> None:
    own = subprocess.run(
        ["nsenter", f"--net=/run/netns/{pair.server}", "iptables", *words],
        capture_output=True,
        text=True,
        check=False,
    )

    ours = pair.guest("iptables", *words, check=False)

    assert (ours.returncode, ours.stdout, ours.stderr) == (own.returncode, own.stdout, own.stderr)


def test_a_file_without_a_table_is_not_said_to_be_restored(pair: GuestPair) -> None:
    refused = pair.guest("firewall", "restore", "--keep", "-", stdin="", check=False)

    assert refused.returncode == 2
    assert "there is no table in it; nothing was changed" in refused.stderr


def test_a_change_that_iptables_refuses_leaves_no_trace(pair: GuestPair) -> None:
    refused = pair.guest("iptables", "-A", "INPUT", "-m", "set", "--match-set", "none", "src",
                         "-j", "DROP", check=False)  # fmt: skip

    assert refused.returncode != 0
    assert "none" in refused.stderr
    assert pair.guest("firewall", "status").stdout == "nothing waits for a confirmation\n"


def test_who_comes_without_a_packet_is_told_so(pair: GuestPair) -> None:
    told = subprocess.run(
        ["env", "PORTLIGHT_GUEST_VIA=a console", *pair.enter(pair.server, pair.tool(
            "iptables", "--dry-run", "-P", "INPUT", "DROP"))],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": f"{ROOT}/src", "PATH":
        "/usr/sbin:/usr/bin:/sbin:/bin", "PORTLIGHT_GUEST_STATE": str(pair.state)},
    )  # fmt: skip

    assert "you work through a console: no packet carries you" in told.stdout


@pytest.mark.covers("X12")
def test_the_one_file_works_from_afar_and_its_timer_goes_on_without_it(
    pair: GuestPair, tmp_path: Path
) -> None:
    bundle = tmp_path / "portlight-guest.pyz"
    pack = (sys.executable, "-P", "-m", "portlight.guest.bundle", str(bundle))
    run("env", f"PYTHONPATH={ROOT}/src", *pack)
    options = [f"--ssh-option={word}" for word in pair.ssh_options()]
    afar = (
        *("/usr/bin/python3", "-I", str(bundle), "--ssh", f"root@{SERVER}", *options),
        *("iptables", "--confirm-within", "4"),
    )

    refused = pair.outside(*afar, "-P", "INPUT", "DROP")
    applied = pair.outside(*afar, "-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP")

    assert refused.returncode == 1
    assert "SSH session of root" in refused.stdout
    assert applied.returncode == 0, applied.stderr
    assert "change 1 is taken back in" in applied.stdout
    shown = ("firewall", "show", "1")
    wait_until(lambda: "not confirmed in time" in pair.guest(*shown).stdout, seconds=30)
    assert "+-A INPUT -s 192.0.2.1/32 -j DROP" in pair.guest(*shown).stdout
    assert pair.rules()[3:] == []


@pytest.mark.covers("K12", "X12")
def test_who_becomes_root_by_sudo_from_afar_is_kept_and_named(pair: GuestPair) -> None:
    options = [f"--ssh-option={word}" for word in pair.ssh_options()]
    afar = ("--ssh", f"{SUDOER}@{SERVER}", *options, "--state-dir", str(pair.state))
    tool = ("env", f"PYTHONPATH={ROOT}/src", *pair.tool(*afar))

    as_nobody = pair.outside(*tool, "iptables", "-P", "INPUT", "DROP")
    refused = pair.outside(*tool, "--sudo", "iptables", "-P", "INPUT", "DROP")
    applied = pair.outside(*tool, "--sudo", "iptables", "--keep", "-P", "FORWARD", "DROP")

    assert as_nobody.returncode != 0
    assert "Permission denied" in as_nobody.stderr
    assert refused.returncode == 1
    assert f"SSH session of {SUDOER}, {OPERATOR}:" in refused.stdout
    assert applied.returncode == 0, applied.stderr
    assert f"by {SUDOER}" in pair.guest("firewall", "show", "1").stdout
    assert "-P FORWARD DROP" in pair.rules()
