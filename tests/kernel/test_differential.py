"""Model = kernel: verdict and drop reason, over generated topologies, changes and frames.

`DIFFERENTIAL_FRAMES=1000000` runs the long mode; by default as many as fit into a minute.
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
from tests.support.model_path import ModelPath
from tests.support.shots import FrameMaker
from tests.support.worlds import DHCP_PORT, PORTS, a_changed_world, a_world

from portlight.compiler.host import compile_host
from portlight.values.verdict import Drop, DropReason

FRAMES = int(os.environ.get("DIFFERENTIAL_FRAMES", "0"))
SECONDS = 50
FRAMES_PER_WORLD = 1000
ELSEWHERE_PORTS = {6, 7}
"""Held by no instance of this host: the kernel has no link for them."""
AGES = (1.1, 2.2, 4.4, 11.0, 33.0, 132.0, 198.0, 660.0)
"""Seconds, as multiples of 1.1: no sum of them comes within 0.1 s of a lifetime."""
REFRESH_SECONDS = 1.0
"""The programs write a flow's time at most so often."""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelPath]:
    folder: Path = tmp_path_factory.mktemp("differential")
    with kernel_path(folder, iter([*range(1, PORTS), DHCP_PORT])) as path:
        yield path


def compare(kernel: KernelPath, seed: int, frames: int) -> Counter[str]:
    """Judge a sequence of frames twice; return how often each outcome was seen."""
    random = Random(seed)  # noqa: S311 -- wanted: repeatable
    topology, model = a_world(random), ModelPath(refresh_seconds=REFRESH_SECONDS)
    kernel.start()
    maker, seen, added = FrameMaker(random, topology), Counter[str](), 0.0
    for number in range(frames):
        if number == 0 or random.random() < 0.008:
            topology = topology if number == 0 else a_changed_world(random, topology)
            plan = compile_host(topology, HOST)
            model.load(topology, plan)
            kernel.load(plan)
            maker.look_at(topology)
        if random.random() < 0.05:
            age = random.choice(AGES)
            kernel.age(age)
            added += age
        shot = maker.shot()
        if shot.port not in ELSEWHERE_PORTS and kernel.can_judge(shot):
            expected = model.judge(shot, time.monotonic() + added)
            actual = kernel.judge(shot).verdict
            assert actual == expected, (seed, number, shot, shot.frame.data.hex())
            seen[expected.reason.label if isinstance(expected, Drop) else "allowed"] += 1
    return seen


@pytest.mark.covers("N10", "N11", "N12", "N13", "N26", "N32", "P15")
def test_model_and_kernel_agree_on_generated_frames_and_every_reason_occurs(
    kernel: KernelPath,
) -> None:
    seen: Counter[str] = Counter()
    deadline, seed = time.monotonic() + SECONDS, 0
    while seen.total() < FRAMES if FRAMES else time.monotonic() < deadline:
        seen += compare(kernel, seed, FRAMES_PER_WORLD)
        seed += 1

    print(f"{seen.total()} frames in {seed} worlds: {dict(seen.most_common())}")  # noqa: T201 -- the figure
    not_judged_here = {DropReason.MTU_EXCEEDED, DropReason.INTERNAL_ERROR}
    reasons = {reason.label for reason in DropReason if reason not in not_judged_here}
    assert seen.keys() == reasons | {"allowed"}, seen
