"""Model = kernel: verdict and drop reason, over generated topologies, changes and frames.

`DIFFERENTIAL_FRAMES=1000000` runs the long mode, `DIFFERENTIAL_SEED` chooses other worlds; by
default as many as fit into a minute.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.support.builders import HOST
from tests.support.kernel_path import KernelPath, kernel_path
from tests.support.model_bridge import ModelBridge, Outcome
from tests.support.model_path import ModelPath, mirrored
from tests.support.routing_worlds import INSIDE_LEGS
from tests.support.shots import NOT_JUDGED_HERE, FrameMaker
from tests.support.worlds import DHCP_PORT, PORTS, a_later_world, a_world

from portlight.compiler.host import compile_host
from portlight.values.verdict import Drop, DropReason

FRAMES = int(os.environ.get("DIFFERENTIAL_FRAMES", "0"))
FIRST_SEED = int(os.environ.get("DIFFERENTIAL_SEED", "0"))
SECONDS = 25
FRAMES_PER_WORLD = 1000
MOST_WORLDS = 10_000
ELSEWHERE_PORTS = {6, 7}
"""Held by no instance of this host: the kernel has no link for them."""
AGES = (1.1, 2.2, 4.4, 11.0, 33.0, 132.0, 198.0, 660.0)
"""Seconds, as multiples of 1.1: no sum of them comes within 0.1 s of a lifetime."""
REFRESH_SECONDS = 1.0
"""The programs write a flow's time at most so often."""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelPath]:
    folder: Path = tmp_path_factory.mktemp("differential")
    with kernel_path(folder, iter([*range(1, PORTS), DHCP_PORT, *INSIDE_LEGS])) as path:
        yield path


def compare(kernel: KernelPath, seed: int, frames: int, *, is_direct: bool = False) -> Counter[str]:
    """Judge a sequence of frames twice; return how often each outcome was seen."""
    random = Random(seed)  # noqa: S311 -- wanted: repeatable
    history, model = [a_world(random)], ModelPath(refresh_seconds=REFRESH_SECONDS)
    bridge = ModelBridge(model, is_direct=is_direct)
    kernel.start(is_direct=is_direct)
    maker, seen, added = FrameMaker(random, history[0]), Counter[str](), 0.0
    wanted: Counter[tuple[int, int, str]] = Counter()
    for number in range(frames):
        if number == 0 or random.random() < 0.01:
            agree(kernel, model, wanted, is_direct=is_direct)
            history += [a_later_world(random, history)] if number else []
            plan = compile_host(history[-1], HOST)
            model.load(history[-1], plan)
            bridge.load(plan)
            kernel.load(plan)
            maker.look_at(history[-1])
        if random.random() < 0.03:
            age = random.choice(AGES)
            kernel.age(age)
            added += age
        shot = maker.shot()
        if shot.port not in ELSEWHERE_PORTS and kernel.can_judge(shot):
            now = time.monotonic() + added
            expected = bridge.judge(shot, now)
            actual = kernel.judge(shot)
            assert is_same(actual, expected), (seed, number, shot, expected, actual)
            note(expected, seen, maker)
            for session in mirrored(history[-1], shot, bridge.at_port):
                wanted[session, shot.port, shot.direction.value] += 1
    agree(kernel, model, wanted, is_direct=is_direct)
    ways = Counter(routed=bridge.routed, hops=bridge.hops)
    return seen + Counter(copies=wanted.total()) + ways


def agree(
    kernel: KernelPath,
    model: ModelPath,
    wanted: Counter[tuple[int, int, str]],
    *,
    is_direct: bool,
) -> None:
    """Compare who owns the virtual IPs, and how many copies were wanted."""
    assert kernel.owners() == model.holders()
    # A frame that goes straight is asked twice, which the model's one port does not know.
    assert is_direct or kernel.copies() == wanted


def is_same(actual: Outcome, expected: Outcome) -> bool:
    """Where an allowed frame went is not part of a test run's answer."""
    if isinstance(expected.verdict, Drop):
        # No port is known for a link without entry.
        is_unknown = expected.verdict.reason is DropReason.PORT_UNKNOWN
        return actual.verdict == expected.verdict and (is_unknown or actual == expected)
    return actual.verdict == expected.verdict


def note(expected: Outcome, seen: Counter[str], maker: FrameMaker) -> None:
    if isinstance(expected.verdict, Drop):
        seen[expected.verdict.reason.label] += 1
    else:
        seen["allowed"] += 1
        maker.was_allowed()


@pytest.mark.covers("N10", "N11", "N12", "N13", "N26", "N32", "P15")
def test_model_and_kernel_agree_on_generated_frames_and_every_reason_occurs(
    kernel: KernelPath,
) -> None:
    seen = run(kernel, is_direct=False)

    reasons = {reason.label for reason in DropReason if reason not in NOT_JUDGED_HERE}
    assert seen.keys() == reasons | {"allowed", "copies"}, seen


@pytest.mark.covers("N10", "N11", "N32")
def test_model_and_kernel_agree_on_frames_that_go_straight_to_the_receiver(
    kernel: KernelPath,
) -> None:
    seen = run(kernel, "allowed", "routed", "hops", is_direct=True)
    assert seen["hops"]


def run(kernel: KernelPath, *wanted: str, is_direct: bool) -> Counter[str]:
    """Compare worlds until there were enough frames, or the time is up and all wanted was seen."""
    seen: Counter[str] = Counter()
    deadline, seed = time.monotonic() + SECONDS, FIRST_SEED
    while (
        seen.total() < FRAMES
        if FRAMES
        else time.monotonic() < deadline or not all(seen[name] for name in wanted)
    ):
        assert seed - FIRST_SEED < MOST_WORLDS, seen
        seen += compare(kernel, seed, FRAMES_PER_WORLD, is_direct=is_direct)
        seed += 1
    print(f"{seen.total()} frames, {seed - FIRST_SEED} worlds: {dict(seen.most_common())}")  # noqa: T201 -- the figure
    return seen
