"""Use cases of instances and their interfaces (rows N8, N14-N16)."""

from collections.abc import Callable
from dataclasses import replace

from portlight.core.changes import given
from portlight.core.drafts import (
    UNSET,
    FixedIpRequest,
    InstanceDraft,
    InterfaceRequest,
    PortDraft,
)
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_port import (
    PortNotAttachedError,
    ServicePortError,
    VirtualIpNotAttachableError,
)
from portlight.core.instance import Instance
from portlight.core.instances import MAX_INTERFACES, build_instance, change, check_interface
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_DHCP, OWNER_INSTANCE, Port
from portlight.service import ports, virtual_ips
from portlight.service.policy import check_action
from portlight.service.work import Work, check_revision, load, load_own, owner_of
from portlight.values.ids import InstanceId, NetworkId, PortId, ProjectId


def create(work: Work, draft: InstanceDraft) -> Instance:
    """Make an instance with its interfaces, all or nothing."""
    check_action(work.caller, "create_instance")
    birth = work.birth(owner_of(work.caller, draft.project_id))
    instance = build_instance(draft, host=work.host, birth=birth)
    work.tx.insert(instance)
    for index, request in enumerate(draft.interfaces):
        _plug(work, instance, request, index)
    return instance


def update(
    work: Work, instance_id: InstanceId, draft: InstanceDraft, if_revision: int | None
) -> Instance:
    """Change name, description or way of routing."""
    instance = load_own(work, Instance, instance_id, "update_instance")
    check_revision(instance, instance_id, if_revision)
    changed = change(instance, draft, now=work.now)
    work.tx.update(instance, changed)
    return changed


def delete(work: Work, instance_id: InstanceId) -> None:
    """Remove an instance; its ports go with it or stay free, as each says itself."""
    instance = load_own(work, Instance, instance_id, "delete_instance")
    for port in ports.interfaces_of(work, instance_id):
        if port.delete_on_termination:
            ports.discard(work, port)
        else:
            ports.detach_from(work, port)
    work.tx.delete(instance)


def change_power(
    work: Work, instance_id: InstanceId, action: str, turn: Callable[..., Instance]
) -> Instance:
    """Start, stop or reboot, by the function of core given."""
    instance = load_own(work, Instance, instance_id, action)
    changed = turn(instance, now=work.now)
    if changed is not instance:
        work.tx.update(instance, changed)
    return changed


def attach(work: Work, instance_id: InstanceId, request: InterfaceRequest) -> Port:
    """Give a (running) instance one more interface."""
    instance = load_own(work, Instance, instance_id, "attach_interface")
    check_interface(request)
    if len(ports.interfaces_of(work, instance_id)) >= MAX_INTERFACES:
        raise InvalidRequestError("interfaces", f"more than {MAX_INTERFACES} of them")
    return _plug(work, instance, request, ports.next_index(work, instance_id))


def detach(work: Work, instance_id: InstanceId, port_id: PortId) -> None:
    """Take an interface away; a port that was to go with the instance goes now."""
    load_own(work, Instance, instance_id, "detach_interface")
    port = load(work, Port, port_id)
    if port.device_id != instance_id:
        raise PortNotAttachedError(port_id, instance_id)
    if port.delete_on_termination:
        ports.discard(work, port)
    else:
        ports.detach_from(work, port)


def _plug(work: Work, instance: Instance, request: InterfaceRequest, index: int) -> Port:
    if request.port_id is not None:
        port = _existing(work, request.port_id)
    else:
        port = _fresh(work, instance.meta.project_id, request)
    # Row N14: made with the instance, gone with it; row N15: there before, there after.
    goes = given(request.delete_on_termination, request.port_id is None)
    attached = ports.attach_to(work, port, instance, index)
    if attached.delete_on_termination == goes:
        return attached
    changed = replace(attached, delete_on_termination=goes)
    work.tx.update(attached, changed)
    return changed


def _existing(work: Work, port_id: PortId) -> Port:
    port = load_own(work, Port, port_id, "attach_interface")
    virtual_ip = virtual_ips.of_port(work, port)
    if virtual_ip is not None:
        raise VirtualIpNotAttachableError(virtual_ip.id, port_id)
    if port.device_owner == OWNER_DHCP:
        raise ServicePortError(port_id, port.device_owner, "It belongs to the network.")
    return port


def _fresh(work: Work, owner: ProjectId, request: InterfaceRequest) -> Port:
    network = _network(work, request)
    wanted = FixedIpRequest(subnet_id=request.subnet_id, address=request.address)
    chosen = request.subnet_id is not None or request.address is not None
    work.claims.add((Port, owner))
    return ports.create(
        work,
        PortDraft(
            network_id=network.id,
            project_id=owner,
            fixed_ips=(wanted,) if chosen else UNSET,
            security_groups=request.security_groups,
        ),
        owner=OWNER_INSTANCE,
    )


def _network(work: Work, request: InterfaceRequest) -> Network:
    network_id = request.network_id
    if request.subnet_id is not None:
        subnet = load(work, Subnet, request.subnet_id)
        if network_id not in (None, subnet.network_id):
            raise InvalidRequestError(
                "interfaces", f"subnet {subnet.id} is not of network {network_id}"
            )
        network_id = subnet.network_id
    return load(work, Network, network_id or NetworkId(""))
