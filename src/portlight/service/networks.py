"""Use cases of networks."""

from dataclasses import replace

from portlight.core.changes import given
from portlight.core.dns import check_name
from portlight.core.drafts import NetworkDraft, Unset
from portlight.core.errors_network import NetworkInUseError, NetworkSharedInUseError
from portlight.core.errors_sharing import RbacPolicyInUseError
from portlight.core.network import Network, Subnet
from portlight.core.networks import build_network, change_network
from portlight.core.port import OWNER_DHCP, Port
from portlight.service import ports, rbac, subnets
from portlight.service.policy import check_action
from portlight.service.work import Work, check_revision, is_set, load_own, owner_of, user_of
from portlight.values.ids import NetworkId


def create(work: Work, draft: NetworkDraft) -> Network:
    """Make a network."""
    check_action(work.caller, "create_network")
    if given(draft.shared, default=False):
        check_action(work.caller, "network:shared")
    if given(draft.external, default=False):
        check_action(work.caller, "network:router:external")
    birth = work.birth(owner_of(work.caller, draft.project_id), "networks")
    network = build_network(draft, birth)
    work.tx.insert(network)
    rbac.set_public(work, network, public=given(draft.shared, default=False))
    rbac.set_external(work, network, external=given(draft.external, default=False))
    return network


def update(
    work: Work, network_id: NetworkId, draft: NetworkDraft, if_revision: int | None
) -> Network:
    """Change a network."""
    network = load_own(work, Network, network_id, "update_network")
    check_revision(network, network_id, if_revision)
    if is_set(draft.shared):
        check_action(work.caller, "network:shared")
    if is_set(draft.external):
        check_action(work.caller, "network:router:external")
    siblings = work.tx.find(Subnet, {"network_id": [network_id]})
    changed = change_network(network, draft, subnets=siblings, now=work.now)
    work.tx.update(network, changed)
    if changed.dns_domain != network.dns_domain:
        _rename_ports(work, changed)
    if not isinstance(draft.shared, Unset):
        _share(work, changed, public=draft.shared)
    if not isinstance(draft.external, Unset):
        rbac.set_external(work, changed, external=draft.external)
    return changed


def delete(work: Work, network_id: NetworkId) -> None:
    """Remove a network with its subnets; raise NetworkInUseError when it has ports in use."""
    network = load_own(work, Network, network_id, "delete_network")
    present = work.tx.find(Port, {"network_id": [network_id]})
    users = [user_of(port) for port in present if port.device_owner != OWNER_DHCP]
    if users:
        raise NetworkInUseError(network_id, users)
    for port in present:
        ports.discard(work, port)
    for subnet in work.tx.find(Subnet, {"network_id": [network_id]}):
        subnets.discard(work, subnet)
    rbac.discard(work, network)
    work.tx.delete(network)


def _rename_ports(work: Work, network: Network) -> None:
    """Let the ports be called in the new domain; hosts learn it from the network."""
    for port in work.tx.find(Port, {"network_id": [network.id]}):
        check_name(port.dns_name, network.dns_domain)
        work.tx.update(port, replace(port, dns_domain=network.dns_domain), logged=False)


def _share(work: Work, network: Network, *, public: bool) -> None:
    try:
        rbac.set_public(work, network, public=public)
    except RbacPolicyInUseError as error:
        raise NetworkSharedInUseError(network.id, error.blockers) from error
