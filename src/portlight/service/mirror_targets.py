"""What is outside the cloud, for copies that leave it: an address inside would copy them again."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from portlight.core.errors_mirror import MirrorTargetInsideError
from portlight.core.network import Subnet
from portlight.core.port import Port
from portlight.core.rbac import RbacAction, RbacPolicy
from portlight.service import router_ports
from portlight.service.work import Work
from portlight.store.protocol import Reading
from portlight.values.ids import NetworkId, PortId, RouterId


def check_outside(work: Work, sources: Sequence[PortId], address: IPv4Address) -> None:
    """Raise MirrorTargetInsideError when the address is of a network that packets come back from.

    These are the networks of the sources, those that a router joins to them, and external ones.
    """
    networks = _external(work.tx) | _joined(work.tx, sources)
    subnets = work.tx.find(Subnet, {"network_id": list(networks)}) if networks else []
    if any(address in subnet.cidr for subnet in subnets):
        raise MirrorTargetInsideError(address)


def _joined(tx: Reading, sources: Sequence[PortId]) -> set[NetworkId]:
    if not sources:
        return set()
    ports = tx.find(Port, {"id": list(sources)})
    here = {subnet.id for subnet in router_ports.subnets_of(tx, ports)}
    routers = {RouterId(leg.device_id) for leg in router_ports.in_subnets(tx, here)}
    legs = router_ports.of_routers(tx, routers)
    return {port.network_id for port in (*ports, *legs)}


def _external(tx: Reading) -> set[NetworkId]:
    """Return the networks that are external for anybody."""
    return {
        NetworkId(policy.object_id)
        for policy in tx.find(RbacPolicy)
        if policy.action is RbacAction.ACCESS_AS_EXTERNAL
    }
