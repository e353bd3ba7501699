"""What the table raw sees before connections are known, and what nat makes of known ones."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.kernel.lab import run
from tests.support.guest_pair import NO_RULES
from tests.support.iptables_pair import PEER, SERVER, Pair, iptables_pair

from portlight.dataplane.namespaces import do_inside
from portlight.guest.iptables.meaning import STATES
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.tool import Tool, system_names
from portlight.guest.iptables.verdict import decide

UDP = 17
PORT, PEER_PORT, CALLED = 5300, 5301, 5299
LOOP = "127.0.0.1"
COUNTING = [f"-m conntrack --ctstate {state}" for state in STATES]
"""Rules without a target: which of them counts says what the packet's state was there."""
AMONG_STATES = {
    "nothing": [],
    "untracked": ["-j CT --notrack"],
    "untracked, some": [f"-p udp -m multiport --ports {PORT} -j CT --notrack"],
    "perhaps untracked": ["-m statistic --mode random --probability 0.5 -j CT --notrack"],
    "perhaps, in a chain": ["-m statistic --mode random --probability 0.5 -j choose"],
    "a template": ["-j CT --ctevents new"],
    "a zone": [f"-p udp -m multiport --ports {PORT} -j CT --zone 5"],
    "untracked twice": ["-j CT --notrack", "-j CT --zone 5"],
}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with iptables_pair() as made:
        yield made


def rules(choosing: list[str]) -> str:
    """Count all states in front of raw's choice, behind it, and in the filter table."""
    raw = [*COUNTING, *choosing, *COUNTING]
    return "\n".join(
        (
            *("*raw", ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":choose - [0:0]"),
            "-A choose -j CT --notrack",
            *(f"-A {chain} {rule}" for chain in ("PREROUTING", "OUTPUT") for rule in raw),
            "COMMIT",
            *("*filter", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"),
            *(f"-A {chain} {rule}" for chain in ("INPUT", "OUTPUT") for rule in COUNTING),
            "COMMIT\n",
        )
    )


def datagrams() -> socket.socket:
    return socket.socket(type=socket.SOCK_DGRAM)


def exchange(pair: Pair, client_address: str, port: int = PORT) -> None:
    """Send, be answered, send again: the last packet is one of a known connection."""
    with closing(datagrams()) as server, ExitStack() as opened:
        client = datagrams() if client_address == LOOP else do_inside(pair.peer, datagrams)
        opened.enter_context(closing(client))
        for each, end in ((server, (SERVER[0], PORT)), (client, (client_address, PEER_PORT))):
            each.settimeout(5)
            each.bind(end)
        client.sendto(b"1", (SERVER[0], port))
        server.sendto(b"2", server.recvfrom(9)[1])
        client.recv(9)
        client.sendto(b"3", (SERVER[0], port))
        server.recv(9)


def a_packet(hook: Hook, state: str, interface: str, ends: tuple[str, str]) -> Packet:
    """One of the exchange, by the addresses of its sender and its receiver."""
    to_server = ends[1] == SERVER[0]
    ports = (PEER_PORT, PORT) if to_server else (PORT, PEER_PORT)
    return Packet(
        hook=hook,
        source=ip_address(ends[0]),
        destination=ip_address(ends[1]),
        protocol=UDP,
        source_port=ports[0],
        destination_port=ports[1],
        in_interface=interface if hook is Hook.INPUT else "",
        out_interface=interface if hook is Hook.OUTPUT else "",
        state=state,
    )


def assert_counted(ruleset: RuleSet, tool: Tool, packets: list[Packet]) -> None:
    """Each rule has counted the packets that the model sends to it, and perhaps the unsure ones."""
    sure: Counter[tuple[str, str, int | None]] = Counter()
    perhaps: Counter[tuple[str, str, int | None]] = Counter()
    state = None
    for packet in packets:
        if (packet.hook, packet.in_interface) == (Hook.INPUT, "lo"):
            packet = replace(packet, state=state)  # noqa: PLW2901 -- as it came through OUTPUT
        decision = decide(ruleset, packet)
        state = decision.last.state
        for step in decision.trail:
            where = sure if step.is_certain else perhaps
            where[step.table, step.chain, step.number] += 1
    for table, chain, number, rule in tool.read(system_names()).rules():
        place, seen = (table.name, chain.name, number), rule.counters.packets
        assert sure[place] <= seen <= sure[place] + perhaps[place], (place, seen, tool.save())


def prepared(tool: Tool, text: str) -> RuleSet:
    """Put rules in the place of all others, and forget all connections."""
    for each in ("nft", "legacy"):
        Tool(backend=each).restore(NO_RULES)
    tool.restore(text)
    run("conntrack", "-F")
    return tool.read(system_names())


@pytest.mark.covers("K22", "X12")
@pytest.mark.parametrize("choosing", AMONG_STATES.values(), ids=AMONG_STATES)
@pytest.mark.parametrize(
    ("backend", "is_looped"),
    [("nft", False), ("nft", True), ("legacy", False)],
    ids=["nft", "loopback", "legacy"],
)
def test_packets_have_in_raw_the_states_that_the_model_says(
    pair: Pair, backend: str, choosing: list[str], *, is_looped: bool
) -> None:
    tool, there, back = Tool(backend=backend), (PEER[0], SERVER[0]), (SERVER[0], PEER[0])
    ways = [(Hook.INPUT, "NEW"), (Hook.OUTPUT, "ESTABLISHED"), (Hook.INPUT, "ESTABLISHED")]
    packets = [
        a_packet(hook, state, "eth0", there if hook is Hook.INPUT else back) for hook, state in ways
    ]
    if is_looped:
        there, back = (LOOP, SERVER[0]), (SERVER[0], LOOP)
        packets = [
            a_packet(hook, state, "lo", ends)
            for state, ends in (("NEW", there), ("ESTABLISHED", back), ("ESTABLISHED", there))
            for hook in (Hook.OUTPUT, Hook.INPUT)
        ]
    ruleset = prepared(tool, rules(choosing))

    exchange(pair, LOOP if is_looped else PEER[0])

    assert_counted(ruleset, tool, packets)


def counting(nat: str, *asked: str) -> str:
    """One rule of nat; in front of it and behind it, what packets ask for is counted."""
    places = {"raw": ("PREROUTING",), "mangle": ("PREROUTING", "INPUT"), "filter": ("INPUT",)}
    tables = {"nat": [nat]} | {
        table: [f"-A {chain} -p udp {each}" for chain in chains for each in asked]
        for table, chains in places.items()
    }
    return "".join("\n".join((f"*{table}", *lines, "COMMIT\n")) for table, lines in tables.items())


@pytest.mark.covers("K22", "X12")
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_a_known_connection_is_redirected_without_being_asked_again(
    pair: Pair, backend: str
) -> None:
    tool = Tool(backend=backend)
    redirect = f"-A PREROUTING -p udp --dport {CALLED} -j REDIRECT --to-ports {PORT}"
    ruleset = prepared(tool, counting(redirect, f"--dport {CALLED}", f"--dport {PORT}"))
    there, back = (PEER[0], SERVER[0]), (SERVER[0], PEER[0])

    exchange(pair, PEER[0], CALLED)

    came = replace(a_packet(Hook.INPUT, "NEW", "eth0", there), destination_port=CALLED)
    known = replace(came, state="ESTABLISHED", carried_to=(ip_address(SERVER[0]), PORT))
    answer = a_packet(Hook.OUTPUT, "ESTABLISHED", "eth0", back)
    assert_counted(ruleset, tool, [came, answer, known])
    assert decide(ruleset, came).last.destination_port == PORT


@pytest.mark.covers("K22", "X12")
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_answers_to_a_translated_source_come_to_that_one_first(pair: Pair, backend: str) -> None:
    tool = Tool(backend=backend)
    translate = f"-A POSTROUTING -p udp -j SNAT --to-source {SERVER[1]}"
    ruleset = prepared(tool, counting(translate, f"-d {SERVER[0]}", f"-d {SERVER[1]}"))
    with closing(datagrams()) as server, closing(do_inside(pair.peer, datagrams)) as peer:
        for each, end in ((server, (SERVER[0], PORT)), (peer, (PEER[0], PEER_PORT))):
            each.settimeout(5)
            each.bind(end)
        server.sendto(b"1", (PEER[0], PEER_PORT))
        peer.sendto(b"2", peer.recvfrom(9)[1])
        server.recv(9)

    asked = a_packet(Hook.OUTPUT, "NEW", "eth0", (SERVER[0], PEER[0]))
    answer = replace(
        a_packet(Hook.INPUT, "ESTABLISHED", "eth0", (PEER[0], SERVER[0])),
        destination=ip_address(SERVER[1]),
        carried_to=(ip_address(SERVER[0]), PORT),
    )
    assert_counted(ruleset, tool, [asked, answer])
