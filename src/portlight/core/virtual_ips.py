"""What a valid virtual IP is, and what the hosts' announcements make of its state. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from portlight.core.changes import Birth, first_meta, given, next_meta
from portlight.core.drafts import VirtualIpDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_port import (
    NotAMemberError,
    VirtualIpMemberOutsideSubnetError,
    VirtualIpMemberUnfitError,
)
from portlight.core.port import OWNER_VIRTUAL_IP, OWNERS_OF_OURS, FixedIp, Port
from portlight.core.virtual_ip import (
    HISTORY_LENGTH,
    Announcement,
    ClaimPolicy,
    VirtualIp,
    VirtualIpMember,
    VirtualIpMove,
    VirtualIpState,
)
from portlight.values.ids import NetworkId, PortId, VirtualIpId

MAX_MEMBERS = 64
MAX_PER_PORT = 64
CONTEST_SECONDS = 3.5
"""Claims of two members within this time are a contest: three VRRP advertisements and a bit."""
CONTEST_CLAIMS = 2
"""Each side must have claimed at least this often: a single exchange is a normal failover."""
BURST_SECONDS = 0.5
"""Refusals of one member closer than this are one claim: a takeover announces several times."""
CALM_SECONDS = 10.0
"""After this time without a contest, the alarm ends."""
_MAX_VRID = 255


def build_virtual_ip(
    draft: VirtualIpDraft, *, place: tuple[NetworkId, FixedIp], port_id: PortId, birth: Birth
) -> VirtualIp:
    """Return the new virtual IP, still without members, at the address its port holds."""
    network_id, fixed_ip = place
    return VirtualIp(
        id=VirtualIpId(birth.id),
        meta=first_meta(draft, birth),
        network_id=network_id,
        subnet_id=fixed_ip.subnet_id,
        port_id=port_id,
        address=fixed_ip.address,
        claim_policy=given(draft.claim_policy, ClaimPolicy.LATEST),
    )


def change_virtual_ip(virtual_ip: VirtualIp, draft: VirtualIpDraft, *, now: float) -> VirtualIp:
    """Return the virtual IP after the change; its members and place are changed by other calls."""
    return replace(
        virtual_ip,
        meta=next_meta(virtual_ip.meta, draft, now),
        claim_policy=given(draft.claim_policy, virtual_ip.claim_policy),
    )


def with_members(
    virtual_ip: VirtualIp, members: Iterable[VirtualIpMember], ports: Mapping[PortId, Port]
) -> VirtualIp:
    """Return the virtual IP with these members; `ports` holds (at least) their ports."""
    chosen = tuple(sorted(members, key=lambda member: member.port_id))
    if len({member.port_id for member in chosen}) != len(chosen):
        raise InvalidRequestError("members", "one port is given twice")
    if len(chosen) > MAX_MEMBERS:
        raise InvalidRequestError("members", f"more than {MAX_MEMBERS} of them")
    for member in chosen:
        _check_member(virtual_ip, member, ports[member.port_id])
    return pinned(replace(virtual_ip, members=chosen), _still(virtual_ip.pinned_owner, chosen))


def pinned(virtual_ip: VirtualIp, owner: PortId | None) -> VirtualIp:
    """Return the virtual IP with the owner set by API; raise NotAMemberError for a stranger."""
    if owner is not None and not is_member(virtual_ip, owner):
        raise NotAMemberError(virtual_ip.id, owner)
    return replace(virtual_ip, pinned_owner=owner)


def is_member(virtual_ip: VirtualIp, port_id: PortId) -> bool:
    """Whether the port may hold the address."""
    return any(member.port_id == port_id for member in virtual_ip.members)


def observe(state: VirtualIpState, news: Announcement) -> VirtualIpState:
    """Return the state after an announcement: owner, last sign of life, history of moves."""
    if not news.accepted:
        return state
    if news.port_id == state.owner_port_id and news.mac == state.owner_mac:
        return replace(state, last_announced_at=news.at)
    move = VirtualIpMove(
        at=news.at,
        from_port_id=state.owner_port_id,
        to_port_id=news.port_id,
        mac=news.mac,
        kind=news.kind,
    )
    return replace(
        state,
        owner_port_id=news.port_id,
        owner_mac=news.mac,
        last_announced_at=news.at,
        moves=(*state.moves, move)[-HISTORY_LENGTH:],
    )


def judge_contest(
    state: VirtualIpState, recent: Sequence[Announcement], *, live_owner: bool, now: float
) -> VirtualIpState:
    """Return the state with the split-brain alarm raised or ended.

    `recent` are the latest announcements that changed the owner or were refused. With
    `live_owner` a refusal proves that the owner announces too (policies `first`, `priority`).
    """
    window = [news for news in recent if now - news.at <= CONTEST_SECONDS]
    claims = _claims(window, live_owner=live_owner)
    challengers = {news.port_id for news in window if not news.accepted}
    contested = any(claims[port] >= CONTEST_CLAIMS for port in challengers)
    if live_owner and state.owner_port_id is not None and contested:
        claims[state.owner_port_id] += CONTEST_CLAIMS
    contenders = tuple(sorted(port for port, count in claims.items() if count >= CONTEST_CLAIMS))
    if len(contenders) > 1:
        since = state.split_brain_since if state.split_brain else now
        return replace(state, split_brain=True, split_brain_since=since, contenders=contenders)
    if state.split_brain and all(now - news.at > CALM_SECONDS for news in recent):
        return replace(state, split_brain=False, split_brain_since=None, contenders=())
    return state


def without_port(state: VirtualIpState, port_id: PortId) -> VirtualIpState:
    """Return the state after a member has gone; the history keeps its name."""
    if state.owner_port_id != port_id:
        return state
    return replace(state, owner_port_id=None, owner_mac=None)


def _claims(window: Sequence[Announcement], *, live_owner: bool) -> Counter[PortId]:
    """Count how often each member claimed again after the other.

    With a live owner, which answers between two bursts of refused claims, each burst counts.
    """
    claims: Counter[PortId] = Counter()
    last: Announcement | None = None
    for news in window:
        again = live_owner and not news.accepted
        if (
            last is None
            or last.port_id != news.port_id
            or (again and news.at - last.at >= BURST_SECONDS)
        ):
            claims[news.port_id] += 1
            last = news
    return claims


def _still(owner: PortId | None, members: Sequence[VirtualIpMember]) -> PortId | None:
    return owner if any(member.port_id == owner for member in members) else None


def _check_member(virtual_ip: VirtualIp, member: VirtualIpMember, port: Port) -> None:
    vrid = member.virtual_router_id
    if vrid is not None and not 1 <= vrid <= _MAX_VRID:
        raise InvalidRequestError("virtual_router_id", f"{vrid} is not in 1..{_MAX_VRID}")
    if port.device_owner in (*OWNERS_OF_OURS, OWNER_VIRTUAL_IP):
        raise VirtualIpMemberUnfitError(port.id, port.device_owner)
    if all(fixed_ip.subnet_id != virtual_ip.subnet_id for fixed_ip in port.fixed_ips):
        raise VirtualIpMemberOutsideSubnetError(port.id, virtual_ip.subnet_id)
