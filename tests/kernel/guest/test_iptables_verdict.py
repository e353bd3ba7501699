"""Generated rule sets and packets: what the verdict says, and what the kernel does."""

import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from random import Random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from tests.support.iptables_pair import PEER_MAC, SERVER, SERVER_MAC, Pair, iptables_pair
from tests.support.iptables_rules import save_file

from portlight.dataplane.namespaces import do_inside
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.tool import Tool, system_names
from portlight.guest.iptables.verdict import Decision, decide
from portlight.guest.iptables.walk import Verdict

RULES, PACKETS, SETS = 60, 150, 2
OTHER_MAC = "02:00:00:0a:0b:01"
ETH_P_ALL = 3
TCP_NUMBER, UDP_NUMBER, GRE = 6, 17, 47
ICMP_NUMBER = {4: 1, 6: 58}
ECHO_REQUEST = {4: 8, 6: 128}
ECHO_REPLY = {4: 0, 6: 129}
ENOUGH_DECIDED = 0.6


@dataclass(frozen=True, slots=True)
class Shot:
    """A packet to send, the same as a value, and the number by which it is known when it comes."""

    frame: bytes
    packet: Packet
    number: int


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with iptables_pair() as made:
        yield made


def shot(random: Random, family: int, number: int) -> Shot:
    """A packet of the peer; its port, identifier or first bytes are its number."""
    source, destination = addresses(random, family)
    ip = (IP if family == 4 else IPv6)(src=source, dst=destination)
    protocol = random.choice((TCP_NUMBER, TCP_NUMBER, UDP_NUMBER, ICMP_NUMBER[family], GRE))
    port = random.choice((22, 53, 80, 443, random.randrange(1, 65536)))
    body = Raw(bytes(random.choice((0, 20, 500))))
    flags, kind = None, None
    if protocol == TCP_NUMBER:
        flags = random.choice(("S", "S", "A", "SA", "FPU"))
        ip /= TCP(sport=number, dport=port, flags=flags) / body
    elif protocol == UDP_NUMBER:
        ip /= UDP(sport=number, dport=port) / body
    elif protocol == GRE:
        setattr(ip, "proto" if family == 4 else "nh", GRE)
        ip /= Raw(number.to_bytes(2, "big") + bytes(10))
    else:
        kind = random.choice((ECHO_REQUEST[family], ECHO_REPLY[family]))
        ip /= echo(family, kind, number) / body
    mac = random.choice((PEER_MAC, PEER_MAC, OTHER_MAC))
    has_ports = protocol in {TCP_NUMBER, UDP_NUMBER}
    packet = Packet(
        hook=Hook.INPUT,
        in_interface="eth0",
        source=ip_address(source),
        destination=ip_address(destination),
        protocol=protocol,
        source_port=number if has_ports else None,
        destination_port=port if has_ports else None,
        tcp_flags=int(TCP(flags=flags).flags) if flags else None,
        icmp_type=kind,
        # Only of the first packets of flows we know for sure what conntrack makes of them.
        state="NEW" if flags == "S" or has_begun(protocol, kind, family) else None,
        source_mac=mac,
        length=len(ip),
        ttl=64,
        packet_type="unicast",
    )
    return Shot(bytes(Ether(src=mac, dst=SERVER_MAC) / ip), packet, number)


def has_begun(protocol: int, kind: int | None, family: int) -> bool:
    return protocol == UDP_NUMBER or kind == ECHO_REQUEST[family]


def addresses(random: Random, family: int) -> tuple[str, str]:
    if family == 4:
        return f"10.9.0.{random.randrange(1, 6)}", f"10.9.1.{random.randrange(1, 6)}"
    return f"fd09::{random.randrange(1, 4)}", random.choice(SERVER[-2:])


def echo(family: int, kind: int, number: int) -> object:
    if family == 4:
        return ICMP(type=kind, id=number)
    return (ICMPv6EchoRequest if kind == ECHO_REQUEST[6] else ICMPv6EchoReply)(id=number)


class Ears:
    """Raw sockets of the server: they get what has passed INPUT."""

    def __init__(self, family: int) -> None:
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        protocols = (TCP_NUMBER, UDP_NUMBER, GRE, ICMP_NUMBER[family])
        self._header = family == 4
        self._sockets = {
            socket.socket(kind, socket.SOCK_RAW, protocol): protocol for protocol in protocols
        }
        for each in self._sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    def heard(self) -> set[int]:
        """Return the numbers of the packets that have come."""
        numbers = set()
        while ready := select.select(list(self._sockets), [], [], 0)[0]:
            for each in ready:
                data = each.recv(2048)
                payload = data[(data[0] & 15) * 4 :] if self._header else data
                is_echo = self._sockets[each] in ICMP_NUMBER.values()
                numbers.add(int.from_bytes(payload[4:6] if is_echo else payload[:2], "big"))
        return numbers


def fire(pair: Pair, shots: list[Shot], ears: Ears, last: Shot) -> set[int]:
    """Send everything, then one that is let in for sure; return the numbers of what came."""
    make = lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # noqa: E731 -- one expression
    wire = do_inside(pair.peer, make)
    wire.bind(("eth0", 0))
    heard: set[int] = set()
    with wire:
        for each in shots:
            wire.send(each.frame)
        deadline = time.monotonic() + 10
        while last.number not in heard and time.monotonic() < deadline:
            wire.send(last.frame)
            time.sleep(0.01)
            heard |= ears.heard()
    assert last.number in heard
    return heard


def rules_of(random: Random, family: int, last: Shot) -> str:
    """A generated filter table that always lets the last shot in."""
    text = save_file(random, family, rules=RULES).partition("*nat")[0]
    lines = text.splitlines()
    first = next(place for place, line in enumerate(lines) if "-A " in line)
    lines.insert(first, f"[0:0] -A INPUT -p udp --sport {last.number} -j ACCEPT")
    return "\n".join((*lines, ""))


@pytest.mark.covers("K22", "K14", "K15", "K16", "K17", "K32", "K33", "K34", "K35", "K36", "K37")
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_the_kernel_does_what_the_verdict_says(pair: Pair, backend: str, family: int) -> None:
    tool = Tool(family=family, backend=backend)
    decided = 0
    for number in range(SETS):
        random = Random(100 * family + number)  # noqa: S311 -- wanted: repeatable
        decided += compare(random, pair, tool)
    tool.restore("*filter\nCOMMIT\n")

    assert decided >= ENOUGH_DECIDED * SETS * PACKETS


def compare(random: Random, pair: Pair, tool: Tool) -> int:
    """Send packets under a rule set; return of how many the verdict was settled."""
    shots = [shot(random, tool.family, 10_000 + place) for place in range(PACKETS)]
    source, destination = addresses(random, tool.family)
    ip = (IP if tool.family == 4 else IPv6)(src=source, dst=destination)
    frame = bytes(Ether(src=PEER_MAC, dst=SERVER_MAC) / ip / UDP(sport=9999, dport=9))
    last = Shot(frame, shots[0].packet, 9999)
    tool.restore(rules_of(random, tool.family, last))
    tool.run("", "-Z")
    ruleset = tool.read(system_names())
    foretold = {each.number: decide(ruleset, each.packet) for each in shots}
    ears = Ears(tool.family)
    try:
        heard = fire(pair, shots, ears, last)
    finally:
        ears.close()
    settled = {
        number: decision
        for number, decision in foretold.items()
        if decision.verdict is not Verdict.DEPENDS
    }
    for number, decision in settled.items():
        assert (number in heard) == (decision.verdict is Verdict.ACCEPT), (decision, tool.save())
    if tool.family == 4:
        assert_counted(tool, list(foretold.values()))
    return len(settled)


def assert_counted(tool: Tool, decisions: list[Decision]) -> None:
    """The rules of INPUT counted what the trails say: nothing else arrives on this wire."""
    sure: Counter[int | None] = Counter()
    perhaps: Counter[int | None] = Counter()
    for decision in decisions:
        for step in decision.trail:
            if step.chain == "INPUT":
                (sure if step.is_certain else perhaps)[step.number] += 1
        if decision.verdict is Verdict.DEPENDS:
            # Where it really ended nobody knows.
            sure.subtract({each.number: 1 for each in decision.trail if each.chain == "INPUT"})
            perhaps.update(each.number for each in decision.trail if each.chain == "INPUT")
    rules = tool.read(system_names()).tables["filter"].chains["INPUT"].rules
    for number, rule in enumerate(rules[1:], start=2):
        seen = rule.counters.packets
        assert sure[number] <= seen <= sure[number] + perhaps[number], (number, rule, seen)
