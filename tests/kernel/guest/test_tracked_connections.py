"""Connections that the kernel tracks: asked about before a change, set right after a rollback."""

import json
from collections.abc import Iterator

import pytest
from tests.kernel.lab import inside, wait_until
from tests.support.guest_pair import OPERATOR, SERVER, GuestPair, guest_pair
from tests.support.talk import talk

TRANSLATIONS = (f"-n {SERVER}", "-g 10.77.0.99", f"-n {SERVER} -g 10.77.0.99")
"""By which a connection has another source, another destination, or both."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestPair]:
    with guest_pair(tmp_path_factory.mktemp("tracked")) as pair:
        yield pair


@pytest.fixture
def pair(made: GuestPair) -> GuestPair:
    made.start_again()
    return made


@pytest.mark.covers("X11")
def test_rolling_back_takes_a_translation_from_the_flows_that_began_under_it(
    pair: GuestPair,
) -> None:
    inside(pair.server, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    # Rules that ask for states make the kernel keep them.
    pair.iptables("-A", "FORWARD", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
    pair.guest("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "udp", "--dport", "9", "-j",
               "DNAT", "--to-destination", "10.77.0.99")  # fmt: skip
    sender = pair.start(pair.client, "nc", "-u", "-p", "4000", SERVER, "9")
    assert sender.stdin
    sender.stdin.write(b"x")
    sender.stdin.flush()
    wait_until(lambda: "10.77.0.99" in inside(pair.server, "conntrack", "-L", "-p", "udp"))

    pair.guest("firewall", "rollback")

    assert "10.77.0.99" not in inside(pair.server, "conntrack", "-L", "-p", "udp")


@pytest.mark.covers("K49")
def test_connections_that_are_translated_at_either_end_are_asked_about(pair: GuestPair) -> None:
    whole = "-A -t 300 -u SEEN_REPLY,ASSURED -p udp -s {} -d 192.0.2.9 --sport 9 --dport 9 {}\n"
    lines = [whole.format(f"10.77.0.{n}", words) for n, words in enumerate(TRANSLATIONS, 10)]
    tracked = pair.folder / "tracked"
    tracked.write_text("".join(lines))
    inside(pair.server, "ip", "route", "replace", "192.0.2.9", "via", OPERATOR)
    inside(pair.server, "conntrack", "--load-file", str(tracked))

    told = pair.guest("iptables", "--dry-run", "--json", "-P", "FORWARD", "DROP")

    inside(pair.server, "conntrack", "-D", "-p", "udp", "--dport", "9")
    dying = {one["flow"].split(":")[0] for one in json.loads(told.stdout)["dying"]}
    assert {"10.77.0.10", "10.77.0.11", "10.77.0.12"} <= dying


@pytest.mark.covers("X11")
def test_rolling_back_brings_a_connection_back_that_was_lost_meanwhile(pair: GuestPair) -> None:
    inside(pair.server, "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")
    pair.iptables("-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "7", "-j", "REDIRECT",
                  "--to-ports", "7007")  # fmt: skip
    pair.iptables("-A", "INPUT", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
    client, service = (pair.client, OPERATOR, 40007), (pair.server, SERVER, 7007)
    with talk(client, service, dialled=7) as conversation:
        assert conversation.answers()
        forced = ("--force", "--confirm-within", "60")
        pair.guest("iptables", *forced, "-t", "nat", "-F")
        inside(pair.server, "conntrack", "-D", "-p", "tcp", "--dport", "7")
        assert not conversation.answers(seconds=1)

        pair.guest("firewall", "rollback")

        tracked = inside(pair.server, "conntrack", "-L", "-p", "tcp", "--dport", "7")
        assert conversation.answers(seconds=20), tracked
        assert "ESTABLISHED" in tracked
        assert "sport=7007" in tracked
