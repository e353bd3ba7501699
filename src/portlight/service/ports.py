"""Use cases of ports."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Final

from portlight.core.audit import AuditAction
from portlight.core.changes import Birth, given, next_meta
from portlight.core.drafts import UNSET, PortDraft, Unset
from portlight.core.errors import ForbiddenError, InvalidRequestError
from portlight.core.errors_port import (
    PortInUseError,
    ServicePortError,
    VirtualIpMemberOutsideSubnetError,
)
from portlight.core.errors_routing import PortHasFloatingIpError
from portlight.core.instance import Instance
from portlight.core.network import Network
from portlight.core.port import (
    OWNER_DHCP,
    OWNER_FLOATING_IP,
    OWNER_INSTANCE,
    OWNER_NAT_GATEWAY,
    OWNER_ROUTER_GATEWAY,
    OWNER_ROUTER_INTERFACE,
    OWNER_VIRTUAL_IP,
    SERVICE_OWNERS,
    FixedIp,
    Port,
)
from portlight.core.ports import (
    PortParts,
    attach,
    build_port,
    change_port,
    detach,
    held_ips,
    is_bound_to_instance,
    without_expired,
)
from portlight.core.virtual_ip import VirtualIp, VirtualIpState
from portlight.core.virtual_ips import without_port
from portlight.service import addresses, mirror_sessions, port_macs, security_groups, translations
from portlight.service.addresses import Seeker, seeker
from portlight.service.audit import record_port
from portlight.service.policy import NETWORK_OWNER_ONLY, check_action, check_owner
from portlight.service.port_security import note_switch
from portlight.service.sharing import may_use
from portlight.service.work import Work, check_revision, is_set, load, load_own, owner_of
from portlight.values.ids import InstanceId, NetworkId, PortId

_PROTECTED: Final[Mapping[str, str]] = {
    OWNER_DHCP: "Switch DHCP off in its subnets.",
    OWNER_VIRTUAL_IP: "Delete the virtual IP.",
    OWNER_ROUTER_INTERFACE: "Remove the interface from the router.",
    OWNER_ROUTER_GATEWAY: "Clear the router's gateway.",
    OWNER_FLOATING_IP: "Delete the floating IP.",
    OWNER_NAT_GATEWAY: "Delete the NAT gateway.",
}
"""Owners of ports that belong to something else of ours, and how such a port is got rid of."""


def create(work: Work, draft: PortDraft, *, owner: str | None = None) -> Port:
    """Make a port; `owner` says whose it will be when the draft does not."""
    return create_many(work, [draft], owner=owner)[0]


def create_many(work: Work, drafts: Sequence[PortDraft], *, owner: str | None = None) -> list[Port]:
    """Make ports; with an instance's id as `device_id` one becomes an interface of it."""
    check_action(work.caller, "create_port")
    network_of = cache(partial(_network_to_use, work))
    networks = [network_of(_network_id(draft)) for draft in drafts]
    for draft, network in zip(drafts, networks, strict=True):
        owner_of(work.caller, draft.project_id)
        _check_fields(work, draft, network)
        _check_origin(draft)
    owners = [_owner(work, draft) if owner is None else owner for draft in drafts]
    free = [_without_device(work, draft) for draft in drafts]
    ports = insert_many(work, free, networks, owners)
    for port in ports:
        note_switch(work, None, port)
    return [_with_device(work, port, draft) for port, draft in zip(ports, drafts, strict=True)]


def insert(work: Work, draft: PortDraft, network: Network) -> Port:
    """Make a port on a network, without asking who may."""
    return insert_many(work, [draft], [network], [given(draft.device_owner, "")])[0]


def insert_many(
    work: Work,
    drafts: Sequence[PortDraft],
    networks: Sequence[Network],
    owners: Sequence[str],
) -> list[Port]:
    """Make ports, each on its network and soon with this owner, without asking who may.

    What several of them need is looked up once, and their rows are written together.
    """
    births = work.births([given(one.project_id, work.caller.project_id) for one in drafts], "ports")
    macs = port_macs.choose(
        work, [(network.id, draft.mac) for network, draft in zip(networks, drafts, strict=True)]
    )
    subnets_of = cache(partial(addresses.subnets_of, work.tx))
    seekers = [
        Seeker(
            port_id=port_id_of(birth),
            mac=mac,
            network=network,
            subnets=subnets_of(network.id),
            device_owner=owner,
        )
        for birth, mac, network, owner in zip(births, macs, networks, owners, strict=True)
    ]
    fixed_ips = addresses.take_for_all(work.tx, seekers, [draft.fixed_ips for draft in drafts])
    groups_for_port = cache(partial(security_groups.groups_for_port, work))
    ports = []
    for draft, birth, who, ips in zip(drafts, births, seekers, fixed_ips, strict=True):
        groups = groups_for_port(
            draft.security_groups, birth.project_id, secured=_takes_groups(draft, who.network)
        )
        parts = PortParts(mac=who.mac, fixed_ips=ips, security_groups=groups)
        ports.append(build_port(draft, network=who.network, parts=parts, birth=birth))
    work.tx.insert(*ports)
    return ports


def update(work: Work, port_id: PortId, draft: PortDraft, if_revision: int | None) -> Port:
    """Change a port: all fields of the draft at once, or none (row N17)."""
    port = load_own(work, Port, port_id, "update_port")
    check_revision(port, port_id, if_revision)
    network = load(work, Network, port.network_id)
    _check_fields(work, draft, network)
    if is_set(draft.fixed_ips):
        check_owner(work.caller, "port:fixed_ips", network.meta.project_id)
    _check_unchangeable(port, draft)
    keeps_mac = draft.mac in (UNSET, port.mac)
    mac = port.mac if keeps_mac else port_macs.choose(work, [(network.id, draft.mac)])[0]
    bound = is_bound_to_instance(port)
    owner = port.device_owner if bound else _owner(work, draft, port.device_owner)
    who = seeker(work, network, port, mac, owner)
    if isinstance(draft.fixed_ips, Unset):
        fixed_ips = port.fixed_ips if mac == port.mac else addresses.follow_mac(work.tx, who, port)
    else:
        fixed_ips = addresses.take_requested(work.tx, who, draft.fixed_ips, port.fixed_ips)
    groups = (
        port.security_groups
        if isinstance(draft.security_groups, Unset)
        else security_groups.check_groups(work, draft.security_groups, port.security_groups)
    )
    parts = PortParts(mac=mac, fixed_ips=fixed_ips, security_groups=groups)
    changed = change_port(port, _without_device(work, draft, port), parts=parts, now=work.now)
    if fixed_ips != port.fixed_ips:
        _check_memberships(work, changed)
        _check_untranslated(work, port, [ip for ip in port.fixed_ips if ip not in fixed_ips])
    save(work, port, changed)
    note_switch(work, port, changed)
    return _with_device(work, changed, draft)


def delete(work: Work, port_id: PortId) -> None:
    """Remove a port; raise PortInUseError when a device is attached (row N20)."""
    port = load_own(work, Port, port_id, "delete_port")
    if port.device_owner in _PROTECTED:
        raise ServicePortError(port.id, port.device_owner, _PROTECTED[port.device_owner])
    if port.device_id:
        raise PortInUseError(port.id, port.device_id, port.device_owner)
    _check_untranslated(work, port, port.fixed_ips)
    discard(work, port)


def delete_by_force(work: Work, port_id: PortId) -> None:
    """Take a port from the device that uses it, and remove it (row N20)."""
    check_action(work.caller, "port:force_detach")
    port = load_own(work, Port, port_id, "delete_port")
    if port.device_id and not port.device_owner.startswith(SERVICE_OWNERS):
        by = f"{port.device_owner or 'device'} {port.device_id}"
        record_port(work, AuditAction.PORT_FORCED_OFF, port, detail=by)
        port = detach_from(work, port)
        translations.leave_port(work, port.id)
    delete(work, port.id)


def discard(work: Work, port: Port) -> None:
    """Remove a port with its addresses and memberships, without asking who uses it."""
    leave_all(work, port.id)
    translations.leave_port(work, port.id)
    addresses.release(work.tx, held_ips(port))
    work.tx.delete(port)


def leave_all(work: Work, port_id: PortId) -> None:
    """End what a port takes part in as a guest's interface: virtual IPs, mirroring."""
    for virtual_ip in work.tx.find(VirtualIp, {"member_port_id": [port_id]}):
        leave(work, virtual_ip, port_id)
    mirror_sessions.drop_port(work, port_id)


def leave(work: Work, virtual_ip: VirtualIp, port_id: PortId) -> VirtualIp:
    """End a port's membership of a virtual IP."""
    members = tuple(member for member in virtual_ip.members if member.port_id != port_id)
    pin = None if virtual_ip.pinned_owner == port_id else virtual_ip.pinned_owner
    meta = next_meta(virtual_ip.meta, None, work.now)
    changed = replace(virtual_ip, meta=meta, members=members, pinned_owner=pin)
    work.tx.update(virtual_ip, changed)
    state = work.tx.get(VirtualIpState, virtual_ip.id)
    if state is not None:
        work.tx.update(state, without_port(state, port_id))
    return changed


def attach_to(work: Work, port: Port, instance: Instance, index: int | None = None) -> Port:
    """Make a free port an interface of an instance, at the lowest free index by default."""
    if port.device_id:
        raise PortInUseError(port.id, port.device_id, port.device_owner)
    place = next_index(work, instance.id) if index is None else index
    changed = attach(port, device_id=instance.id, index=place, host=instance.host, now=work.now)
    work.tx.update(port, changed)
    return changed


def detach_from(work: Work, port: Port) -> Port:
    """Free a port from its device; its former addresses end with it."""
    changed = detach(port, now=work.now)
    save(work, port, changed)
    return changed


def interfaces_of(work: Work, instance_id: InstanceId) -> list[Port]:
    """Return the ports of an instance, by index."""
    found = work.tx.find(Port, {"device_id": [instance_id], "device_owner": [OWNER_INSTANCE]})
    return sorted(found, key=lambda port: port.device_index or 0)


def next_index(work: Work, instance_id: InstanceId) -> int:
    """Return the lowest interface number that no port of the instance has."""
    used = {port.device_index for port in interfaces_of(work, instance_id)}
    return next(index for index in range(len(used) + 1) if index not in used)


def save(work: Work, port: Port, changed: Port) -> None:
    """Keep a changed port and let go of the addresses that it holds no more."""
    addresses.release(work.tx, held_ips(port) - held_ips(changed))
    work.tx.update(port, changed)


def end_grace(work: Work) -> list[Port]:
    """Let go of all former addresses whose grace window has ended; return the changed ports."""
    changed = []
    for port in work.tx.find(Port, {"retiring": ["yes"]}):
        rest = without_expired(port, work.now)
        if rest is not port:
            save(work, port, rest)
            changed.append(rest)
    return changed


def port_id_of(birth: Birth) -> PortId:
    """Return the id that the port made from this birth will have."""
    return PortId(birth.id)


def _network_id(draft: PortDraft) -> NetworkId:
    if isinstance(draft.network_id, Unset):
        raise InvalidRequestError("network_id", "it is required")
    return draft.network_id


def _check_origin(draft: PortDraft) -> None:
    if draft.device_owner in _PROTECTED and draft.device_owner != OWNER_VIRTUAL_IP:
        raise InvalidRequestError(
            "device_owner", f"{draft.device_owner} ports are made with what they belong to"
        )


def _takes_groups(draft: PortDraft, network: Network) -> bool:
    """Whether a new port that asks for no groups gets its project's default one."""
    is_service = given(draft.device_owner, "").startswith(SERVICE_OWNERS)
    return given(draft.port_security_enabled, network.port_security_enabled) and not is_service


def _network_to_use(work: Work, network_id: NetworkId) -> Network:
    network = load(work, Network, network_id)
    if not work.caller.is_admin and not may_use(work.tx, work.caller.project_id, network):
        raise ForbiddenError("create_port")
    return network


def _check_fields(work: Work, draft: PortDraft, network: Network) -> None:
    for field in ("host", "binding_profile"):
        if is_set(getattr(draft, field)):
            check_action(work.caller, f"port:{field}")
    for field in NETWORK_OWNER_ONLY:
        if is_set(getattr(draft, field)):
            check_owner(work.caller, f"port:{field}", network.meta.project_id)
    if not isinstance(draft.device_owner, Unset) and draft.device_owner.startswith(SERVICE_OWNERS):
        check_owner(work.caller, "port:device_owner", network.meta.project_id)
    if not isinstance(draft.fixed_ips, Unset) and any(one.address for one in draft.fixed_ips):
        check_owner(work.caller, "port:fixed_ips:ip_address", network.meta.project_id)


def _check_unchangeable(port: Port, draft: PortDraft) -> None:
    asked: Iterable[tuple[str, object, object]] = (
        ("network_id", draft.network_id, port.network_id),
        ("project_id", draft.project_id, port.meta.project_id),
    )
    for field, value, present in asked:
        if value not in (UNSET, present):
            raise InvalidRequestError(field, "it cannot be changed")
    owner = port.device_owner
    moves = is_set(draft.device_id) or is_set(draft.device_owner) or is_set(draft.fixed_ips)
    if owner in _PROTECTED and (moves or is_set(draft.mac)):
        raise ServicePortError(port.id, owner, "Its addresses and device are fixed.")
    if draft.device_owner in _PROTECTED:
        raise InvalidRequestError("device_owner", f"a port cannot become {draft.device_owner}")
    if is_bound_to_instance(port):
        keeps_device = draft.device_id in (UNSET, "", port.device_id)
        if not keeps_device or draft.mac not in (UNSET, port.mac):
            raise PortInUseError(port.id, port.device_id, owner)


def _check_untranslated(work: Work, port: Port, gone: Sequence[FixedIp]) -> None:
    """Raise PortHasFloatingIpError when a public address stands for one that is to go (row N18)."""
    users = translations.users_of_port(work, port.id, gone) if gone else []
    if users:
        raise PortHasFloatingIpError(port.id, users)


def _check_memberships(work: Work, port: Port) -> None:
    for virtual_ip in work.tx.find(VirtualIp, {"member_port_id": [port.id]}):
        if all(fixed_ip.subnet_id != virtual_ip.subnet_id for fixed_ip in port.fixed_ips):
            raise VirtualIpMemberOutsideSubnetError(port.id, virtual_ip.subnet_id)


def _instance(work: Work, draft: PortDraft) -> Instance | None:
    """Return the instance that the draft names as device, if it is one of ours."""
    if isinstance(draft.device_id, Unset) or not draft.device_id:
        return None
    instance = work.tx.get(Instance, draft.device_id)
    if instance is not None:
        check_owner(work.caller, "attach_interface", instance.meta.project_id)
    return instance


def _owner(work: Work, draft: PortDraft, present: str = "") -> str:
    """Return the `device_owner` that a port of the draft will have."""
    attached = _instance(work, draft) is not None
    return OWNER_INSTANCE if attached else given(draft.device_owner, present)


def _without_device(work: Work, draft: PortDraft, port: Port | None = None) -> PortDraft:
    """Return the draft without its device when that is an instance: attaching is its own step."""
    bound = port is not None and is_bound_to_instance(port)
    if bound or _instance(work, draft) is not None:
        return replace(draft, device_id=UNSET, device_owner=UNSET)
    if draft.device_owner == OWNER_INSTANCE:
        raise InvalidRequestError("device_owner", "device_id names no instance")
    return draft


def _with_device(work: Work, port: Port, draft: PortDraft) -> Port:
    if is_bound_to_instance(port):
        return detach_from(work, port) if draft.device_id == "" else port
    instance = _instance(work, draft)
    return port if instance is None else attach_to(work, port, instance)
