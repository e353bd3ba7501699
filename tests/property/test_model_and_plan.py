"""Model = interpreter of the compiled plan, over sequences of frames and changes."""

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.builders import HOST
from tests.support.interpreter import Interpreter
from tests.support.model_path import ModelPath, mirrored
from tests.support.shots import NOT_JUDGED_HERE, FrameMaker
from tests.support.strategies import dice
from tests.support.worlds import a_later_world, a_world

from portlight.compiler.host import compile_host
from portlight.core.topology import Topology
from portlight.values.verdict import Drop, DropReason

QUICK_FRAMES = 20_000
FRAMES_PER_WORLD = 400
ELSEWHERE_PORTS = {6, 7}
"""Held by no instance of this host: its plan does not know them."""
STEPS_SECONDS = (0.0, 0.0, 0.0, 0.01, 0.5, 1.0, 4.0, 11.0, 31.0, 130.0, 200.0)


def compare(random: Random, frames: int) -> Counter[str]:
    """Judge a sequence of frames twice; return how often each outcome was seen."""
    history = [a_world(random)]
    model, plan = ModelPath(), Interpreter()
    load(history[-1], model, plan)
    maker, now, seen = FrameMaker(random, history[-1]), 1000.0, Counter[str]()
    for _ in range(frames):
        now += random.choice(STEPS_SECONDS) if random.random() < 0.3 else 0.0
        if random.random() < 0.02:
            history.append(a_later_world(random, history))
            load(history[-1], model, plan)
            maker.look_at(history[-1])
        shot = maker.shot()
        if shot.port in ELSEWHERE_PORTS:
            continue
        expected = model.judge(shot, now)
        actual = plan.judge(shot.port, shot.direction.value, shot.frame, now)
        assert actual == expected, (shot, shot.frame.data.hex(), history[-1])
        wanted = mirrored(history[-1], shot, expected)
        copied = plan.copies(shot.port, shot.direction.value, shot.frame, expected)
        assert sorted(copied) == wanted, (shot, shot.frame.data.hex(), history[-1])
        seen["copies"] += len(wanted)
        seen[expected.reason.label if isinstance(expected, Drop) else "allowed"] += 1
        if not isinstance(expected, Drop):
            maker.was_allowed()
    return seen


def load(topology: Topology, model: ModelPath, plan: Interpreter) -> None:
    compiled = compile_host(topology, HOST)
    model.load(topology, compiled)
    plan.load(compiled)


@pytest.mark.covers("N10", "N11", "N12", "N13", "N26", "N32", "P15")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random=dice(), frames=st.integers(min_value=1, max_value=12))
def test_model_and_plan_agree_on_what_hypothesis_thinks_of(random: Random, frames: int) -> None:
    compare(random, frames)


@pytest.mark.covers("N10", "N11", "N12", "N13", "N26", "N32", "P15")
def test_model_and_plan_agree_on_many_frames_and_every_reason_occurs() -> None:
    seen: Counter[str] = Counter()
    for seed in range(QUICK_FRAMES // FRAMES_PER_WORLD):
        seen += compare(Random(seed), FRAMES_PER_WORLD)  # noqa: S311 -- wanted: repeatable

    reasons = {reason.label for reason in DropReason if reason not in NOT_JUDGED_HERE}
    assert seen.keys() == reasons | {"allowed", "copies"}, seen
