"""The ways of mirror copies: from a source to its session's target, or to who leads there.

docs/design/mirroring.md, sections 3 and 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from portlight.compiler.view import HostView
from portlight.compiler.ways_out import WayOutside, WaysOut
from portlight.core.mirror import MirrorSession
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.plan.mirror import MirrorWayPlan
from portlight.values.addresses import MacAddress
from portlight.values.ids import NetworkId, PortId, SubnetId


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """An address of a port, and the subnet that it is from."""

    address: IPv4Address
    subnet_id: SubnetId


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Where copies are delivered: at their target, or at the router that leads to it."""

    port_number: int
    mac: MacAddress
    address: IPv4Address
    """Of the target."""
    mtu: int
    source_mac: MacAddress | None = None
    """None: the source's own."""


_EndKey = tuple[NetworkId, SubnetId, PortId | None, IPv4Address | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorWays:
    """The ways of one compilation. Asks only once where a target is from a subnet."""

    view: HostView
    ways_out: WaysOut
    here: Mapping[PortId, tuple[Port, Network]]
    """The ports of this host with their networks."""
    _ends: dict[_EndKey, _End | None] = field(default_factory=dict)

    def of(self, session: MirrorSession, sender: Port, network: Network) -> MirrorWayPlan | None:
        """Return the way to a target on this host or outside the cloud; None when there is none."""
        start = self.view.memo.recall(("mirror_start", sender.id), _first_ipv4, sender)
        if start is None:
            return None
        key = (network.id, start.subnet_id, session.target_port_id, session.target_ip)
        if key not in self._ends:
            self._ends[key] = self._end(session, network, start)
        end = self._ends[key]
        return self.view.memo.recall(
            ("mirror_way", session.id, sender.id), _way, session, (sender, network), start, end
        )

    def _end(self, session: MirrorSession, network: Network, start: _Start) -> _End | None:
        if session.target_ip is not None:
            router = self.ways_out.outside(network, start.subnet_id, session.target_ip)
            return _end_by(router, session.target_ip)
        target = self.here.get(session.target_port_id) if session.target_port_id else None
        return self._end_inside(network, start, target) if target is not None else None

    def _end_inside(
        self, network: Network, start: _Start, target: tuple[Port, Network]
    ) -> _End | None:
        receiver, other = target
        place = _first_ipv4(receiver)
        if place is None or not (receiver.admin_state_up and other.admin_state_up):
            return None
        if network.id == other.id:
            return _end_at(receiver, place.address, other, None)
        out = self.ways_out.of(network, start.subnet_id, place.address)
        if out is not None and out.network == other.number:
            return _end_at(receiver, place.address, other, out.router_mac)
        router = self.ways_out.across(network, start.subnet_id, place.address, other)
        return _end_by(router, place.address)


def _way(
    session: MirrorSession, source: tuple[Port, Network], start: _Start, end: _End | None
) -> MirrorWayPlan | None:
    if end is None:
        return None
    sender, network = source
    return MirrorWayPlan(
        source_mac=end.source_mac or sender.mac,
        source_address=start.address,
        target_port=end.port_number,
        target_mac=end.mac,
        target_address=end.address,
        vni=session.vni,
        packet_length=session.packet_length,
        mtu=min(network.mtu, end.mtu),
        bytes_per_second=session.bytes_per_second,
    )


def _end_at(receiver: Port, address: IPv4Address, network: Network, by: MacAddress | None) -> _End:
    """Return the end at a port itself; `by`: the router that the copy seems to come from."""
    return _End(
        port_number=receiver.number,
        mac=receiver.mac,
        address=address,
        mtu=network.mtu,
        source_mac=by,
    )


def _end_by(router: WayOutside | None, address: IPv4Address) -> _End | None:
    """Return the end at a router that leads to an address."""
    if router is None:
        return None
    return _End(port_number=router.port_number, mac=router.mac, address=address, mtu=router.mtu)


def _first_ipv4(port: Port) -> _Start | None:
    found = (
        _Start(address=one.address, subnet_id=one.subnet_id)
        for one in port.fixed_ips
        if isinstance(one.address, IPv4Address)
    )
    return next(found, None)
