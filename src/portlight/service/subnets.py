"""Use cases of subnets, and the DHCP port that a network has while one of them wants DHCP."""

from portlight.core.drafts import UNSET, PortDraft, SubnetDraft, Unset
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_network import GatewayInUseError, SubnetInUseError
from portlight.core.ipam import is_auto_address, is_for
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_DHCP, OWNER_ROUTER_INTERFACE, SERVICE_OWNERS, FixedIp, Port
from portlight.core.ports import PortParts, build_port, change_port, without_subnet
from portlight.core.subnets import build_subnet, change_subnet
from portlight.service import ipam, port_macs, ports
from portlight.service.policy import check_action, check_owner
from portlight.service.subnet_pools import give_back
from portlight.service.subnet_prefixes import with_prefix
from portlight.service.work import Work, check_revision, is_set, load, load_own, owner_of, user_of
from portlight.values.ids import PortId, ProjectId, SubnetId


def create(work: Work, draft: SubnetDraft) -> Subnet:
    """Make a subnet; its network gets a DHCP port if it wants one."""
    check_action(work.caller, "create_subnet")
    if isinstance(draft.network_id, Unset):
        raise InvalidRequestError("network_id", "it is required")
    network = load(work, Network, draft.network_id)
    check_owner(work.caller, "create_subnet", network.meta.project_id)
    siblings = work.tx.find(Subnet, {"network_id": [network.id]})
    _check_fields(work, draft)
    birth = work.birth(_owner(work, draft, network))
    placed = with_prefix(work, draft, birth.project_id, siblings)
    subnet = build_subnet(placed, network=network, siblings=siblings, birth=birth)
    work.tx.insert(subnet)
    ipam.open_pools(work.tx, subnet)
    fit_dhcp_port(work, network)
    if is_auto_address(subnet):
        _join_ports(work, subnet)
    return subnet


def update(work: Work, subnet_id: SubnetId, draft: SubnetDraft, if_revision: int | None) -> Subnet:
    """Change a subnet; addresses that ports hold stay theirs."""
    subnet = load_own(work, Subnet, subnet_id, "update_subnet")
    check_revision(subnet, subnet_id, if_revision)
    _check_fields(work, draft)
    changed = change_subnet(subnet, draft, now=work.now)
    if changed.gateway_ip != subnet.gateway_ip:
        _check_gateway_free(work, subnet, changed)
    work.tx.update(subnet, changed)
    if changed.allocation_pools != subnet.allocation_pools:
        ipam.change_pools(work.tx, changed)
    if changed.enable_dhcp != subnet.enable_dhcp:
        fit_dhcp_port(work, load(work, Network, subnet.network_id))
    return changed


def delete(work: Work, subnet_id: SubnetId) -> None:
    """Remove a subnet; raise SubnetInUseError when ports (also by a former address) use it."""
    subnet = load_own(work, Subnet, subnet_id, "delete_subnet")
    network = load(work, Network, subnet.network_id)
    dhcp = _dhcp_port(work, network)
    own = set() if dhcp is None else {dhcp.id}
    if is_auto_address(subnet):
        # What guests made of their own accord goes without them being asked, as in Neutron.
        own |= _leave_ports(work, subnet)
    users = sorted(set(work.tx.holders(subnet_id).values()) - own)
    if users:
        raise SubnetInUseError(
            subnet_id, [user_of(port) for port in work.tx.find(Port, {"id": users})]
        )
    work.tx.delete(subnet)
    fit_dhcp_port(work, network, leaving=subnet)
    _forget(work, subnet)


def discard(work: Work, subnet: Subnet) -> None:
    """Remove a subnet whose ports are gone."""
    work.tx.delete(subnet)
    _forget(work, subnet)


def fit_dhcp_port(work: Work, network: Network, *, leaving: Subnet | None = None) -> None:
    """Give the network's DHCP port one address in each subnet with DHCP; none: no port.

    `leaving` is a subnet that is just being deleted: its address is let go.
    """
    subnets = work.tx.find(Subnet, {"network_id": [network.id]})
    subnets.sort(key=lambda subnet: subnet.meta.created_at)
    served = {subnet.id: subnet for subnet in subnets if subnet.enable_dhcp}
    port = _dhcp_port(work, network)
    if port is None:
        if served:
            _create_dhcp_port(work, network, list(served.values()))
        return
    known = {subnet.id: subnet for subnet in subnets}
    if leaving is not None:
        known[leaving.id] = leaving
    kept = tuple(ip for ip in port.fixed_ips if ip.subnet_id in served)
    for gone in set(port.fixed_ips) - set(kept):
        ipam.release(work.tx, known[gone.subnet_id], [gone.address])
    if not served:
        work.tx.delete(port)
        return
    missing = [served[key] for key in served if key not in {ip.subnet_id for ip in kept}]
    fresh = tuple(ipam.take_any(work.tx, subnet, port.mac, port.id) for subnet in missing)
    _readdress(work, port, kept + fresh)


def _join_ports(work: Work, subnet: Subnet) -> None:
    """Give every port the address that its guest makes once it hears of the new subnet."""
    for port in work.tx.find(Port, {"network_id": [subnet.network_id]}):
        if not port.device_owner.startswith(SERVICE_OWNERS) and is_for(subnet, port.device_owner):
            fixed_ip = ipam.take_auto(work.tx, subnet, port.mac, port.id)
            _readdress(work, port, (*port.fixed_ips, fixed_ip))


def _leave_ports(work: Work, subnet: Subnet) -> set[PortId]:
    """Take the addresses of a subnet from the ports that got them without asking; return those."""
    left = set()
    for port in work.tx.find(Port, {"network_id": [subnet.network_id]}):
        if port.device_owner.startswith(SERVICE_OWNERS):
            continue
        ports.save(work, port, without_subnet(port, subnet.id, now=work.now))
        left.add(port.id)
    return left


def _forget(work: Work, subnet: Subnet) -> None:
    """Let go of what a subnet that is gone had: its free addresses, and its prefix."""
    ipam.close_pools(work.tx, subnet)
    give_back(work, subnet)


def _check_gateway_free(work: Work, subnet: Subnet, changed: Subnet) -> None:
    """Raise GatewayInUseError when a port has the new gateway, or a router the present one."""
    new, present = changed.gateway_ip, subnet.gateway_ip
    holder = None if new is None else work.tx.holder(subnet.id, new)
    if new is not None and holder is not None:
        raise GatewayInUseError(new, holder)
    keeper = None if present is None else work.tx.holder(subnet.id, present)
    port = None if keeper is None else work.tx.get(Port, keeper)
    if present is not None and port is not None and port.device_owner == OWNER_ROUTER_INTERFACE:
        raise GatewayInUseError(present, port.id)


def _check_fields(work: Work, draft: SubnetDraft) -> None:
    if is_set(draft.service_types):
        check_action(work.caller, "subnet:service_types")


def _dhcp_port(work: Work, network: Network) -> Port | None:
    found = work.tx.find(Port, {"network_id": [network.id], "device_owner": [OWNER_DHCP]})
    return found[0] if found else None


def _create_dhcp_port(work: Work, network: Network, subnets: list[Subnet]) -> None:
    birth = work.birth(network.meta.project_id, "ports")
    (mac,) = port_macs.choose(work, [(network.id, UNSET)])
    draft = PortDraft(
        device_id=f"dhcp-{network.id}",
        device_owner=OWNER_DHCP,
        port_security_enabled=False,
        host=work.host,
    )
    port_id = ports.port_id_of(birth)
    fixed_ips = tuple(ipam.take_any(work.tx, subnet, mac, port_id) for subnet in subnets)
    parts = PortParts(mac=mac, fixed_ips=fixed_ips, security_groups=())
    work.tx.insert(build_port(draft, network=network, parts=parts, birth=birth))


def _readdress(work: Work, port: Port, fixed_ips: tuple[FixedIp, ...]) -> None:
    if fixed_ips == port.fixed_ips:
        return
    parts = PortParts(mac=port.mac, fixed_ips=fixed_ips, security_groups=port.security_groups)
    work.tx.update(port, change_port(port, PortDraft(), parts=parts, now=work.now))


def _owner(work: Work, draft: SubnetDraft, network: Network) -> ProjectId:
    if isinstance(draft.project_id, Unset):
        return network.meta.project_id
    return owner_of(work.caller, draft.project_id)
