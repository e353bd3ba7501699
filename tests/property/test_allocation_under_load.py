"""Laws of allocation under load: many threads, failures in between, a kill in the middle."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.clouds import (
    MEMBER,
    CountingIds,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    addresses_of,
)
from tests.support.stores import KINDS, a_url

from portlight.core.drafts import FixedIpRequest, PortDraft
from portlight.core.errors import DomainError
from portlight.core.port import Port
from portlight.store.protocol import Store
from portlight.store.sql import open_store, sqlite_url
from portlight.values.addresses import parse_ip


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(a_url(request.param, tmp_path, request))
    yield opened
    opened.close()


@pytest.mark.covers("X35", "N5")
def test_a_thousand_parallel_creates_with_failures_give_no_duplicate_and_no_gap(
    store: Store,
) -> None:
    world = a_world(store)
    network = a_network(world)
    a_subnet(world, network, "10.0.0.0/20")
    taken = world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id))
    # The first address asked for is free, the second is not: the first must come back.
    failing = PortDraft(
        network_id=network.id,
        fixed_ips=(
            FixedIpRequest(subnet_id=taken.fixed_ips[0].subnet_id),
            FixedIpRequest(address=parse_ip("10.0.0.2")),
        ),
    )

    def create(number: int) -> Port | None:
        if number % 5:
            return a_port(world, network)
        try:
            world.cloud.ports.create(MEMBER, failing)
        except DomainError:
            return None
        raise AssertionError("10.0.0.2 was given twice")

    with ThreadPoolExecutor(max_workers=32) as workers:
        made = [port for port in workers.map(create, range(1250)) if port is not None]

    numbers = sorted(int(port.fixed_ips[0].address) for port in made)
    first = int(parse_ip("10.0.0.3"))
    assert len(made) == 1000
    assert numbers == list(range(first, first + 1000))
    assert max(Counter(port.number for port in made).values()) == 1


@pytest.mark.covers("X35")
def test_parallel_creates_and_deletes_leave_every_address_free_or_held_once(store: Store) -> None:
    world = a_world(store)
    network = a_network(world)
    subnet = a_subnet(world, network, "10.0.0.0/25")
    rng = random.Random(35)  # noqa: S311 -- a fixed order, no secret
    lock = threading.Lock()
    alive: list[Port] = []

    def step(create: bool) -> None:  # noqa: FBT001 -- one coin
        with lock:
            victim = None if create or not alive else alive.pop()
        if victim is not None:
            world.cloud.ports.delete(MEMBER, victim.id)
            return
        port = a_port(world, network)
        with lock:
            alive.append(port)

    coins = [rng.random() < 0.55 for _ in range(300)]
    with ThreadPoolExecutor(max_workers=8) as workers:
        list(workers.map(step, coins))

    with store.reading() as tx:
        held = set(tx.holders(subnet.id))
        free = {
            address
            for one in tx.free_ranges(subnet.id)
            for address in subnet.cidr
            if address in one
        }
    hosts = set(subnet.cidr.hosts()) - {subnet.gateway_ip}
    assert held == {port.fixed_ips[0].address for port in alive}
    assert free == hosts - held


_WRITER = """
import sys
from pathlib import Path
from portlight.core.drafts import NetworkDraft, PortDraft
from portlight.store.sql import open_store, sqlite_url
from tests.support.clouds import MEMBER, World
world = World(store=open_store(sqlite_url(Path(sys.argv[1]))))
for network in world.cloud.networks.find(MEMBER):
    while True:
        port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network.id))
        print(port.id, port.fixed_ips[0].address, flush=True)
"""


def test_every_acknowledged_write_survives_a_kill_and_nothing_is_half_done(
    tmp_path: Path,
) -> None:
    file = tmp_path / "p.db"
    # The writer counts its identifiers from 1: leave it room.
    world = World(store=open_store(sqlite_url(file)), ids=CountingIds(10**6))
    network = a_network(world)
    subnet = a_subnet(world, network, "10.0.0.0/16")
    world.cloud.security_groups.find(MEMBER)
    world.store.close()

    root = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(file)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"},
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().split() for _ in range(50)]
    time.sleep(0.05)
    writer.kill()
    acknowledged += [line.split() for line in writer.stdout.read().splitlines()]
    writer.wait()
    writer.stdout.close()

    again = World(store=open_store(sqlite_url(file)), ids=CountingIds(2 * 10**6))
    ports = {port.id: port for port in again.cloud.ports.find(MEMBER)}
    assert len(acknowledged) >= 50
    for identifier, address in acknowledged:
        assert addresses_of(ports[identifier]) == [address]  # type: ignore[index]
    with again.store.reading() as tx:
        assert set(tx.holders(subnet.id).values()) == set(ports)
    again.cloud.ports.create(MEMBER, PortDraft(network_id=network.id))
    again.store.close()
