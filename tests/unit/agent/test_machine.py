"""What the agent does next. No clock, no kernel, no server."""

from itertools import pairwise

import pytest

from portlight.agent.changes import Batch, Change, apply_batch, parse_batch
from portlight.agent.machine import (
    COUNT_SECONDS,
    EVENT_SECONDS,
    SWEEP_SECONDS,
    Look,
    Machine,
    Task,
)
from portlight.core.codec import encode_entity
from portlight.core.meta import Meta
from portlight.core.network import Network
from portlight.core.topology import Topology
from portlight.values.ids import HostName, NetworkId, ProjectId

FAMILIES = ("members", "links")
HOST = HostName("here")


def a_network(name: str = "one", number: int = 1) -> Network:
    meta = Meta(project_id=ProjectId("p"), name=name)
    return Network(id=NetworkId(name), number=number, meta=meta)


def a_batch(*networks: Network, snapshot: bool = True, sequence: int = 1) -> Batch:
    return Batch(
        sequence=sequence,
        snapshot=snapshot,
        changes=tuple(Change(kind="networks", id=one.id, entity=one) for one in networks),
    )


def a_machine(*, synced: bool = True) -> Machine:
    machine = Machine(HOST, FAMILIES, now=0.0)
    if synced:
        machine.take(a_batch())
        machine.steps(0.0)
    return machine


def test_nothing_is_done_before_the_first_full_snapshot() -> None:
    machine = a_machine(synced=False)
    machine.take(a_batch(a_network(), snapshot=False, sequence=9))

    assert machine.steps(1000.0) == []
    assert machine.plan is None
    assert machine.sequence is None
    assert machine.wait(1000.0) is None


def test_a_snapshot_is_applied_at_once_even_when_it_is_empty() -> None:
    machine = a_machine(synced=False)
    machine.take(a_batch())

    assert machine.wait(0.0) == 0.0
    assert machine.steps(0.0)[0] is Task.APPLY


def test_a_change_is_applied_once() -> None:
    machine = a_machine()
    machine.take(a_batch(a_network(), snapshot=False, sequence=2))

    assert machine.steps(0.01) == [Task.APPLY]
    assert machine.steps(0.02) == []
    assert machine.sequence == 2


def test_every_family_is_looked_at_within_a_sweep_and_not_all_at_once() -> None:
    machine = a_machine()
    seen: dict[str, list[float]] = {}

    for tick in range(1, 400):
        now = tick / 100
        for step in machine.steps(now):
            if isinstance(step, Look):
                seen.setdefault(step.family, []).append(now)

    assert set(seen) == set(FAMILIES)
    for times in seen.values():
        gaps = [after - before for before, after in pairwise(times)]
        assert max(gaps) <= SWEEP_SECONDS + 0.02
    assert seen["members"][0] != seen["links"][0]


def test_an_event_of_the_kernel_is_looked_at_soon() -> None:
    machine = a_machine()
    machine.kernel_event(["links"], now=0.1)

    assert machine.steps(0.1) == []
    assert Look(family="links") in machine.steps(0.1 + EVENT_SECONDS)


def test_a_failed_key_is_tried_again_at_its_time() -> None:
    machine = a_machine()
    machine.retry_at(0.2)

    assert Task.APPLY not in machine.steps(0.19)
    assert Task.APPLY in machine.steps(0.2)
    assert Task.APPLY not in machine.steps(0.21)


def test_counters_are_read_once_a_second() -> None:
    machine = a_machine()

    assert Task.COUNT in machine.steps(COUNT_SECONDS)
    assert Task.COUNT not in machine.steps(COUNT_SECONDS + 0.5)


def test_the_machine_says_how_long_there_is_nothing_to_do() -> None:
    machine = a_machine()
    machine.retry_at(0.3)

    assert machine.wait(0.1) == pytest.approx(0.2)


def test_a_snapshot_forgets_what_it_does_not_name() -> None:
    before = apply_batch(Topology(), a_batch(a_network("one"), a_network("two", 2)))

    after = apply_batch(before, a_batch(a_network("two", 2)))

    assert set(after.networks) == {"two"}


def test_a_change_leaves_the_other_kinds_the_same_objects() -> None:
    before = apply_batch(Topology(), a_batch(a_network("one")))

    after = apply_batch(before, a_batch(a_network("two", 2), snapshot=False))

    assert set(after.networks) == {"one", "two"}
    assert after.ports is before.ports
    assert set(before.networks) == {"one"}


def test_a_gone_entity_is_forgotten() -> None:
    before = apply_batch(Topology(), a_batch(a_network("one")))
    gone = Change(kind="networks", id="one", entity=None)

    after = apply_batch(before, Batch(sequence=2, snapshot=False, changes=(gone,)))

    assert after.networks == {}


def test_the_wire_form_is_read_and_unknown_kinds_are_left_out() -> None:
    raw = (
        b'{"sequence":7,"snapshot":false,"changes":['
        b'{"kind":"networks","id":"one","entity":' + encode_entity(a_network()) + b"},"
        b'{"kind":"networks","id":"two","entity":null},'
        b'{"kind":"moons","id":"io","entity":{"round":true}}]}'
    )

    batch = parse_batch(raw)

    assert batch == Batch(
        sequence=7,
        snapshot=False,
        changes=(
            Change(kind="networks", id="one", entity=a_network()),
            Change(kind="networks", id="two", entity=None),
        ),
    )
