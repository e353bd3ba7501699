"""What routers and guests of the routed stage are seen to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.plan_host import PlanHost, run
from tests.support.routed_lan import WORLD

from portlight.values.verdict import DropReason

PUBLIC = f"{WORLD}.50"
OUTSIDE = f"{WORLD}.1"
"""The host itself."""


def drops(host: PlanHost, leg: int, reason: DropReason) -> int:
    """Return how many packets from a leg a router dropped for a reason."""
    found = host.leg_drops.read()
    return sum(one.packets for one in found if (one.port, one.reason) == (leg, reason))


@contextmanager
def counted(host: PlanHost, leg: int, reason: DropReason) -> Iterator[None]:
    """Assert that the router counts a drop meanwhile."""
    before = drops(host, leg, reason)
    yield
    assert drops(host, leg, reason) > before


def ping(host: PlanHost, number: int, *options: str) -> str:
    return host.inside(number, "ping", "-n", "-c1", "-W1", *options, check=False)


def the_host_reaches(address: str) -> bool:
    return "1 received" in run("ping", "-nc1", "-W1", address, check=False)


def answers_to(host: PlanHost, number: int) -> int:
    """Return how many echo replies a guest has received."""
    names, values = [
        line.split()
        for line in host.inside(number, "cat", "/proc/net/snmp").splitlines()
        if line.startswith("Icmp:")
    ]
    return int(values[names.index("InEchoReps")])
