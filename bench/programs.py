"""What the programs cost: nanoseconds per frame by test-run, with the verifier's instructions.

A test-run is the program alone: no link, no guest. Where both guests are on this host, the
sender's program judges for both ports.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tests.support import frames
from tests.support.frames import End
from tests.support.programs import ProgramLab, program_lab
from tests.support.scene import guest

from portlight.dataplane.bpf.programs import PROGRAMS, read_program
from portlight.dataplane.bpf.testrun import TestRun
from portlight.plan.classifier import ClassifierRule, Family
from portlight.values.addresses import MacAddress
from portlight.values.ranges import PortRange

REPEAT = 500_000
ROUNDS = 5
NEW_FLOWS = 3_000
RULES = 1_000
REMOTE = End(mac=MacAddress(0x02_00_00_00_00_FE), ip=ip_address("10.0.0.254"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A measured case."""

    name: str
    nanoseconds: float


def _rules(count: int) -> tuple[ClassifierRule, ...]:
    return tuple(
        ClassifierRule(
            family=Family.IPV4, protocol=6, destination_ports=PortRange(first=port, last=port)
        )
        for port in range(1, count + 1)
    )


def _repeated(name: str, run: Callable[[int], TestRun]) -> Cost:
    run(1)
    return Cost(name=name, nanoseconds=min(run(REPEAT).nanoseconds for _ in range(ROUNDS)))


def _each(name: str, runs: Iterator[TestRun]) -> Cost:
    """Every run is another flow: the middle of single runs, the clock's own cost included."""
    return Cost(name=name, nanoseconds=statistics.median(run.nanoseconds for run in runs))


def costs(lab: ProgramLab) -> Iterator[Cost]:
    """Measure every case."""
    one, two = guest(lab, 1), guest(lab, 2, ingress=_rules(RULES))
    opening = frames.tcp(one.end, two.end, to=RULES)
    lab.sends(one.port, opening)
    segment = frames.tcp(one.end, two.end, to=RULES, flags="A")
    yield _repeated(
        "established TCP, guest to guest, both ports judged",
        lambda repeat: lab.sends(one.port, segment, repeat=repeat),
    )
    outward = frames.tcp(one.end, REMOTE, flags="A")
    yield _repeated(
        "established TCP, guest to bridge",
        lambda repeat: lab.sends(one.port, outward, repeat=repeat),
    )
    inward = frames.tcp(REMOTE, two.end, to=RULES, flags="A")
    yield _repeated(
        "established TCP, bridge to guest",
        lambda repeat: lab.receives(two.port, inward, repeat=repeat),
    )
    refused = frames.tcp(REMOTE, two.end, to=RULES + 1)
    yield _repeated(
        f"refused by {RULES} rules, bridge to guest",
        lambda repeat: lab.receives(two.port, refused, repeat=repeat),
    )
    news = [frames.tcp(REMOTE, two.end, by=1024 + i, to=RULES) for i in range(NEW_FLOWS)]
    yield _each(
        f"new TCP flow, {RULES} rules, bridge to guest",
        (lab.receives(two.port, frame) for frame in news),
    )
    yield _each(
        "the same frames again (cost of measuring single runs)",
        (lab.receives(two.port, frame) for frame in news),
    )
    unsecured = guest(lab, 3, secured=False)
    bare = frames.tcp(unsecured.end, REMOTE)
    yield _repeated(
        "port security off, guest to bridge",
        lambda repeat: lab.sends(unsecured.port, bare, repeat=repeat),
    )


def main() -> int:
    """Print a Markdown table."""
    with tempfile.TemporaryDirectory() as folder, program_lab(Path(folder)) as lab:
        for name in PROGRAMS:
            program = read_program(lab.pins / name)
            if program is not None:
                print(f"{name}: {program.verified_instructions:,} instructions verified")
        print("\n| Case | ns per frame |\n|---|---:|")
        for cost in costs(lab):
            print(f"| {cost.name} | {cost.nanoseconds:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
