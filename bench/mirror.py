"""What mirroring costs the traffic that is mirrored: `python -m bench.mirror`, as root.

Beside it run what Linux has for it, tc mirred into a VXLAN device, and Open vSwitch with a mirror
into a VXLAN port. The collectors count the copies and throw them away (iptables, raw table), so
that their own work is small; where loss is measured, a receiver decodes and counts them.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.commands import inside
from bench.measure import (
    Cpus,
    copies_of,
    http_microseconds,
    round_trip_microseconds,
    tcp_bits_per_second,
    udp_packets_per_second,
)
from bench.pair import CLIENT_ADDRESS, SERVER_ADDRESS, Pair, set_mtu
from bench.peers.bridge import bridge_pair
from bench.peers.mirred import mirred_pair
from bench.peers.openvswitch_mirror import OpenVSwitch, openvswitch_mirror
from tests.support.builders import (
    a_group,
    a_mirror_filter,
    a_mirror_rule,
    a_mirror_session,
    a_network,
    a_port,
    a_rule,
    a_subnet,
    a_topology,
    an_instance,
    group_id,
    net,
    ports,
)
from tests.support.plan_host import PlanHost, plan_host

from portlight.core.security_group import Direction
from portlight.core.topology import Entity, Topology
from portlight.dataplane.bpf.abi import MirrorOutcome
from portlight.values.addresses import IpPrefix

OBJECTS = Path(__file__).parents[1] / "build" / "bpf"
CLIENT, SERVER, COLLECTOR = 1, 2, 3
ADDRESSES = {CLIENT: CLIENT_ADDRESS, SERVER: SERVER_ADDRESS, COLLECTOR: "192.168.77.12"}
PARTS = {"client": CLIENT, "server": SERVER, "collector": COLLECTOR}
LATENCY_TURNS = 10
FITTING_MTU = 1436
"""64 bytes below the link's: a copy of the longest packet fits, and nothing is cut, fragmented or
lost for its length; the peers have it all the time."""


def topology(*mirrors: Entity) -> Topology:
    """Return three guests in a group that lets everything pass, and these mirrors."""
    fields = {"security_groups": (group_id(1),)}
    return a_topology(
        a_network(1),
        a_subnet(1, "192.168.77.0/24"),
        a_group(1),
        a_rule(1, direction=Direction.EGRESS),
        a_rule(2),
        *(an_instance(number) for number in ADDRESSES),
        *(a_port(number, address, **fields) for number, address in ADDRESSES.items()),
        *mirrors,
    )


def everything(length: int) -> tuple[Entity, ...]:
    """Return a session that copies all that the client sends and receives."""
    return (
        a_mirror_filter(),
        a_mirror_rule(1),
        a_mirror_rule(2, direction=Direction.INGRESS),
        a_mirror_session(1, (CLIENT,), COLLECTOR, packet_length=length),
    )


def many_rules(rules: int, sessions: int = 1) -> tuple[Entity, ...]:
    """Return sessions that share these rules by turns; the last one of the last one matches."""
    return (
        *(a_mirror_filter(number) for number in range(1, sessions + 1)),
        *(
            a_mirror_rule(
                number,
                (number - 1) % sessions + 1,
                protocol=6,
                destination_prefix=_elsewhere(number),
            )
            for number in range(1, rules)
        ),
        a_mirror_rule(rules, sessions, protocol=17, destination_ports=ports(9100)),
        *(
            a_mirror_session(
                number, (CLIENT,), COLLECTOR, mirror_filter_ids=(a_mirror_filter(number).id,)
            )
            for number in range(1, sessions + 1)
        ),
    )


def _elsewhere(number: int) -> IpPrefix:
    return net(f"10.{number >> 8}.{number & 255}.0/24")


@dataclass(frozen=True, slots=True)
class Ours:
    """Portlight's data path from a plan, with the pair that is measured."""

    host: PlanHost
    pair: Pair

    def copied(self) -> int:
        """Return how many copies reached the collector's link."""
        read = self.host.tables.mirror_counters.read()
        return sum(one.packets for one in read if one.outcome is MirrorOutcome.COPIED)

    def failed(self) -> int:
        """Return how many copies were not made, or refused."""
        read = self.host.tables.mirror_counters.read()
        good = (MirrorOutcome.COPIED, MirrorOutcome.TRUNCATED)
        return sum(one.packets for one in read if one.outcome not in good)


@contextmanager
def ours() -> Iterator[Ours]:
    """Yield three guests of our data path."""
    with plan_host(OBJECTS, "bench-mirror-") as host:
        host.show(topology())
        for number, address in ADDRESSES.items():
            host.address(number, f"{address}/24")
        discard_copies(host.guest(COLLECTOR))
        names = {part: host.guest(number) for part, number in PARTS.items()}
        yield Ours(host, Pair(name="ours", **names))


def discard_copies(namespace: str, *, discard: bool = True) -> None:
    """Count and drop what arrives for VXLAN's port, or let it through to a receiver again."""
    rule = ("-p", "udp", "--dport", "4789", "-j", "DROP")
    inside(namespace, "iptables", "-t", "raw", "-A" if discard else "-D", "PREROUTING", *rule)


def main() -> None:
    """Measure, and print a table of medians of ratios within rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rate", type=int, nargs="*", default=[50_000, 100_000, 200_000])
    parser.add_argument("--only", nargs="*", choices=sorted(MEASUREMENTS))
    asked = parser.parse_args()
    with contenders() as these:
        rows: dict[str, list[float]] = {}
        for turn in range(asked.rounds):
            print(f"  round {turn + 1} of {asked.rounds}", flush=True)
            for name in asked.only or MEASUREMENTS:
                for row, value in MEASUREMENTS[name](these, asked.seconds):
                    rows.setdefault(row, []).append(value)
        print("\n| What | median (lowest to highest) |\n|---|---|")
        for row, values in rows.items():
            print(f"| {row} | {median(values):.3f} ({min(values):.3f} to {max(values):.3f}) |")
        print(f"\nour copies: {these.mine.copied():,} made, {these.mine.failed():,} not")
        print_losses(these.mine, asked.rate)


@dataclass(frozen=True, slots=True)
class Contenders:
    """All that is measured; they are there at once."""

    mine: Ours
    bridge: Pair
    mirred: Pair
    openvswitch: OpenVSwitch


@contextmanager
def contenders() -> Iterator[Contenders]:
    """Build them; their collectors discard copies."""
    with ours() as mine, ExitStack() as stack:
        these = Contenders(
            mine=mine,
            bridge=stack.enter_context(bridge_pair("plbmb", 0)),
            mirred=stack.enter_context(mirred_pair("plbmm")),
            openvswitch=stack.enter_context(openvswitch_mirror("plbmo")),
        )
        for pair in (these.mirred, these.openvswitch.pair):
            assert pair.collector is not None
            discard_copies(pair.collector)
        for pair in (these.bridge, these.mirred, these.openvswitch.pair):
            set_mtu(pair, FITTING_MTU)
        yield these


Ratios = Iterator[tuple[str, float]]
"""What was measured; a ratio is to what was measured just before it."""


def cut_stream(these: Contenders, seconds: float) -> Ratios:
    """Yield what a stream keeps whose every segment becomes a copy of 96 bytes."""
    mine = these.mine
    mine.host.show(topology())
    plain = tcp_bits_per_second(mine.pair, seconds)
    mine.host.show(topology(*everything(96)))
    before, began = mine.copied(), busy_seconds()
    yield "TCP, each segment cut to 96 bytes", tcp_bits_per_second(mine.pair, seconds) / plain
    copies = mine.copied() - before
    yield "  1,000 copies a second", copies / max(1, round(seconds)) / 1000
    yield "  and of a core, with the stream", copies / (busy_seconds() - began) / 1000


def busy_seconds() -> float:
    """Return the time that all cores of the machine have worked."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def whole_stream(these: Contenders, seconds: float) -> Ratios:
    """Yield what a stream keeps that is copied whole: ours, and the peers'."""
    mine, switch = these.mine, these.openvswitch
    set_mtu(mine.pair, FITTING_MTU)
    mine.host.show(topology())
    plain = tcp_bits_per_second(mine.pair, seconds)
    mine.host.show(topology(*everything(0)))
    mirrored = tcp_bits_per_second(mine.pair, seconds)
    set_mtu(mine.pair, 1500)
    mine.host.show(topology())
    yield "TCP, mirrored whole", mirrored / plain
    plain = tcp_bits_per_second(these.bridge, seconds)
    yield "TCP, tc mirred into a VXLAN device", tcp_bits_per_second(these.mirred, seconds) / plain
    plain = tcp_bits_per_second(switch.pair, seconds)
    switch.mirror(enabled=True)
    slow = tcp_bits_per_second(switch.pair, seconds)
    switch.mirror(enabled=False)
    yield "TCP, Open vSwitch with a mirror into a VXLAN port", slow / plain
    yield "TCP, ours mirrored whole to Open vSwitch mirrored", mirrored / slow


def packets(these: Contenders, seconds: float) -> Ratios:
    """Yield what small packets keep: the number of rules, of sessions, and the peers'."""
    mine, switch = these.mine, these.openvswitch
    plain = udp_packets_per_second(mine.pair, seconds)
    mine.host.show(topology(*everything(0)))
    mirrored = udp_packets_per_second(mine.pair, seconds)
    yield "UDP, mirrored", mirrored / plain
    plain = udp_packets_per_second(these.bridge, seconds)
    yield "UDP, tc mirred", udp_packets_per_second(these.mirred, seconds) / plain
    plain = udp_packets_per_second(switch.pair, seconds)
    switch.mirror(enabled=True)
    slow = udp_packets_per_second(switch.pair, seconds)
    switch.mirror(enabled=False)
    yield "UDP, Open vSwitch mirrored", slow / plain
    yield "UDP, ours mirrored to Open vSwitch mirrored", mirrored / slow
    mine.host.show(topology(*many_rules(10)))
    few = udp_packets_per_second(mine.pair, seconds)
    mine.host.show(topology(*many_rules(10_000)))
    yield (
        "UDP, filter of 10,000 rules to one of 10",
        udp_packets_per_second(mine.pair, seconds) / few,
    )
    mine.host.show(topology(*many_rules(10)))
    few = udp_packets_per_second(mine.pair, seconds)
    mine.host.show(topology(*many_rules(160, sessions=16)))
    yield "UDP, 16 sessions of 10 rules to one", udp_packets_per_second(mine.pair, seconds) / few
    mine.host.show(topology())


def latency(these: Contenders, seconds: float) -> Ratios:
    """Yield the time of request and answer, mirror on to off: short turns, medians.

    Copies are made behind the original. So client and server on CPUs of their own, as on any
    machine with more guests than one, wait for little of it; on one CPU they wait for all of it.
    """
    host, pair = these.mine.host, these.mine.pair
    first, *others = sorted(os.sched_getaffinity(0))
    second = others[0] if others else first
    echo, http = round_trip_microseconds, http_microseconds
    for name, measure, cpus in (
        ("HTTP request", http, Cpus(client=first, server=second)),
        ("bare UDP echo", echo, Cpus(client=first, server=second)),
        ("bare UDP echo, wherever Linux runs it", echo, Cpus()),
        ("bare UDP echo, both on one CPU", echo, Cpus(client=first, server=first)),
    ):
        trips: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(LATENCY_TURNS):
            on = turn % 2 == 1
            host.show(topology(*(everything(0) if on else ())))
            trips[on].append(measure(pair, seconds / 4, cpus))
        yield f"{name}, microseconds, not mirrored", median(trips[False])
        yield f"{name}, mirrored to not", median(trips[True]) / median(trips[False])
    host.show(topology())


MEASUREMENTS = {
    "cut": cut_stream,
    "whole": whole_stream,
    "packets": packets,
    "latency": latency,
}


def print_losses(mine: Ours, rates: Sequence[int]) -> None:
    """Print what a receiver decoded of so many packets a second."""
    guest = mine.host.guest(COLLECTOR)
    mine.host.show(topology(*everything(0)))
    discard_copies(guest, discard=False)
    for rate in rates:
        before = mine.copied()
        sent, decoded = copies_of(mine.pair, ADDRESSES[COLLECTOR], rate, 3.0)
        print(
            f"{rate:,} packets/s asked, {sent:,} sent: {mine.copied() - before:,} copies by our"
            f" counters, {decoded:,} decoded by the receiver"
        )


if __name__ == "__main__":
    main()
