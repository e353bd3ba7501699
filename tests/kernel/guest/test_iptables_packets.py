"""What the kernel does with packets under iptables, and that our verdict says the same."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from tests.kernel.lab import inside, run
from tests.support.iptables_pair import PEER, SERVER, Outcome, Pair, iptables_pair, listening

from portlight.guest.iptables.names import PLAIN
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.tool import Tool
from portlight.guest.iptables.verdict import decide
from portlight.guest.iptables.walk import Verdict

PORTS = (22, 80, 443)
OUTCOMES = {
    Verdict.ACCEPT: Outcome.OPEN,
    Verdict.REJECT: Outcome.REFUSED,
    Verdict.DROP: Outcome.DROPPED,
}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with iptables_pair() as made, listening(*PORTS):
        yield made


@pytest.fixture(params=["nft", "legacy"])
def tool(request: pytest.FixtureRequest, pair: Pair) -> Iterator[Tool]:
    del pair
    made = Tool(family=4, backend=request.param)
    made.restore("*filter\n:INPUT DROP [0:0]\nCOMMIT\n")
    yield made
    made.restore("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")


def meets(tool: Tool, pair: Pair, port: int, *, to: str = SERVER[0]) -> Outcome:
    """Connect, and check that the verdict foretold what happened."""
    packet = Packet(
        hook=Hook.INPUT,
        in_interface="eth0",
        source=ip_address(PEER[0]),
        destination=ip_address(to),
        protocol=6,
        source_port=40000,
        destination_port=port,
    )
    foretold = OUTCOMES[decide(tool.read(PLAIN), packet).verdict]
    outcome = pair.connect(tool, port, to=to)
    assert outcome == foretold
    return outcome


@pytest.mark.covers("K51", "K38", "K17")
def test_what_comes_by_the_loopback_interface_is_let_in_alone(tool: Tool, pair: Pair) -> None:
    tool.run("", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")

    run("ping", "-c1", "-W5", "127.0.0.1")
    assert meets(tool, pair, 22) is Outcome.DROPPED


@pytest.mark.covers("K52", "K53", "K54", "K14", "K15", "K20", "K31", "K35", "K36", "K37")
@pytest.mark.parametrize("port", PORTS)
def test_an_accepted_port_is_open_and_no_other_is(tool: Tool, pair: Pair, port: int) -> None:
    tool.run("", "-A", "INPUT", "-p", "tcp", "--dport", str(port), "-j", "ACCEPT")

    assert meets(tool, pair, port) is Outcome.OPEN
    assert meets(tool, pair, PORTS[PORTS.index(port) - 1]) is Outcome.DROPPED


@pytest.mark.covers("K55", "K33")
def test_a_port_is_open_at_one_address_of_the_server_alone(tool: Tool, pair: Pair) -> None:
    rule = ("-d", SERVER[0], "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
    tool.run("", "-A", "INPUT", *rule)

    assert meets(tool, pair, 22) is Outcome.OPEN
    assert meets(tool, pair, 22, to=SERVER[1]) is Outcome.DROPPED


@pytest.mark.covers("K56", "K21")
def test_a_rule_deleted_by_its_number_lets_nothing_in_any_more(tool: Tool, pair: Pair) -> None:
    for port in (1, 2, 3, 22):
        tool.run("", "-A", "INPUT", "-p", "tcp", "--dport", str(port), "-j", "ACCEPT")
    assert meets(tool, pair, 22) is Outcome.OPEN

    tool.run("", "-D", "INPUT", "4")

    assert meets(tool, pair, 22) is Outcome.DROPPED


@pytest.mark.covers("K57", "K16")
def test_a_refusal_deleted_by_its_specification_is_gone(tool: Tool, pair: Pair) -> None:
    tool.run("", "-P", "INPUT", "ACCEPT")
    tool.run("", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "REJECT")
    assert meets(tool, pair, 22) is Outcome.REFUSED

    tool.run("", "-D", "INPUT", "-p", "tcp", "-m", "tcp", "--dport", "22", "-j", "REJECT")

    assert meets(tool, pair, 22) is Outcome.OPEN


@pytest.mark.covers("K58", "K21")
def test_an_allowance_deleted_by_its_specification_is_gone(tool: Tool, pair: Pair) -> None:
    tool.run("", "-A", "INPUT", "-p", "tcp", "--dport", "443", "-j", "ACCEPT")
    assert meets(tool, pair, 443) is Outcome.OPEN

    tool.run("", "-D", "INPUT", "-p", "tcp", "--dport", "443", "-j", "ACCEPT")

    assert meets(tool, pair, 443) is Outcome.DROPPED


@pytest.mark.covers("K23", "K24", "K27", "K32", "K34")
def test_inserted_replaced_and_flushed_rules_take_effect_at_once(tool: Tool, pair: Pair) -> None:
    accept = ("-p", "tcp", "--sport", "1024:", "-s", PEER[0], "-j", "ACCEPT")
    tool.run("", "-A", "INPUT", "-p", "tcp", "-j", "REJECT")
    assert meets(tool, pair, 22) is Outcome.REFUSED

    tool.run("", "-I", "INPUT", *accept)
    assert meets(tool, pair, 22) is Outcome.OPEN

    tool.run("", "-R", "INPUT", "1", "-p", "tcp", "-j", "DROP")
    assert meets(tool, pair, 22) is Outcome.DROPPED

    tool.run("", "-F", "INPUT")
    tool.run("", "-P", "INPUT", "ACCEPT")
    assert meets(tool, pair, 22) is Outcome.OPEN


@pytest.mark.covers("K29", "K30", "K36")
def test_a_user_chain_judges_what_is_sent_to_it(tool: Tool, pair: Pair) -> None:
    tool.run("", "-N", "web")
    tool.run("", "-A", "web", "-p", "tcp", "--dport", "80", "-j", "ACCEPT")
    tool.run("", "-A", "INPUT", "-j", "web")

    assert meets(tool, pair, 80) is Outcome.OPEN
    assert meets(tool, pair, 22) is Outcome.DROPPED

    tool.run("", "-F")
    tool.run("", "-X", "web")
    assert meets(tool, pair, 80) is Outcome.DROPPED


@pytest.mark.covers("K18", "K39")
def test_what_the_server_sends_is_judged_by_its_own_chain(tool: Tool, pair: Pair) -> None:
    tool.run("", "-P", "INPUT", "ACCEPT")
    tool.run("", "-A", "OUTPUT", "-o", "eth0", "-p", "tcp", "--sport", "22", "-j", "DROP")

    assert pair.connect(tool, 22) is Outcome.DROPPED
    assert pair.connect(tool, 80) is Outcome.OPEN
    assert reply_of(tool, port=22) is Verdict.DROP
    assert reply_of(tool, port=80) is Verdict.ACCEPT


def reply_of(tool: Tool, *, port: int) -> Verdict:
    packet = Packet(
        hook=Hook.OUTPUT,
        out_interface="eth0",
        source=ip_address(SERVER[0]),
        destination=ip_address(PEER[0]),
        protocol=6,
        source_port=port,
        destination_port=40000,
        state="ESTABLISHED",
    )
    return decide(tool.read(PLAIN), packet).verdict


@pytest.mark.covers("K19", "K38", "K39")
def test_what_goes_through_the_server_is_judged_by_both_interfaces(tool: Tool, pair: Pair) -> None:
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "beyond")
    run("ip", "link", "set", "beyond", "up")
    run("ip", "addr", "add", "10.99.0.1/24", "dev", "eth1")
    run("ip", "neigh", "add", "10.99.0.2", "lladdr", "02:00:00:00:99:02", "dev", "eth1")
    run("ip", "link", "set", "eth1", "up")
    try:
        tool.run("", "-A", "FORWARD", "-i", "eth0", "-o", "eth1", "-p", "icmp", "-j", "DROP")
        inside(pair.peer, "ip", "route", "replace", "10.99.0.0/24", "via", SERVER[0])
        inside(pair.peer, "ping", "-c1", "-W1", "10.99.0.2", check=False)

        (rule,) = tool.read(PLAIN).tables["filter"].chains["FORWARD"].rules
        assert rule.counters.packets == 1
    finally:
        run("ip", "link", "delete", "eth1")
