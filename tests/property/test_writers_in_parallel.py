"""Processes that write to one database at once: each is served, and none is served twice."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.clouds import World, a_network, a_subnet
from tests.support.store_checks import assert_whole
from tests.support.stores import ON_DISK, a_url

from portlight.store.sql import open_store

PROCESSES = 2
ROUNDS = 2
PORTS = 125
"""By each process in each round; a round is a network of its own."""
_WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from portlight.store.sql import open_store
from tests.support.clouds import MEMBER, CountingIds, World, a_port
world = World(store=open_store(sys.argv[1]), ids=CountingIds(int(sys.argv[2])))
networks = world.cloud.networks.find(MEMBER)
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(4) as threads:
    wanted = networks * int(sys.argv[3])
    made = list(threads.map(lambda network: a_port(world, network), wanted))
print(len(made), flush=True)
world.store.close()
"""


def a_writer(url: str, first_id: int) -> "subprocess.Popen[str]":
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, url, str(first_id), str(PORTS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"},
    )


def line_of(writer: "subprocess.Popen[str]") -> str:
    assert writer.stdout is not None
    return writer.stdout.readline()


@pytest.mark.covers("X35")
@pytest.mark.parametrize("kind", ON_DISK)
def test_processes_that_write_at_once_meet_no_error_no_duplicate_and_no_gap(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = a_url(kind, tmp_path, request)
    store = open_store(url)
    world = World(store=store)
    for number in range(ROUNDS):
        a_subnet(world, a_network(world), f"10.{number}.0.0/22")

    writers = [a_writer(url, 10**6 * (number + 1)) for number in range(PROCESSES)]
    for writer in writers:
        assert line_of(writer) == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    told = [line_of(writer) for writer in writers]
    for writer in writers:
        writer.communicate()

    assert told == [f"{ROUNDS * PORTS}\n"] * PROCESSES
    with closing(store):
        ports = assert_whole(store)
    taken = sorted(int(port.fixed_ips[0].address) % 2**16 for port in ports)
    assert taken == sorted([*range(2, PROCESSES * PORTS + 2)] * ROUNDS)
