"""Hypothesis strategies over the shared generators: Hypothesis holds, and shrinks, the dice."""

from random import Random

from hypothesis import strategies as st
from tests.support.worlds import a_changed_world, a_world

from portlight.core.topology import Topology


def dice() -> st.SearchStrategy[Random]:
    """Return a random source that Hypothesis controls."""
    return st.randoms(use_true_random=False)


def topologies() -> st.SearchStrategy[Topology]:
    """Return small topologies with everything in them."""
    return dice().map(a_world)


@st.composite
def histories(draw: st.DrawFn, most: int = 5) -> list[Topology]:
    """Return a topology and what becomes of it, change by change."""
    random = draw(dice())
    steps = [a_world(random)]
    for _ in range(draw(st.integers(min_value=0, max_value=most))):
        steps.append(a_changed_world(random, steps[-1]))
    return steps
