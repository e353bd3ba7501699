"""The first witness over time: the model with its memory, in step with the generated frames."""

from collections.abc import Mapping
from dataclasses import replace

from tests.support.builders import an_id
from tests.support.shots import Shot

from portlight.core.mirror_verdict import copies
from portlight.core.path_state import (
    Flow,
    FlowKey,
    FlowWrite,
    FragmentKey,
    FragmentWrite,
    Owner,
    OwnerKey,
    OwnerWrite,
    PathState,
    Situation,
)
from portlight.core.topology import Topology
from portlight.core.verdict import verdict
from portlight.plan.delta import delta
from portlight.plan.host import HostPlan, VirtualIpPlan
from portlight.values.addresses import IpAddress
from portlight.values.ids import PortId
from portlight.values.verdict import Verdict


def mirrored(topology: Topology, shot: Shot, judged: Verdict) -> list[int]:
    """Return the numbers of the mirror sessions that want a copy of a frame judged so."""
    port = PortId(an_id(3, shot.port))
    wanted = copies(topology, port, shot.direction, shot.frame, judged)
    return sorted(topology.mirror_sessions[session].number for session in wanted)


class ModelPath:
    """Asks the model, and does the writes that it returns.

    The memory is changed in place: copying it for every frame of a million would take hours.
    """

    def __init__(self, *, refresh_seconds: float = 0.0) -> None:
        """Start empty. A flow that was seen `refresh_seconds` ago or less is not written again."""
        self.topology = Topology()
        self.epoch = 1
        self.flows: dict[FlowKey, Flow] = {}
        self.fragments: dict[FragmentKey, float] = {}
        self.owners: dict[OwnerKey, Owner] = {}
        self._refresh_seconds = refresh_seconds
        self._virtual_ips: Mapping[tuple[int, IpAddress], VirtualIpPlan] = {}
        self.taken: tuple[Owner, ...] = ()
        """Owners that the last frame made or confirmed."""
        self.state = PathState(flows=self.flows, fragments=self.fragments, owners=self.owners)

    def load(self, topology: Topology, plan: HostPlan) -> None:
        """Go on under another topology; `plan` tells which virtual IPs are there and changed."""
        self.topology = topology
        self.epoch += 1
        change = delta(plan.virtual_ips, self._virtual_ips)
        self._virtual_ips = plan.virtual_ips
        networks = {network.number: network.id for network in topology.networks.values()}
        known = {
            (networks[number], address): vip for (number, address), vip in plan.virtual_ips.items()
        }
        for key in list(self.owners):
            members = {member.port for member in known[key].members} if key in known else set()
            port = topology.ports.get(self.owners[key].port_id)
            if port is None or port.number not in members:
                del self.owners[key]
        for (number, address), vip in change.put.items():
            key = (networks[number], address)
            pinned = PortId(an_id(3, vip.pinned_owner))
            if vip.pinned_owner in {member.port for member in vip.members}:
                if key not in self.owners or self.owners[key].port_id != pinned:
                    self.owners[key] = Owner(port_id=pinned, seen_at=float("-inf"))
            elif vip.claim_policy == "frozen":
                self.owners.pop(key, None)

    def holders(self) -> dict[tuple[int, IpAddress], tuple[int, int]]:
        """Return port number and VRRP priority of the owner of each owned virtual IP."""
        topology = self.topology
        return {
            (topology.networks[network].number, address): (
                topology.ports[owner.port_id].number,
                owner.priority,
            )
            for (network, address), owner in self.owners.items()
        }

    def judge(self, shot: Shot, now: float) -> Verdict:
        situation = Situation(state=self.state, now=now, epoch=self.epoch)
        port = PortId(an_id(3, shot.port))
        judgement = verdict(self.topology, port, shot.direction, shot.frame, situation)
        self.taken = tuple(
            write.owner for write in judgement.writes if isinstance(write, OwnerWrite)
        )
        for write in judgement.writes:
            if isinstance(write, FlowWrite):
                self._write_flow(write.key, write.flow)
            elif isinstance(write, FragmentWrite):
                self.fragments[write.key] = write.allowed_at
            else:
                self.owners[write.key] = write.owner
        return judgement.verdict

    def _write_flow(self, key: FlowKey, flow: Flow) -> None:
        known = self.flows.get(key)
        if known is not None and flow.seen_at - known.seen_at < self._refresh_seconds:
            flow = replace(flow, seen_at=known.seen_at) if _is_same(known, flow) else flow
        self.flows[key] = flow


def _is_same(known: Flow, flow: Flow) -> bool:
    """Whether the kernel would see nothing new in it but the time."""
    return replace(flow, seen_at=known.seen_at, epoch=known.epoch) == known
