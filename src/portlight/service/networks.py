"""Use cases of networks."""

from portlight.core.drafts import UNSET, NetworkDraft
from portlight.core.errors_network import NetworkInUseError, NetworkSharedInUseError
from portlight.core.network import Network, Subnet
from portlight.core.networks import build_network, change_network
from portlight.core.port import OWNER_DHCP, Port
from portlight.service import ports, subnets
from portlight.service.policy import check_action
from portlight.service.work import Work, check_revision, is_set, load_own, owner_of
from portlight.values.ids import NetworkId


def create(work: Work, draft: NetworkDraft) -> Network:
    """Make a network."""
    check_action(work.caller, "create_network")
    _check_fields(work, draft)
    birth = work.birth(owner_of(work.caller, draft.project_id), "networks")
    network = build_network(draft, birth)
    work.tx.insert(network)
    return network


def update(
    work: Work, network_id: NetworkId, draft: NetworkDraft, if_revision: int | None
) -> Network:
    """Change a network."""
    network = load_own(work, Network, network_id, "update_network")
    check_revision(network, network_id, if_revision)
    _check_fields(work, draft, network)
    siblings = work.tx.find(Subnet, {"network_id": [network_id]})
    changed = change_network(network, draft, subnets=siblings, now=work.now)
    if network.shared and not changed.shared:
        _check_no_strangers(work, network)
    work.tx.update(network, changed)
    return changed


def delete(work: Work, network_id: NetworkId) -> None:
    """Remove a network with its subnets; raise NetworkInUseError when it has ports in use."""
    network = load_own(work, Network, network_id, "delete_network")
    present = work.tx.find(Port, {"network_id": [network_id]})
    users = [port.id for port in present if port.device_owner != OWNER_DHCP]
    if users:
        raise NetworkInUseError(network_id, users)
    for port in present:
        ports.discard(work, port)
    for subnet in work.tx.find(Subnet, {"network_id": [network_id]}):
        subnets.discard(work, subnet)
    work.tx.delete(network)


def _check_fields(work: Work, draft: NetworkDraft, present: Network | None = None) -> None:
    if is_set(draft.shared) and draft.shared:
        check_action(work.caller, "network:shared")
    if draft.external not in (UNSET, present.external if present else False):
        check_action(work.caller, "network:router:external")


def _check_no_strangers(work: Work, network: Network) -> None:
    owners = {port.meta.project_id for port in work.tx.find(Port, {"network_id": [network.id]})} - {
        network.meta.project_id
    }
    if owners:
        raise NetworkSharedInUseError(network.id, sorted(owners))
