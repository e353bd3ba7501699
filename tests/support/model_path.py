"""The first witness over time: the model with its memory, in step with the generated frames."""

from tests.support.builders import an_id
from tests.support.shots import Shot

from portlight.core.path_state import FlowWrite, FragmentWrite, PathState, Situation
from portlight.core.topology import Topology
from portlight.core.verdict import verdict
from portlight.values.ids import PortId
from portlight.values.verdict import Verdict


class ModelPath:
    """Asks the model, and does the writes that it returns.

    The memory is changed in place: copying it for every frame of a million would take hours.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.epoch = 1
        self.flows: dict = {}  # type: ignore[type-arg]
        self.fragments: dict = {}  # type: ignore[type-arg]
        self.owners: dict = {}  # type: ignore[type-arg]
        self._state = PathState(flows=self.flows, fragments=self.fragments, owners=self.owners)

    def load(self, topology: Topology) -> None:
        """Go on under another topology."""
        self.topology = topology
        self.epoch += 1

    def judge(self, shot: Shot, now: float) -> Verdict:
        situation = Situation(state=self._state, now=now, epoch=self.epoch)
        port = PortId(an_id(3, shot.port))
        judgement = verdict(self.topology, port, shot.direction, shot.frame, situation)
        for write in judgement.writes:
            if isinstance(write, FlowWrite):
                self.flows[write.key] = write.flow
            elif isinstance(write, FragmentWrite):
                self.fragments[write.key] = write.allowed_at
            else:
                self.owners[write.key] = write.owner
        return judgement.verdict
