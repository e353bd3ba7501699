"""The model of a frame's whole way: what the sender's port says, where the frame goes, and what
the receiver's port says when it skips the bridge (section 7 of docs/design/packet-path.md). The
receiver's MTU is not looked at: generated frames are short.
"""

from dataclasses import dataclass, replace

from tests.support.model_path import ModelPath
from tests.support.model_routes import Routed, route
from tests.support.shots import Shot

from portlight.core.claims import owner_of
from portlight.core.packet import Ip, Packet, parse_packet
from portlight.core.path_state import Situation
from portlight.core.security_group import Direction
from portlight.core.virtual_ip import VirtualIp
from portlight.plan.host import HostPlan
from portlight.values.addresses import MacAddress
from portlight.values.verdict import Drop, DropReason, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens to a frame, and at which port and in which direction it dies."""

    verdict: Verdict
    port: int
    direction: Direction


class ModelBridge:
    """Follows frames through the model on one host."""

    def __init__(self, model: ModelPath, *, is_direct: bool = True) -> None:
        """`is_direct`: frames skip the bridge; else every port is judged alone."""
        self._model = model
        self._is_direct = is_direct
        self._plan = HostPlan()
        self._learned: dict[tuple[int, MacAddress], int] = {}
        """The ports that claimed an address with a virtual MAC."""
        self.routed = 0
        """Frames that went through no router, from network to network."""
        self.at_port: Verdict = Drop(DropReason.PORT_UNKNOWN)
        """What the port of the last frame said by itself."""
        self.hops = 0
        """Of these, those to a virtual IP as their next hop."""

    def load(self, plan: HostPlan) -> None:
        """Take the plan that belongs to the model's topology."""
        self._plan = plan
        shared = {network for network, _ in plan.virtual_ips}
        self._learned = {
            (network, mac): port
            for (network, mac), port in self._learned.items()
            if port in plan.ports and network in shared
        }

    def judge(self, shot: Shot, now: float) -> Outcome:
        verdict = self._model.judge(shot, now)
        self.at_port = verdict
        self._learn(shot.port)
        if isinstance(verdict, Drop) or shot.direction is Direction.INGRESS:
            return Outcome(verdict, shot.port, shot.direction)
        parsed = parse_packet(shot.frame.data, vlan_tagged=shot.frame.vlan_tagged)
        if self._owner(shot.port, parsed, now) is None and self._has_no_owner(shot, now):
            return Outcome(Drop(DropReason.VIRTUAL_IP_NOT_OWNER), shot.port, Direction.EGRESS)
        if not self._is_direct:
            return Outcome(verdict, shot.port, shot.direction)
        routed = self._routed(shot, parsed, now)
        receiver = routed.port.number if routed else self._receiver(shot, parsed, now)
        if receiver is None:
            return Outcome(verdict, shot.port, shot.direction)
        self.routed += routed is not None
        self.hops += routed is not None and routed.is_hop
        frame = replace(shot.frame, data=routed.data) if routed else shot.frame
        there = Shot(receiver, Direction.INGRESS, frame)
        return Outcome(self._model.judge(there, now), receiver, Direction.INGRESS)

    def _learn(self, number: int) -> None:
        """Remember a claimed MAC, also when the claim itself is dropped by the groups."""
        for owner in self._model.taken:
            port = self._plan.ports[number]
            if owner.mac is not None and owner.mac != port.mac:
                self._learned[port.network, owner.mac] = number

    def _receiver(self, shot: Shot, parsed: Packet | DropReason, now: float) -> int | None:
        """Return the port that gets the frame directly; None when the bridge decides."""
        destination = MacAddress(int.from_bytes(shot.frame.data[:6], "big"))
        if destination.is_multicast:
            return None
        network = self._plan.ports[shot.port].network
        found = self._owner(shot.port, parsed, now)
        if found is None:
            found = self._port_of(network, destination)
        if found is None:
            found = self._next_hop(shot, now)
        if found is None or found not in self._plan.ports or found == shot.port:
            return None
        return found if self._plan.ports[found].network == network else None

    def _routed(self, shot: Shot, parsed: Packet | DropReason, now: float) -> Routed | None:
        """Return where a frame to a router's MAC goes without the router."""
        if isinstance(parsed, DropReason) or not isinstance(parsed.content, Ip):
            return None
        topology = self._model.topology
        sender = next(one for one in topology.ports.values() if one.number == shot.port)
        if self._owner(shot.port, parsed, now) is not None:
            return None
        situation = Situation(state=self._model.state, now=now)
        found = route(topology, sender, shot.frame.data, parsed.content, situation)
        is_here = found is not None and found.port.number in self._plan.ports
        return found if is_here else None

    def _owner(self, sender: int, parsed: Packet | DropReason, now: float) -> int | None:
        """Return the owner of the virtual IP that the packet is for."""
        if isinstance(parsed, DropReason) or not isinstance(parsed.content, Ip):
            return None
        model = self._model
        by_number = {port.number: port for port in model.topology.ports.values()}
        for vip in model.topology.virtual_ips.values():
            in_network = vip.network_id == by_number[sender].network_id
            if in_network and vip.address == parsed.content.destination:
                owner = owner_of(model.topology, Situation(state=model.state, now=now), vip)
                port = model.topology.ports[owner.port_id] if owner else None
                return port.number if port and port.number != sender else None
        return None

    def _next_hop(self, shot: Shot, now: float) -> int | None:
        """Return the owner of the virtual IP whose own MAC the frame is for."""
        vip = self._virtual(shot)
        if vip is None:
            return None
        situation = Situation(state=self._model.state, now=now)
        owner = owner_of(self._model.topology, situation, vip)
        return self._model.topology.ports[owner.port_id].number if owner else None

    def _has_no_owner(self, shot: Shot, now: float) -> bool:
        return self._virtual(shot) is not None and self._next_hop(shot, now) is None

    def _virtual(self, shot: Shot) -> VirtualIp | None:
        """Return the virtual IP whose own MAC a frame is for."""
        topology = self._model.topology
        network = next(one.network_id for one in topology.ports.values() if one.number == shot.port)
        for vip in topology.virtual_ips.values():
            keeper = topology.ports.get(vip.port_id) if vip.network_id == network else None
            if keeper is not None and keeper.mac.packed == shot.frame.data[:6]:
                return vip
        return None

    def _port_of(self, network: int, mac: MacAddress) -> int | None:
        for number, port in self._plan.ports.items():
            if port.network == network and port.mac == mac:
                return number
        server = self._plan.dhcp.get(network)
        if server is not None and server.mac == mac:
            return None
        return self._learned.get((network, mac))
