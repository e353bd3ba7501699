"""Which copies must not be copied where they pass a port on their way out of the cloud.

docs/design/mirroring.md, section 1: a port that forwards them would copy them for ever. What one
project mirrors says nothing about the packets of another that it cannot reach.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address

from portlight.compiler.view import HostView
from portlight.core.gateways import PeeringStatus
from portlight.core.port import Port
from portlight.values.ids import NetworkId, RouterId

Guards = Mapping[NetworkId, frozenset[IPv4Address]]
"""Targets outside the cloud whose copies may pass the ports of a network."""


def compile_guards(view: HostView) -> Guards:
    """Return the targets by network; none for a network that no such copy reaches."""
    sessions = view.mirror_sessions_outward()
    if not sessions:
        return {}
    areas = view.memo.recall("mirror_areas", _areas, tuple(_joined(view)))
    found: dict[int, set[IPv4Address]] = {}
    for session in sessions.values():
        for port_id in session.source_port_ids:
            source = view.topology.ports.get(port_id)
            area = areas.get(source.network_id) if source is not None else None
            if area is not None and session.target_ip is not None:
                found.setdefault(area, set()).add(session.target_ip)
    targets = {area: frozenset(addresses) for area, addresses in found.items()}
    return {network: targets[area] for network, area in areas.items() if area in targets}


def _joined(view: HostView) -> Iterator[frozenset[NetworkId]]:
    """Yield networks between which a router, two peers or a guest passes packets."""
    topology = view.topology
    inside: dict[RouterId, frozenset[NetworkId]] = {
        key: _networks_of(view.interfaces_of(key))
        for key, router in topology.routers.items()
        if router.admin_state_up
    }
    yield from inside.values()
    for peering in topology.peerings.values():
        if (
            peering.status is PeeringStatus.ACTIVE
            and {
                peering.router_id,
                peering.peer_router_id,
            }
            <= inside.keys()
        ):
            yield inside[peering.router_id] | inside[peering.peer_router_id]
    for instance in topology.instances:
        held = view.held_by(instance)
        if len(held) > 1:
            yield _networks_of(held)


def _networks_of(ports: Iterable[Port]) -> frozenset[NetworkId]:
    return frozenset(port.network_id for port in ports)


def _areas(joined: tuple[frozenset[NetworkId], ...]) -> dict[NetworkId, int]:
    """Return the number of the area of each network: those that packets get to from it."""
    members: dict[int, frozenset[NetworkId]] = {}
    area_of: dict[NetworkId, int] = {}
    for number, networks in enumerate(joined):
        met = {area_of[one] for one in networks if one in area_of}
        whole = networks.union(*(members.pop(area) for area in met))
        members[number] = whole
        area_of |= dict.fromkeys(whole, number)
    return area_of
