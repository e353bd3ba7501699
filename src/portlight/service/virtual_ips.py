"""Use cases of virtual IPs (rows N4, N5, N23-N29)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from portlight.core.changes import next_meta
from portlight.core.drafts import FixedIpRequest, PortDraft, Unset, VirtualIpDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_port import NotAMemberError, VirtualIpInUseError
from portlight.core.errors_routing import PortHasFloatingIpError
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_VIRTUAL_IP, Port
from portlight.core.virtual_ip import (
    Announcement,
    AnnouncementKind,
    VirtualIp,
    VirtualIpMember,
    VirtualIpState,
)
from portlight.core.virtual_ips import (
    MAX_PER_PORT,
    build_virtual_ip,
    change_virtual_ip,
    is_member,
    observe,
    pinned,
    with_members,
    without_port,
)
from portlight.service import ports, translations
from portlight.service.policy import check_action, check_owner
from portlight.service.work import Work, check_revision, load, load_own, owner_of
from portlight.values.ids import PortId, VirtualIpId


def create(work: Work, draft: VirtualIpDraft) -> VirtualIp:
    """Reserve an address: a port with no group and no guest keeps it from everyone else."""
    check_action(work.caller, "create_virtual_ip")
    if isinstance(draft.subnet_id, Unset):
        raise InvalidRequestError("subnet_id", "it is required")
    subnet = load(work, Subnet, draft.subnet_id)
    network = load(work, Network, subnet.network_id)
    check_owner(work.caller, "create_virtual_ip", network.meta.project_id)
    owner = owner_of(work.caller, draft.project_id)
    address = None if isinstance(draft.address, Unset) else draft.address
    request = FixedIpRequest(subnet_id=subnet.id, address=address)
    port_draft = PortDraft(
        project_id=owner,
        name=draft.name,
        fixed_ips=(request,),
        device_owner=OWNER_VIRTUAL_IP,
        security_groups=(),
    )
    port = ports.insert(work, port_draft, network)
    return _reserve(work, draft, port)


def create_ports(work: Work, drafts: Sequence[PortDraft]) -> list[Port]:
    """Make ports; with one of `network:virtual_ip` its virtual IP too (the Neutron way)."""
    made = ports.create_many(work, drafts)
    for draft, port in zip(drafts, made, strict=True):
        if draft.device_owner != OWNER_VIRTUAL_IP:
            continue
        if len(port.fixed_ips) != 1:
            raise InvalidRequestError("fixed_ips", "a virtual IP has exactly one address")
        names = VirtualIpDraft(
            project_id=port.meta.project_id, name=draft.name, description=draft.description
        )
        _reserve(work, names, port)
    return made


def update(
    work: Work, virtual_ip_id: VirtualIpId, draft: VirtualIpDraft, if_revision: int | None
) -> VirtualIp:
    """Change name, claim policy, members or pinned owner."""
    virtual_ip = load_own(work, VirtualIp, virtual_ip_id, "update_virtual_ip")
    check_revision(virtual_ip, virtual_ip_id, if_revision)
    for field, asked, present in (
        ("subnet_id", draft.subnet_id, virtual_ip.subnet_id),
        ("address", draft.address, virtual_ip.address),
    ):
        if not isinstance(asked, Unset) and asked != present:
            raise InvalidRequestError(field, "it cannot be changed")
    changed = change_virtual_ip(virtual_ip, draft, now=work.now)
    if not isinstance(draft.members, Unset):
        changed = _joined(work, changed, draft.members)
    if not isinstance(draft.pinned_owner, Unset):
        changed = pinned(changed, draft.pinned_owner)
    work.tx.update(virtual_ip, changed)
    _forget_leavers(work, virtual_ip, changed)
    if changed.pinned_owner not in (None, virtual_ip.pinned_owner):
        _note_move(work, changed, changed.pinned_owner)
    return changed


def delete(work: Work, virtual_ip_id: VirtualIpId) -> None:
    """Release the address; raise VirtualIpInUseError when there are members."""
    virtual_ip = load_own(work, VirtualIp, virtual_ip_id, "delete_virtual_ip")
    if virtual_ip.members:
        raise VirtualIpInUseError(
            virtual_ip.id, tuple(member.port_id for member in virtual_ip.members)
        )
    users = translations.users_of_port(work, virtual_ip.port_id)
    if users:
        raise PortHasFloatingIpError(virtual_ip.port_id, users)
    work.tx.delete(virtual_ip)
    state = work.tx.get(VirtualIpState, virtual_ip_id)
    if state is not None:
        work.tx.delete(state)
    port = work.tx.get(Port, virtual_ip.port_id)
    if port is not None:
        ports.discard(work, port)


def delete_port(work: Work, port_id: PortId) -> None:
    """Remove a port; that of a virtual IP goes with the virtual IP."""
    port = load(work, Port, port_id)
    virtual_ip = of_port(work, port)
    if virtual_ip is None:
        ports.delete(work, port_id)
    else:
        delete(work, virtual_ip.id)


def add_member(work: Work, virtual_ip_id: VirtualIpId, member: VirtualIpMember) -> VirtualIp:
    """Let a port hold the address; adding it again changes its virtual router id."""
    virtual_ip = load_own(work, VirtualIp, virtual_ip_id, "add_virtual_ip_member")
    others = tuple(known for known in virtual_ip.members if known.port_id != member.port_id)
    return _save(work, virtual_ip, _joined(work, virtual_ip, (*others, member)))


def remove_member(work: Work, virtual_ip_id: VirtualIpId, port_id: PortId) -> VirtualIp:
    """End a port's membership."""
    virtual_ip = load_own(work, VirtualIp, virtual_ip_id, "remove_virtual_ip_member")
    if not is_member(virtual_ip, port_id):
        raise NotAMemberError(virtual_ip_id, port_id)
    return ports.leave(work, virtual_ip, port_id)


def move(work: Work, virtual_ip_id: VirtualIpId, port_id: PortId) -> VirtualIp:
    """Make a member the owner; with `frozen` it stays so, else until the next accepted claim."""
    virtual_ip = load_own(work, VirtualIp, virtual_ip_id, "move_virtual_ip")
    changed = _save(work, virtual_ip, pinned(virtual_ip, port_id))
    _note_move(work, changed, port_id)
    return changed


def of_port(work: Work, port: Port) -> VirtualIp | None:
    """Return the virtual IP that the port keeps the address of."""
    found = work.tx.find(VirtualIp, {"port_id": [port.id]})
    return found[0] if found else None


def state_of(work: Work, virtual_ip_id: VirtualIpId) -> VirtualIpState:
    """Return what was observed so far; unknown is an empty state."""
    state = work.tx.get(VirtualIpState, virtual_ip_id)
    return state or VirtualIpState(virtual_ip_id=virtual_ip_id)


def save_state(work: Work, old: VirtualIpState, new: VirtualIpState) -> None:
    """Keep what was observed."""
    if work.tx.get(VirtualIpState, new.virtual_ip_id) is None:
        work.tx.insert(new)
    elif old != new:
        work.tx.update(old, new)


def _reserve(work: Work, draft: VirtualIpDraft, port: Port) -> VirtualIp:
    work.claims.update(((VirtualIp, port.meta.project_id), (Port, port.meta.project_id)))
    birth = work.birth(port.meta.project_id)
    place = (port.network_id, port.fixed_ips[0])
    virtual_ip = build_virtual_ip(draft, place=place, port_id=port.id, birth=birth)
    if not isinstance(draft.members, Unset):
        virtual_ip = _joined(work, virtual_ip, draft.members)
    if not isinstance(draft.pinned_owner, Unset):
        virtual_ip = pinned(virtual_ip, draft.pinned_owner)
    work.tx.insert(virtual_ip)
    return virtual_ip


def _joined(work: Work, virtual_ip: VirtualIp, members: Iterable[VirtualIpMember]) -> VirtualIp:
    chosen = tuple(members)
    loaded = {member.port_id: load(work, Port, member.port_id) for member in chosen}
    changed = with_members(virtual_ip, chosen, loaded)
    for member in changed.members:
        if is_member(virtual_ip, member.port_id):
            continue
        if work.tx.count(VirtualIp, {"member_port_id": [member.port_id]}) >= MAX_PER_PORT:
            raise InvalidRequestError(
                "members", f"port {member.port_id} has {MAX_PER_PORT} virtual IPs already"
            )
    return changed


def _save(work: Work, old: VirtualIp, new: VirtualIp) -> VirtualIp:
    changed = replace(new, meta=next_meta(old.meta, None, work.now))
    work.tx.update(old, changed)
    return changed


def _forget_leavers(work: Work, old: VirtualIp, new: VirtualIp) -> None:
    state = state_of(work, old.id)
    if state.owner_port_id is not None and not is_member(new, state.owner_port_id):
        save_state(work, state, without_port(state, state.owner_port_id))


def _note_move(work: Work, virtual_ip: VirtualIp, port_id: PortId | None) -> None:
    port = None if port_id is None else work.tx.get(Port, port_id)
    if port is None:
        return
    news = Announcement(
        port_id=port.id, mac=port.mac, kind=AnnouncementKind.API, accepted=True, at=work.now
    )
    state = state_of(work, virtual_ip.id)
    save_state(work, state, observe(state, news))
