"""Live connections as flows: what is translated, what carries a session, who is logged in."""

from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from portlight.guest.guard.connections import Connection
from portlight.guest.guard.flows import Flow, Weight
from portlight.guest.guard.ground import Ground
from portlight.guest.guard.live import Known, carrier_flows, live_flows, session_flows
from portlight.guest.guard.packets import judge_by
from portlight.guest.guard.proof import Proof, prove
from portlight.guest.guard.sessions import Session, is_logged_in
from portlight.guest.guard.sockets import End, Protocol, Socket
from portlight.guest.guard.ways import Link, Question, Way
from portlight.guest.iptables.parse import parse_save

OWN, INSIDE, TUNNEL = "192.0.2.1", "10.0.0.1", "10.8.0.1"
CLIENT, BACKEND, OPERATOR = "203.0.113.9", "10.0.0.7", "10.8.0.2"


def an_end(address: str, port: int) -> End:
    return ip_address(address), port


def a_connection(
    opener: End, called: End, other: End | None = None, answered: End | None = None,
    protocol: Protocol = "tcp",
) -> Connection:  # fmt: skip
    return Connection(
        protocol=protocol,
        opener=opener,
        called=called,
        other=other or called,
        answered=answered or opener,
    )


def a_ground(links: Mapping[str, str]) -> Ground:
    """Own addresses on eth0, eth1 and wg0; each network is behind its own interface."""
    own = {ip_address(OWN): "eth0", ip_address(INSIDE): "eth1", ip_address(TUNNEL): "wg0"}
    behind = {CLIENT: ("eth0", OWN), BACKEND: ("eth1", INSIDE), OPERATOR: ("wg0", TUNNEL)}
    ways: dict[Question, Way] = {}
    for remote, (interface, local) in behind.items():
        way = Way(interface=interface, source=ip_address(local))
        ways[ip_address(remote), None] = ways[ip_address(remote), ip_address(local)] = way
    made = {name: Link(kind=kind, asks_neighbours=True) for name, kind in links.items()}
    return Ground(own=own, links=made, ways=ways)


CARDS = a_ground({"eth0": "", "eth1": "", "wg0": "wireguard"})


def seen(*connections: Connection, sockets: tuple[Socket, ...] = ()) -> list[Flow]:
    return list(live_flows(sockets, Known(connections), CARDS))


def under(flows: list[Flow], table: str, rule: str) -> Proof:
    """Return what becomes of flows when one rule is added to empty tables."""
    chain = rule.split()[1]
    text = f"*{table}\n:{chain} ACCEPT [0:0]\n{rule}\nCOMMIT\n"
    return prove(flows, judge_by({}), judge_by({4: parse_save(text, 4)}))


@pytest.mark.covers("K49")
@pytest.mark.parametrize(
    ("table", "rule", "is_lost"),
    [
        ("raw", "-A PREROUTING -p tcp --dport 8080 -j DROP", True),
        ("raw", "-A PREROUTING -p tcp --dport 80 -j DROP", False),
        ("filter", "-A FORWARD -i eth0 -o eth1 -p tcp --dport 80 -j DROP", True),
        ("filter", "-A FORWARD -p tcp --dport 8080 -j DROP", False),
        ("filter", "-A FORWARD -i eth1 -s 10.0.0.7 -j DROP", True),
    ],
)
def test_what_is_passed_on_to_another_server_is_seen_before_and_behind(
    table: str, rule: str, *, is_lost: bool
) -> None:
    flows = seen(a_connection(an_end(CLIENT, 40000), an_end(OWN, 8080), an_end(BACKEND, 80)))

    assert [one.way for one in flows] == ["through"]
    assert bool(under(flows, table, rule).dying) == is_lost


@pytest.mark.covers("K49")
@pytest.mark.parametrize(
    ("rule", "is_lost"),
    [
        ("-A PREROUTING -d 192.0.2.1 -p udp --dport 6000 -j DROP", True),
        ("-A PREROUTING -d 10.0.0.1 -j DROP", False),
    ],
)
def test_answers_to_another_own_address_come_there_first(rule: str, *, is_lost: bool) -> None:
    flow = a_connection(
        an_end(INSIDE, 5000), an_end(CLIENT, 53), answered=an_end(OWN, 6000), protocol="udp"
    )

    assert bool(under(seen(flow), "raw", rule).dying) == is_lost


@pytest.mark.covers("X12")
def test_a_session_through_a_tunnel_needs_what_carries_it() -> None:
    tunnel = a_connection(an_end(CLIENT, 51820), an_end(OWN, 51820), protocol="udp")
    other = a_connection(an_end(CLIENT, 40000), an_end(OWN, 443))
    session = Session(
        user="alice",
        socket=Socket(
            protocol="tcp",
            local=ip_address(TUNNEL),
            local_port=22,
            remote=ip_address(OPERATOR),
            remote_port=40000,
            is_listening=False,
            inode=1,
        ),
    )
    known = Known((tunnel, other))
    sessions = list(session_flows([session], known, CARDS))

    carriers = list(carrier_flows(sessions, known, CARDS))

    assert [(one.weight, one.ends) for one in carriers] == [
        (Weight.SESSION, f"{CLIENT}:51820 -> {OWN}:51820 udp")
    ]
    assert under(carriers, "filter", "-A INPUT -p udp -m udp --dport 51820 -j DROP").refusals
    without = a_ground({"eth0": "", "eth1": "", "wg0": ""})
    assert not list(carrier_flows(sessions, known, without))


@pytest.mark.covers("X22")
@pytest.mark.parametrize(
    ("title", "is_in"),
    [
        ("sshd: alice@pts/0", True),
        ("sshd: alice@corp@pts/0,pts/1", True),
        ("sshd-session: root@notty", True),
        ("sshd: alice@tty1", True),
        ("sshd: alice@corp [priv]", False),
        ("sshd: alice@corp [net]", False),
        ("sshd: alice@notty [priv]", False),
        ("sshd: unknown [priv]", False),
        ("sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups", False),
    ],
)
def test_who_still_guesses_passwords_is_not_logged_in(title: str, *, is_in: bool) -> None:
    assert is_logged_in(title) == is_in
