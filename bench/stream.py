"""One TCP stream with 100 rules, beside plain veth and bridge and the other firewalls."""

import argparse

from bench.compare import Quantity, interleaved, report
from bench.measure import tcp_bits_per_second
from bench.rules import CONTENDERS

RULES = 100
QUANTITIES = (
    Quantity(name="TCP, one stream", unit="Gbit/s", divisor=1e9, measure=tcp_bits_per_second),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    parser.add_argument("--only", nargs="+", choices=sorted(CONTENDERS), help="some contenders")
    asked = parser.parse_args()
    chosen = {name: CONTENDERS[name] for name in CONTENDERS if name in (asked.only or CONTENDERS)}
    samples = interleaved(chosen, [RULES], QUANTITIES, rounds=asked.rounds, seconds=asked.seconds)
    report(samples, QUANTITIES, line="bridge" if "bridge" in chosen else next(iter(chosen)))


if __name__ == "__main__":
    main()
