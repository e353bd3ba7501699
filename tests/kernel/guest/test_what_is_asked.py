"""Which packets the guard asks about: those by which a server is really reached."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kernel.lab import inside, wait_until
from tests.support.guest_pair import (
    OPERATOR,
    OPERATOR6,
    ROOT,
    SERVER,
    SERVER6,
    GuestPair,
    guest_pair,
)

from portlight.guest.guard.orders import load_orders

KEEP, DRY = ("--keep", "--json"), ("--dry-run", "--json")
AFAR, ON_LOOPBACK, SECOND = "203.0.113.0/24", "10.77.9.9", "10.77.0.7"
NEIGHBOURS = "-p ipv6-icmp -m icmp6 --icmpv6-type"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestPair]:
    with guest_pair(tmp_path_factory.mktemp("asked")) as pair:
        inside(pair.server, "ip", "address", "add", f"{ON_LOOPBACK}/32", "dev", "lo")
        inside(pair.server, "ip", "address", "add", f"{SECOND}/24", "dev", "eth0")
        inside(pair.client, "ip", "route", "add", f"{ON_LOOPBACK}/32", "via", SERVER)
        yield pair


@pytest.fixture
def pair(made: GuestPair) -> GuestPair:
    made.start_again()
    return made


def over_ssh(
    pair: GuestPair, *words: str, to: str = SERVER, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run our tool as the operator does, without what sudo keeps from it."""
    command = f"env -u SSH_CONNECTION PYTHONPATH={ROOT}/src {shlex.join(pair.tool(*words))}"
    return pair.ssh(command, options=options, to=to)


def refusals(told: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the packets for which a change is refused, each with its reason."""
    facts = json.loads(told.stdout)
    assert (told.returncode == 0) == (not facts["refused"] and not facts.get("untold")), told.stdout
    return [f"{one['packet']}: {one['why']}" for one in facts["refused"]]


@contextmanager
def one_connection(pair: GuestPair, to: str, *options: str) -> Iterator[tuple[str, ...]]:
    """Yield the options by which others use the same SSH connection."""
    path = f"ControlPath={pair.folder}/control"
    command = ("ssh", *pair.ssh_options(), "-o", path, "-M", *options, f"root@{to}", "sleep", "600")
    master = pair.start(pair.client, *command)
    try:
        wait_until((pair.folder / "control").exists)
        yield ("-o", path)
    finally:
        master.kill()
        master.wait()
        (pair.folder / "control").unlink(missing_ok=True)


@pytest.mark.covers("X12", "K48")
def test_a_forwarded_connection_is_not_the_session(pair: GuestPair) -> None:
    target = f"{OPERATOR}:7000"
    pair.start(pair.client, "nc", "-l", *target.split(":"))
    with one_connection(pair, SERVER6, "-b", OPERATOR6, "-L", f"7001:{target}") as shared:
        wait_until(lambda: ":7001 " in inside(pair.client, "ss", "-Hltn"))
        pair.start(pair.client, "nc", "127.0.0.1", "7001")
        wait_until(lambda: target in inside(pair.server, "ss", "-Htn"))

        told = over_ssh(pair, "ip6tables", "-P", "INPUT", "DROP", to=SERVER6, options=shared)

    assert told.returncode == 1
    assert f"you work through SSH: {OPERATOR6} -> {SERVER6}\n" in told.stdout


@pytest.mark.covers("X22")
def test_who_talks_through_a_forwarded_port_is_not_logged_in(pair: GuestPair) -> None:
    with one_connection(pair, SERVER, "-R", "7002:127.0.0.1:7003"):
        wait_until(lambda: ":7002 " in inside(pair.server, "ss", "-Hltn"))
        pair.start(pair.client, "nc", "-l", "127.0.0.1", "7003")
        wait_until(lambda: ":7003 " in inside(pair.client, "ss", "-Hltn"))
        pair.start(pair.server, "nc", "127.0.0.1", "7002")
        wait_until(lambda: "127.0.0.1:7002" in inside(pair.server, "ss", "-Htn"))

        known = pair.python(
            "from portlight.guest.guard.sessions import ssh_sessions;"
            "print(*(one.socket.remote for one in ssh_sessions()))"
        )

    assert set(known.split()) == {OPERATOR}


@pytest.mark.covers("K12", "X22")
def test_the_operator_behind_sudo_is_named_and_never_banned(pair: GuestPair) -> None:
    over_ssh(pair, "iptables", *KEEP, "-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP")
    over_ssh(pair, "sshguard", "start", "--log", str(pair.auth_log), options=("-b", OPERATOR))
    orders = load_orders(pair.state)
    pair.guest("sshguard", "stop")

    assert f"by root from {OPERATOR}" in pair.guest("firewall", "show", "1").stdout
    assert orders
    assert orders.spare == (OPERATOR,)


@pytest.mark.covers("X12")
def test_what_raw_drops_before_connections_are_known_is_refused(pair: GuestPair) -> None:
    invalid = ("-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")

    lost = refusals(over_ssh(pair, "iptables", *DRY, "-t", "raw", "-A", "PREROUTING", *invalid))
    kept = refusals(over_ssh(pair, "iptables", *DRY, "-A", "INPUT", *invalid))

    assert lost[0].startswith("the next packet in: DROP by raw PREROUTING, rule 1")
    assert kept == []


@pytest.mark.covers("X12", "K48")
def test_ipv6_is_kept_only_together_with_its_neighbours(pair: GuestPair) -> None:
    inside(pair.server, "ip6tables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")

    def closed() -> list[str]:
        policy = ("ip6tables", *DRY, "-P", "INPUT", "DROP")
        return refusals(over_ssh(pair, *policy, to=SERVER6, options=("-b", OPERATOR6)))

    alone = closed()
    inside(pair.server, "ip6tables", "-A", "INPUT", *NEIGHBOURS.split(), "136", "-j", "ACCEPT")
    halved = closed()
    inside(pair.server, "ip6tables", "-A", "INPUT", *NEIGHBOURS.split(), "135", "-j", "ACCEPT")
    whole = closed()

    assert "a neighbour advertisement in" in alone[0]
    assert f"a neighbour solicitation in ({OPERATOR6} -> ff02::1:ff00:1)" in halved[0]
    assert "without which IPv6 stops after the next pause: DROP by filter INPUT" in halved[0]
    assert whole == []


@pytest.mark.covers("X12")
def test_the_kernel_sees_neighbours_as_the_model_does(pair: GuestPair) -> None:
    for kind in ("135", "136"):
        rule = (*NEIGHBOURS.split(), kind, "-m", "conntrack", "--ctstate", "UNTRACKED")
        inside(pair.server, "ip6tables", "-A", "INPUT", *rule)

    for here, there in ((pair.server, OPERATOR6), (pair.client, SERVER6)):
        for namespace in (pair.server, pair.client):
            inside(namespace, "ip", "neigh", "flush", "dev", "eth0")
        inside(here, "ping", "-c", "1", "-w", "8", there)

    counted = inside(pair.server, "ip6tables-save", "-c").splitlines()
    assert not [line for line in counted if line.startswith("[0:0] -A INPUT")]
    # Without them a server that is open for SSH is reached by nobody.
    for kind in ("135", "136"):
        inside(pair.server, "ip6tables", "-A", "INPUT", *NEIGHBOURS.split(), kind, "-j", "DROP")
    for namespace in (pair.server, pair.client):
        inside(namespace, "ip", "neigh", "flush", "dev", "eth0")
    assert not pair.reaches(OPERATOR6)


@pytest.mark.covers("X12")
def test_a_router_that_advertises_itself_is_heard_for_ever(pair: GuestPair) -> None:
    pair.guest("protect", "add", "2001:db8::/64", "tcp/22")
    drop = ("ip6tables", *DRY, "-A", "INPUT", *NEIGHBOURS.split(), "134", "-j", "DROP")
    route = ("default", "via", "fe80::77", "dev", "eth0")

    static = inside(pair.server, "ip", "-6", "route", "add", *route)
    unheard = refusals(pair.guest(*drop))
    inside(pair.server, "ip", "-6", "route", "delete", *route)
    static += inside(pair.server, "ip", "-6", "route", "add", *route, "proto", "ra")
    heard = refusals(pair.guest(*drop, check=False))
    inside(pair.server, "ip", "-6", "route", "delete", *route)

    assert unheard == []
    assert "a router advertisement in (fe80::77 -> ff02::1)" in heard[0]


@pytest.mark.covers("X12")
def test_an_address_on_the_loopback_is_reached_from_outside(pair: GuestPair) -> None:
    pair.iptables("-A", "INPUT", "-i", "lo", "-j", "ACCEPT")

    lost = refusals(over_ssh(pair, "iptables", *DRY, "-P", "INPUT", "DROP", to=ON_LOOPBACK))

    assert lost[0].startswith("the next packet in: DROP by filter INPUT, policy DROP")


@pytest.mark.covers("X12")
def test_an_address_that_answers_elsewhere_is_reached_by_nobody_knows_which_interface(
    pair: GuestPair,
) -> None:
    inside(pair.server, "ip", "link", "add", "other", "type", "veth", "peer", "name", "end")
    inside(pair.server, "ip", "link", "set", "other", "up")
    try:
        only = ("-A", "INPUT", "!", "-i", "eth0", "-p", "tcp", "--dport", "22", "-j", "DROP")
        doubt = refusals(over_ssh(pair, "iptables", *DRY, *only, to=ON_LOOPBACK))
        known = refusals(over_ssh(pair, "iptables", *DRY, *only))
    finally:
        inside(pair.server, "ip", "link", "delete", "other")

    assert "depends on the in-interface" in doubt[0]
    assert known == []


@pytest.mark.covers("X12")
def test_a_redirected_session_has_two_ports(pair: GuestPair) -> None:
    redirect = "PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22"
    pair.iptables("-t", "nat", "-A", *redirect.split())
    before, behind = (
        ("-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport", port, "-j", "DROP")
        for port in ("2222", "22")
    )

    with one_connection(pair, SERVER, "-p", "2222") as shared:
        lost, kept, undone = (
            refusals(over_ssh(pair, "iptables", *DRY, *words, options=shared))
            for words in (before, behind, ("-t", "nat", "-D", *redirect.split()))
        )

    assert lost[0].startswith("the next packet in: DROP by raw PREROUTING, rule 1")
    assert kept == []
    assert undone == [
        f"the first packet of a new connection: nobody translates it to {SERVER}:22 any more"
    ]


@pytest.mark.covers("X12", "K55")
def test_what_is_declared_is_asked_at_every_own_address(pair: GuestPair) -> None:
    inside(pair.server, "ip", "route", "replace", AFAR, "via", OPERATOR)
    pair.guest("protect", "add", AFAR, "tcp/22")

    told = [
        pair.guest("iptables", *DRY, "-A", "INPUT", "-d", address, "-p", "tcp", "--dport", "22",
                   "-j", "DROP", check=False)
        for address in (SECOND, ON_LOOPBACK, "10.77.0.250")
    ]  # fmt: skip

    lost = [[one["flow"].split(" -> ")[1] for one in json.loads(t.stdout)["refused"]] for t in told]
    assert [set(one) for one in lost] == [{f"{SECOND}:22 tcp"}, {f"{ON_LOOPBACK}:22 tcp"}, set()]


@pytest.mark.covers("X12")
def test_what_is_declared_is_asked_although_it_has_no_route_now(pair: GuestPair) -> None:
    inside(pair.server, "ip", "route", "flush", "to", AFAR)
    pair.guest("protect", "add", AFAR, "tcp/22")

    other = pair.guest("iptables", "--dry-run", "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j",
                       "DROP")  # fmt: skip
    lost = pair.guest("iptables", *DRY, "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP",
                      check=False)  # fmt: skip

    assert (
        f"no route to it now; asked as if there were one: protected: in {AFAR} tcp/22"
        in other.stdout
    )
    assert refusals(lost)


@pytest.mark.covers("X12")
def test_what_has_too_many_parts_to_be_asked_is_in_doubt(pair: GuestPair) -> None:
    rules = "".join(f"-A INPUT -s 203.0.113.{n}/32 -j DROP\n" for n in range(1, 250, 2))
    rules += "".join(f"-A INPUT -s 203.0.{n}.7/32 -j DROP\n" for n in range(250))
    whole = f"*filter\n:INPUT ACCEPT [0:0]\n{rules}COMMIT\n"
    inside(pair.server, "sh", "-c", f"echo '{whole}' | iptables-restore")
    pair.guest("protect", "add", "203.0.0.0/16", "tcp/22")

    told = pair.guest("iptables", "--dry-run", "-A", "INPUT", "-s", "203.0.255.9", "-j", "DROP",
                      check=False)  # fmt: skip

    other = pair.guest("iptables", *DRY, "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP")

    assert refusals(other) == []
    assert told.returncode == 1
    assert "203.0.255.9:50022" in told.stdout  # what the change names is asked first
    assert "MIGHT BE LOST: protected: in 203.0.0.0/16 tcp/22 has more parts" in told.stdout


@pytest.mark.covers("X12", "K49")
def test_a_connection_that_the_kernel_does_not_track_begins_anew_under_states(
    pair: GuestPair, tmp_path: Path
) -> None:
    file = tmp_path / "rules.v4"
    known = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"
    new = "-A INPUT -p tcp -m tcp --dport 22 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT"
    file.write_text(f"*filter\n:INPUT DROP [0:0]\n{known}\n{new}\nCOMMIT\n")
    restore = ("firewall", "restore", *DRY, str(file))

    untracked = refusals(over_ssh(pair, *restore))
    pair.iptables(*known.split())
    tracked = refusals(over_ssh(pair, *restore))

    assert untracked[0].startswith("the next packet in, which is NEW: the kernel does not track")
    assert tracked == []


@pytest.mark.covers("K49")
def test_a_flow_of_a_socket_that_is_connected_to_nobody_is_live(pair: GuestPair) -> None:
    pair.iptables("-A", "INPUT", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
    answer = "import socket; s = socket.socket(type=2); s.bind(('', 5353))\n"
    answer += "while True: s.sendto(b'x', s.recvfrom(9)[1])"
    pair.start(pair.server, "python3", "-c", answer)
    wait_until(lambda: ":5353 " in inside(pair.server, "ss", "-Hlun"))
    ask = "import socket; s = socket.socket(type=2); s.connect(('10.77.0.1', 5353))\n"
    ask += "s.settimeout(5)\nfor _ in range(9): s.send(b'x'); s.recv(9)"
    # The kernel takes it for more than a question and its answer only after two seconds.
    ask += "\nimport time; time.sleep(2.5)\nfor _ in range(9): s.send(b'x'); s.recv(9)"
    inside(pair.client, "python3", "-c", ask)

    told = pair.guest("iptables", *DRY, "-A", "INPUT", "-p", "udp", "--dport", "5353", "-j", "DROP")

    assert [one["flow"].split(" -> ")[1] for one in json.loads(told.stdout)["dying"]] == [
        f"{SERVER}:5353 udp"
    ]


@pytest.mark.covers("X12")
def test_a_mark_by_which_routes_are_chosen_is_a_doubt(pair: GuestPair) -> None:
    mark = ("-t", "mangle", "-A", "OUTPUT", "-p", "tcp", "--sport", "22", "-j", "MARK",
            "--set-mark", "7")  # fmt: skip
    plain = refusals(over_ssh(pair, "iptables", *DRY, *mark))
    inside(pair.server, "ip", "rule", "add", "fwmark", "7", "lookup", "77")
    try:
        routed = refusals(over_ssh(pair, "iptables", *DRY, *mark))
    finally:
        inside(pair.server, "ip", "rule", "delete", "fwmark", "7")

    assert plain == []
    assert "a rule of the routes asks for marks, and instead of mark 0 it has mark 7" in routed[0]
