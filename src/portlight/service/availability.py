"""How many addresses are used: for administrators; nobody else is told."""

from collections.abc import Collection

from portlight.core.availability import NetworkAvailability, SubnetAvailability
from portlight.core.network import Network, Subnet
from portlight.service.policy import is_allowed
from portlight.service.work import View


def availabilities(view: View, network_ids: Collection[str] | None) -> list[NetworkAvailability]:
    """Return the networks (None: all) with the use of their subnets, the oldest first."""
    if not is_allowed(view.caller, "get_network_ip_availability"):
        return []
    networks = view.tx.find(Network, None if network_ids is None else {"id": network_ids})
    where = {"network_id": [network.id for network in networks]}
    subnets: dict[str, list[Subnet]] = {}
    for subnet in view.tx.find(Subnet, where) if networks else ():
        subnets.setdefault(subnet.network_id, []).append(subnet)
    return [
        NetworkAvailability(
            network=network,
            subnets=tuple(
                SubnetAvailability(subnet=subnet, used=view.tx.count_held(subnet.id))
                for subnet in _by_age(subnets.get(network.id, []))
            ),
        )
        for network in sorted(networks, key=lambda network: network.meta.created_at)
    ]


def _by_age(subnets: list[Subnet]) -> list[Subnet]:
    return sorted(subnets, key=lambda subnet: subnet.meta.created_at)
