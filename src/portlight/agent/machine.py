"""What the agent does next, given what happened and what time it is. Does no I/O.

Before the first full snapshot there is no plan, so nothing is applied and above all nothing is
removed. Afterwards there is always a plan, whether the server answers or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from portlight.agent.changes import Batch, apply_batch
from portlight.compiler.host import compile_host
from portlight.compiler.memo import Memo
from portlight.core.topology import Topology
from portlight.plan.host import HostPlan
from portlight.values.ids import HostName

SWEEP_SECONDS = 1.0
COUNT_SECONDS = 1.0
EVENT_SECONDS = 0.05
"""How long after an event of the kernel to look: events come in swarms, mostly our own."""


class Task(StrEnum):
    """Something to do besides looking at a family."""

    APPLY = "apply"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Read a family from the kernel and repair what strayed."""

    family: str


Step = Task | Look


class Machine:
    """Holds the topology, the plan and the times of what comes next."""

    def __init__(self, host: HostName, families: Sequence[str], now: float) -> None:
        self._host = host
        self._topology = Topology()
        self._memo = Memo()
        self._dirty = False
        self.sequence: int | None = None
        """Of the last batch taken; None before the first snapshot."""
        self.plan: HostPlan | None = None
        # One family at a time, evenly over the period: a change never waits for a whole sweep.
        share = SWEEP_SECONDS / max(len(families), 1)
        self._looks = {name: now + share * place for place, name in enumerate(families)}
        self._count_at = now + COUNT_SECONDS
        self._retry_at: float | None = None

    def take(self, batch: Batch) -> None:
        """Learn what changed; a change before any snapshot is no ground to act on."""
        if self.sequence is None and not batch.snapshot:
            return
        self._topology = apply_batch(self._topology, batch)
        self.sequence = batch.sequence
        self._dirty = True

    def retry_at(self, when: float | None) -> None:
        """Remember when the first failed key may be tried again."""
        self._retry_at = when

    def kernel_event(self, families: Sequence[str], now: float) -> None:
        """Something in the kernel changed: look soon."""
        for name in families:
            self._looks[name] = min(self._looks[name], now + EVENT_SECONDS)

    def steps(self, now: float) -> list[Step]:
        """Return what to do now, in this order."""
        if self.sequence is None:
            return []
        steps: list[Step] = []
        retry = self._retry_at is not None and self._retry_at <= now
        if self._dirty or retry:
            self._compile()
            self._retry_at = None
            steps.append(Task.APPLY)
        due = [name for name, at in self._looks.items() if at <= now]
        for name in due:
            self._looks[name] = now + SWEEP_SECONDS
        steps += [Look(family=name) for name in due]
        if self._count_at <= now:
            self._count_at = now + COUNT_SECONDS
            steps.append(Task.COUNT)
        return steps

    def wait(self, now: float) -> float | None:
        """Return how many seconds there is nothing to do; None: until something happens."""
        if self.sequence is None:
            return None
        times = [self._count_at, *self._looks.values()]
        if self._retry_at is not None:
            times.append(self._retry_at)
        return 0.0 if self._dirty else max(0.0, min(times) - now)

    def _compile(self) -> None:
        if self._dirty:
            # Not dirty even if this raises: the same topology would only raise again.
            self._dirty = False
            self.plan = compile_host(self._topology, self._host, self._memo)
