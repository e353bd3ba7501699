"""What the guard knows about flows, packets and people, without a kernel."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from portlight.guest.bundle import bundle
from portlight.guest.guard.author import author
from portlight.guest.guard.bans import Ban, Bans, protector
from portlight.guest.guard.boot import unit_text
from portlight.guest.guard.edges import edges_of
from portlight.guest.guard.flows import Flow, Weight, representatives
from portlight.guest.guard.journal import DEFAULT_FOLDER, Change, ChangeId, Record, State
from portlight.guest.guard.packets import judge_by
from portlight.guest.guard.proof import prove
from portlight.guest.guard.protected import ProtectedError, parse_protected
from portlight.guest.guard.sessions import Door, Session
from portlight.guest.guard.sockets import Socket, parse_sockets
from portlight.guest.guard.standing import standing, undo_summary
from portlight.guest.guard.texts import by_family, for_people, to_keep, whole
from portlight.guest.iptables.parse import parse_save

LISTING = """\
   0: 0100007F:0016 0200007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 77 1
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1
   2: 0100007F:0016 0300007F:9C41 06 00000000:00000000 00:00000000 00000000     0        0 0 1
"""
MAPPED = (
    "   0: 0000000000000000FFFF00000100004D:0016 0000000000000000FFFF00000200004D:9C40 01"
    " 00000000:00000000 00:00000000 00000000     0        0 79 1"
)


def a_flow(weight: Weight = Weight.SESSION, *, interface: str = "eth0") -> Flow:
    return Flow(
        weight=weight,
        name="SSH session",
        protocol="tcp",
        way="in",
        local=ip_address("10.0.0.1"),
        local_port=22,
        remote=ip_address("10.0.0.2"),
        remote_port=40000,
        interface=interface,
        out_interface=interface,
    )


def a_socket(remote: str) -> Socket:
    return Socket(
        protocol="tcp",
        local=ip_address("10.0.0.1"),
        local_port=22,
        remote=ip_address(remote),
        remote_port=40000,
        is_listening=False,
        inode=1,
    )


def rules(*lines: str, policy: str = "ACCEPT") -> str:
    chains = f":INPUT {policy} [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    return "*filter\n" + chains + "".join(f"{line}\n" for line in lines) + "COMMIT\n"


def judged(before: str, after: str, flow: Flow) -> tuple[int, int, int]:
    """Return how many flows are lost, in doubt, and shut before as well."""
    judges = (judge_by({4: parse_save(text, 4)}) for text in (before, after))
    proof = prove([flow], next(judges), next(judges))
    return len(proof.lost), len(proof.doubtful), len(proof.shut)


def test_only_connected_and_listening_sockets_count() -> None:
    connected, listening = parse_sockets(LISTING.splitlines(), "tcp")

    assert (str(connected.local), connected.local_port) == ("127.0.0.1", 22)
    assert (str(connected.remote), connected.remote_port) == ("127.0.0.2", 40000)
    assert (connected.inode, connected.is_listening, listening.is_listening) == (77, False, True)


def test_an_address_that_is_mapped_into_ipv6_is_judged_as_the_ipv4_it_is() -> None:
    (socket,) = parse_sockets([MAPPED], "tcp")

    assert (str(socket.local), str(socket.remote)) == ("77.0.0.1", "77.0.0.2")


@pytest.mark.parametrize(
    ("after", "lost_doubtful_shut"),
    [
        (rules("-A INPUT -s 192.0.2.1/32 -j DROP"), (0, 0, 0)),
        (rules(policy="DROP"), (1, 0, 0)),
        (rules("-A INPUT -m conntrack --ctstate NEW -j DROP"), (1, 0, 0)),
        (rules("-A INPUT -m limit --limit 1/hour -j DROP"), (0, 1, 0)),
    ],
)
def test_a_session_is_kept_lost_or_in_doubt(
    after: str, lost_doubtful_shut: tuple[int, int, int]
) -> None:
    assert judged(rules(), after, a_flow()) == lost_doubtful_shut


def test_what_was_shut_before_is_no_loss_even_when_its_rule_has_moved() -> None:
    door = "-A INPUT -p tcp -m tcp --dport 22 -j DROP"

    assert judged(rules(door), rules("-A INPUT -i lo -j ACCEPT", door), a_flow()) == (0, 0, 1)


def test_a_flow_inside_the_server_meets_both_hooks() -> None:
    inward = a_flow(Weight.LIVE, interface="lo")

    assert judged(rules(), rules("-A INPUT -i lo -j DROP"), inward) == (1, 0, 0)
    assert judged(rules(), rules("-A OUTPUT -o lo -j DROP"), inward) == (1, 0, 0)


def test_both_sides_of_each_edge_stand_for_a_network() -> None:
    edges = (ip_network("10.0.0.8/30"), ip_network("0.0.0.0/0"), ip_network("fd00::/64"))

    chosen, is_complete = representatives(ip_network("10.0.0.0/24"), edges)

    assert is_complete
    assert [int(one) & 0xFF for one in chosen] == [0, 7, 8, 11, 12, 255]


def test_the_edges_are_what_rules_say_about_addresses() -> None:
    told = parse_save(
        rules(
            "-A INPUT -s 10.0.0.0/8 -j DROP",
            "-A INPUT -m iprange --src-range 192.0.2.7-192.0.2.9 -j DROP",
        ),
        4,
    )

    assert [str(one) for one in edges_of({}, {4: told})] == [
        "10.0.0.0/8",
        "192.0.2.7/32",
        "192.0.2.9/32",
    ]


def test_the_edges_of_what_changes_come_first() -> None:
    lines = [f"-A INPUT -s 10.0.{n >> 8}.{n & 255}/32 -j DROP" for n in range(1000)]
    before = {4: parse_save(rules(*lines), 4)}
    after = {4: parse_save(rules(*lines, "-A INPUT -s 10.99.0.0/16 -j DROP"), 4)}

    edges = [str(one) for one in edges_of(before, after)]

    assert edges[0] == "10.99.0.0/16"
    assert len(edges) == 1001


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("192.0.2.1", "in 192.0.2.1/32 tcp/22"),
        ("in 192.0.2.9/24 tcp/443", "in 192.0.2.0/24 tcp/443"),
        ("out 2001:db8::1 udp/53", "out 2001:db8::1/128 udp/53"),
    ],
)
def test_a_declaration_is_read_as_it_is_written(text: str, line: str) -> None:
    assert str(parse_protected(text)) == line
    assert parse_protected(line) == parse_protected(text)


@pytest.mark.parametrize("text", ["", "in", "nowhere", "10.0.0.1 tcp", "10.0.0.1 tcp/0", "a b c d"])
def test_a_declaration_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ProtectedError, match="write `in"):
        parse_protected(text)


@pytest.mark.covers("X22")
def test_a_ban_of_a_network_is_refused_for_one_address_in_it() -> None:
    operator = ((ip_address("192.0.2.7"), "SSH session of alice"),)

    assert protector(ip_network("192.0.2.0/24"), operator) == "SSH session of alice"
    assert protector(ip_network("192.0.3.0/24"), operator) == ""


def test_a_ban_ends_when_its_time_is_over() -> None:
    ban = Ban(network="192.0.2.7/32", reason="", at="", until=100.0)

    assert Bans(banned=(ban,)).current(99.9).banned == (ban,)
    assert Bans(banned=(ban,)).current(100.0).banned == ()


@pytest.mark.covers("K12")
def test_the_person_behind_sudo_and_ssh_is_named() -> None:
    session = Session(user="alice", socket=a_socket("192.0.2.7"))
    behind_sudo = {"SUDO_USER": "alice"}  # which drops SSH_CONNECTION

    assert author(behind_sudo, 0, Door(sessions=(session,))) == "alice from 192.0.2.7"
    assert author({}, 0, Door()) == "root"
    assert author({}, 4242, Door(via="Portlight")) == "uid 4242 through Portlight"


def test_what_people_read_is_what_comes_back() -> None:
    saved = {4: rules("-A INPUT -j DROP"), 6: rules()}

    assert by_family(for_people(saved)) == saved


def test_counters_and_bans_are_not_kept_for_the_next_start() -> None:
    saved = "# comment\n*filter\n:INPUT DROP [7:8]\n:sshguard - [0:0]\n"

    kept = to_keep(f"{saved}[1:2] -A INPUT -j sshguard\n-A sshguard -s 192.0.2.1/32 -j DROP\n")

    assert kept == "*filter\n:INPUT DROP [0:0]\n:sshguard - [0:0]\n-A INPUT -j sshguard\n"


def test_going_back_empties_a_table_that_was_not_there() -> None:
    assert whole("", [rules("-A INPUT -j DROP")]).splitlines() == [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":FORWARD ACCEPT [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        "COMMIT",
    ]
    assert whole(rules(), [rules("-A INPUT -j DROP")]) == rules()


@pytest.mark.covers("K59")
def test_the_unit_stands_before_the_network() -> None:
    text = unit_text(DEFAULT_FOLDER)

    assert "Before=network-pre.target" in text
    assert "Wants=network-pre.target" in text
    assert f"ExecStart=/bin/sh {DEFAULT_FOLDER}/restore.sh" in text


def test_the_same_sources_make_the_same_file() -> None:
    assert bundle() == bundle()


def test_who_undoes_twice_goes_two_changes_back() -> None:
    records = [a_record(1, "one"), a_record(2, "two"), a_record(3, "three")]

    once = [*records, a_record(4, undo_summary(ChangeId(3)))]
    twice = [*once, a_record(5, undo_summary(ChangeId(2)))]
    again = [*twice, a_record(6, "six")]
    waiting = [*again, replace(a_record(7, undo_summary(ChangeId(1))), state=State.PENDING)]

    assert [
        [one.id for one in standing(each)] for each in (records, once, twice, again, waiting)
    ] == [
        [1, 2, 3],
        [1, 2],
        [1],
        [1, 6],
        [1, 6],
    ]


def a_record(number: int, summary: str) -> Record:
    return Record(
        id=ChangeId(number),
        change=Change(kind="firewall", summary=summary, undo=()),
        state=State.CONFIRMED,
        author="",
        at="",
        seconds=60,
        deadline=0,
        boot="",
    )
