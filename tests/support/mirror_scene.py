"""Four guests in place from a plan: a source of mirror sessions, its peer, a target, another."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    ports,
)
from tests.support.plan_host import PlanHost, plan_host
from tests.support.programs import build_programs

from portlight.core.security_group import Direction, EtherType
from portlight.core.topology import Entity, Topology
from portlight.dataplane.bpf.abi import MirrorOutcome

SOURCE, PEER, TARGET, OTHER = 1, 2, 3, 4
GUESTS = (SOURCE, PEER, TARGET, OTHER)
MTU = 1500
EVERYTHING = (
    a_mirror_rule(1, direction=Direction.EGRESS),
    a_mirror_rule(2, direction=Direction.INGRESS),
    a_mirror_rule(3, direction=Direction.EGRESS, ethertype=EtherType.IPV6),
    a_mirror_rule(4, direction=Direction.INGRESS, ethertype=EtherType.IPV6),
)


LISTENER = """
import socket
bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
bound.bind(("", 4789))
print("bound", flush=True)
while True:
    bound.recv(65535)
"""

SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 9000), family=family) as listening:
    print("listening", flush=True)
    connection, _ = listening.accept()
    while connection.recv(1 << 20):
        pass
"""
PACING = 47
"""SO_MAX_PACING_RATE, in bytes a second."""


def addresses(number: int) -> tuple[str, str]:
    """Return the IPv4 and the IPv6 address of a guest."""
    return f"10.0.0.1{number}", f"fd00::1{number}"


def a_cloud(*mirrored: Entity, mtu: int = MTU, target_rules: tuple[Entity, ...] = ()) -> Topology:
    """Four guests that may talk to each other; the target has a group of its own."""
    groups = {TARGET: (group_id(2),)}
    return a_topology(
        a_network(1, mtu=mtu),
        a_subnet(1, "10.0.0.0/24"),
        a_subnet(2, "fd00::/64"),
        a_group(1),
        a_group(2),
        *(a_rule(n, n, direction=Direction.EGRESS) for n in (1, 2)),
        *(a_rule(n + 2, n, direction=Direction.EGRESS, ethertype=EtherType.IPV6) for n in (1, 2)),
        a_rule(5, 1),
        a_rule(6, 1, ethertype=EtherType.IPV6),
        *(target_rules or (a_rule(7, 2, protocol=17, ports=ports(4789)),)),
        *(an_instance(number) for number in GUESTS),
        *(a_port(n, *addresses(n), security_groups=groups.get(n, (group_id(1),))) for n in GUESTS),
        *mirrored,
    )


def mirrors(*rules: Entity, **session: object) -> tuple[Entity, ...]:
    """Return a filter with these rules, and a session of the source that uses it."""
    return a_mirror_filter(), *rules, a_mirror_session(1, (SOURCE,), TARGET, **session)


@contextmanager
def mirror_host(folder: Path) -> Iterator[PlanHost]:
    """Yield the guests with addresses; programs are built in the folder."""
    with plan_host(build_programs(folder)) as made:
        made.show(a_cloud())
        for number in GUESTS:
            four, six = addresses(number)
            made.address(number, f"{four}/24", f"{six}/64")
        # A bound socket keeps the target's kernel from complaining about every copy.
        with running(made, TARGET, "python3", "-c", LISTENER):
            for number in (PEER, OTHER):
                made.inside(SOURCE, "ping", "-c1", "-W2", addresses(number)[0])
                made.inside(SOURCE, "ping", "-c1", "-W2", addresses(number)[1])
            yield made


@contextmanager
def running(host: PlanHost, number: int, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a tool in a guest, from its first line of output on until the block ends."""
    process = host.start(number, *command)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def outcomes(host: PlanHost) -> dict[MirrorOutcome, int]:
    """Return what became of all copies so far, in packets."""
    counted: dict[MirrorOutcome, int] = {}
    for one in host.tables.mirror_counters.read():
        counted[one.outcome] = counted.get(one.outcome, 0) + one.packets
    return counted


def send(host: PlanHost, number: int, destination: str, port: int, payload: str = "hello") -> None:
    """Send one UDP datagram from a guest."""
    family = "AF_INET6" if ":" in destination else "AF_INET"
    text = (
        f"import socket; s = socket.socket(socket.{family}, socket.SOCK_DGRAM);"
        f"s.bind(('', 10000)); s.sendto({payload!r}.encode(), ({destination!r}, {port}))"
    )
    host.inside(number, "python3", "-c", text)


def finish(process: subprocess.Popen[str]) -> None:
    """Wait until the process ends well."""
    process.communicate(timeout=20)
    assert process.returncode == 0


def transfer(
    host: PlanHost, peer: str, bytes_sent: int = 400_000, bytes_per_second: int = (1 << 31) - 1
) -> None:
    """Send so much over TCP from the source to a peer, not faster than this."""
    server = host.start(PEER, "python3", "-c", SERVER, peer)
    assert server.stdout is not None
    server.stdout.readline()
    text = (
        f"import socket; s = socket.create_connection(('{peer}', 9000));"
        f"s.setsockopt(socket.SOL_SOCKET, {PACING}, {bytes_per_second});"
        f"s.sendall(bytes(range(250)) * {bytes_sent // 250}); s.close()"
    )
    host.inside(SOURCE, "python3", "-c", text)
    finish(server)
