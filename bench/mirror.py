"""What mirroring costs the traffic that is mirrored: `python -m bench.mirror`, as root.

Beside it runs what Linux has for it: tc mirred into a VXLAN device. The collector counts the
copies and throws them away (iptables, raw table), so that its own work is small.
"""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.commands import inside
from bench.measure import tcp_bits_per_second, udp_packets_per_second
from bench.pair import CLIENT_ADDRESS, SERVER_ADDRESS, Pair
from bench.peers.bridge import bridge_pair
from bench.peers.mirred import mirred_pair
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
FITTING_MTU = 1436
"""64 bytes below the link's: a copy of the longest packet fits, and nothing is cut."""


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
    """Return sessions whose last rule is the one that matches."""
    return (
        *(a_mirror_filter(number) for number in range(1, sessions + 1)),
        *(
            a_mirror_rule(number, protocol=6, destination_prefix=_elsewhere(number))
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

    def mtu(self, size: int) -> None:
        """Give client and server another MTU."""
        for number in (CLIENT, SERVER):
            self.host.inside(number, "ip", "link", "set", "eth0", "mtu", str(size))

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
        yield Ours(host, Pair(name="ours", client=host.guest(CLIENT), server=host.guest(SERVER)))


def discard_copies(namespace: str) -> None:
    """Count and drop what arrives for VXLAN's port."""
    rule = ("-p", "udp", "--dport", "4789", "-j", "DROP")
    inside(namespace, "iptables", "-t", "raw", "-A", "PREROUTING", *rule)


def discarded(namespace: str) -> int:
    """Return how many packets the collector has counted."""
    listing = inside(namespace, "iptables", "-t", "raw", "-nvxL", "PREROUTING")
    return int(listing.splitlines()[2].split()[0])


def main() -> None:
    """Measure, and print a table of medians of ratios within rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    asked = parser.parse_args()
    with ours() as mine, ExitStack() as stack:
        bridge = stack.enter_context(bridge_pair("plbmb", 0))
        mirred = stack.enter_context(mirred_pair("plbmm"))
        assert mirred.collector is not None
        discard_copies(mirred.collector)
        rows: dict[str, list[float]] = {}
        for turn in range(asked.rounds):
            print(f"  round {turn + 1} of {asked.rounds}", flush=True)
            for name, value in one_round(mine, bridge, mirred, asked.seconds):
                rows.setdefault(name, []).append(value)
        lost = mine.copied() - discarded(mine.host.guest(COLLECTOR))
        print("\n| What | ratio, median (lowest to highest) |\n|---|---|")
        for name, values in rows.items():
            print(f"| {name} | {median(values):.2f} ({min(values):.2f} to {max(values):.2f}) |")
        print(f"\nour copies: {mine.copied():,} made, {mine.failed():,} not")
        print(f"not counted by the collector (a super-packet counts once there): {lost:,}")


def one_round(
    mine: Ours, bridge: Pair, mirred: Pair, seconds: float
) -> Iterator[tuple[str, float]]:
    """Yield ratios of one round: each to what was measured just before it."""
    show = mine.host.show
    show(topology())
    plain = tcp_bits_per_second(mine.pair, seconds)
    show(topology(*everything(96)))
    yield "TCP, each segment cut to 96 bytes", tcp_bits_per_second(mine.pair, seconds) / plain
    mine.mtu(FITTING_MTU)
    show(topology())
    plain = tcp_bits_per_second(mine.pair, seconds)
    show(topology(*everything(0)))
    yield "TCP, mirrored whole", tcp_bits_per_second(mine.pair, seconds) / plain
    mine.mtu(1500)
    plain = tcp_bits_per_second(bridge, seconds)
    yield "TCP, tc mirred into a VXLAN device", tcp_bits_per_second(mirred, seconds) / plain
    show(topology(*many_rules(10)))
    few = udp_packets_per_second(mine.pair, seconds)
    show(topology(*many_rules(10_000)))
    many = udp_packets_per_second(mine.pair, seconds)
    yield "UDP, filter of 10,000 rules to one of 10", many / few
    show(topology(*many_rules(10)))
    few = udp_packets_per_second(mine.pair, seconds)
    show(topology(*many_rules(10, sessions=16)))
    yield "UDP, 16 sessions to one", udp_packets_per_second(mine.pair, seconds) / few
    show(topology())


if __name__ == "__main__":
    main()
