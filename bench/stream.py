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
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    asked = parser.parse_args()
    samples = interleaved(
        CONTENDERS, [RULES], QUANTITIES, repetitions=asked.repetitions, seconds=asked.seconds
    )
    report(samples, QUANTITIES, line="bridge")


if __name__ == "__main__":
    main()
