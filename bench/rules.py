"""What the number of rules costs: packets and connections at 10, 1,000 and 10,000 rules.

Portlight beside a plain bridge, iptables on a bridge and Open vSwitch's userspace datapath, each
with the same rules on both ports.
"""

import argparse
from collections.abc import Mapping

from bench.compare import Build, Quantity, interleaved, report
from bench.datapath import datapath_pair
from bench.measure import (
    tcp_connections_per_second,
    udp_packets_per_second,
    unanswered_udp_packets_per_second,
)
from bench.peers.bridge import bridge_pair
from bench.peers.hybrid import hybrid_pair
from bench.peers.openvswitch import openvswitch_pair
from bench.portlight import portlight_pair

CONTENDERS: Mapping[str, Build] = {
    "portlight": portlight_pair,
    "datapath": datapath_pair,
    "bridge": bridge_pair,
    "iptables": hybrid_pair,
    "openvswitch": openvswitch_pair,
}
QUANTITIES = (
    Quantity(
        name="UDP, answered flow",
        unit="1,000 packets/s",
        divisor=1e3,
        measure=udp_packets_per_second,
    ),
    Quantity(
        name="UDP, never answered",
        unit="1,000 packets/s",
        divisor=1e3,
        measure=unanswered_udp_packets_per_second,
    ),
    Quantity(
        name="New TCP connections",
        unit="1,000/s",
        divisor=1e3,
        measure=tcp_connections_per_second,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, nargs="+", default=[10, 1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement")
    parser.add_argument("--only", nargs="+", choices=sorted(CONTENDERS), help="some contenders")
    asked = parser.parse_args()
    chosen = {name: CONTENDERS[name] for name in CONTENDERS if name in (asked.only or CONTENDERS)}
    samples = interleaved(
        chosen,
        asked.rules,
        QUANTITIES,
        rounds=asked.rounds,
        seconds=asked.seconds,
    )
    report(samples, QUANTITIES, line="bridge" if "bridge" in chosen else next(iter(chosen)))


if __name__ == "__main__":
    main()
