"""Use cases of peerings: two routers that reach each other, of one project or of two."""

from portlight.core.changes import given, required
from portlight.core.drafts_vpc import PeeringDraft
from portlight.core.errors import Blocker, ForbiddenError, NotFoundError
from portlight.core.errors_vpc import GatewayRoutesError, PeeringExistsError
from portlight.core.gateway_rules import answer_peering, build_peering, rename
from portlight.core.gateways import Peering, PeeringStatus
from portlight.core.route_table import Route
from portlight.core.router import Router
from portlight.core.vpcs import check_no_overlap
from portlight.service.policy import check_action, check_owner
from portlight.service.router_ports import space_of
from portlight.service.work import LABELS, Work, blocker_of, check_revision, load, load_own
from portlight.store.protocol import Reading
from portlight.values.ids import PeeringId, RouterId


def create(work: Work, draft: PeeringDraft) -> Peering:
    """Ask for a peering: at once active in one project, else when the other side accepts.

    Who knows the id of a router and its project may ask; he learns nothing else of it.
    """
    check_action(work.caller, "create_peering")
    router = load_own(work, Router, required(draft.router_id, "router_id"), "create_peering")
    owner = router.meta.project_id
    peer_id = required(draft.peer_router_id, "peer_router_id")
    peer = work.tx.get(Router, peer_id)
    if peer is None or peer.meta.project_id != given(draft.peer_project_id, owner):
        raise NotFoundError(LABELS[Router], peer_id)
    peering = build_peering(draft, peer.meta.project_id, work.birth(owner, "peerings"))
    for other in of_router(work.tx, router.id):
        if peer.id in (other.router_id, other.peer_router_id):
            raise PeeringExistsError(other.id)
    check_no_overlap(space_of(work.tx, router), space_of(work.tx, peer))
    work.tx.insert(peering)
    return peering


def update(
    work: Work, peering_id: PeeringId, draft: PeeringDraft, if_revision: int | None
) -> Peering:
    """Rename a peering; the two routers are fixed for life."""
    peering = load_own(work, Peering, peering_id, "update_peering")
    check_revision(peering, peering_id, if_revision)
    fixed: dict[str, tuple[object, object]] = {
        "router_id": (draft.router_id, peering.router_id),
        "peer_router_id": (draft.peer_router_id, peering.peer_router_id),
        "peer_project_id": (draft.peer_project_id, peering.peer_project_id),
    }
    changed = rename(peering, draft, fixed, work.now)
    work.tx.update(peering, changed)
    return changed


def delete(work: Work, peering_id: PeeringId) -> None:
    """End a peering, from either side; routes of the other side stay, and are blackholes."""
    check_action(work.caller, "delete_peering")
    peering = load(work, Peering, peering_id)
    users = work.tx.find(Route, {"target": [peering_id]})
    own = [
        blocker_of(route)
        for route in users
        if work.caller.is_admin or route.meta.project_id == work.caller.project_id
    ]
    if own:
        raise GatewayRoutesError(blocker_of(peering), own)
    work.tx.delete(peering)


def answer(work: Work, peering_id: PeeringId, status: PeeringStatus) -> Peering:
    """Accept or reject a peering, as the project that was asked."""
    check_action(work.caller, "answer_peering")
    peering = load(work, Peering, peering_id)
    check_owner(work.caller, "answer_peering", peering.peer_project_id)
    changed = answer_peering(peering, status, now=work.now)
    if status is PeeringStatus.ACTIVE:
        sides = [work.tx.get(Router, one) for one in (peering.router_id, peering.peer_router_id)]
        if None in sides:
            raise ForbiddenError("answer_peering")
        # since it was asked for, the spaces may have grown
        one, other = (space_of(work.tx, router) for router in sides if router is not None)
        check_no_overlap(one, other)
    work.tx.update(peering, changed)
    return changed


def active_of(work: Work, router_id: RouterId) -> list[Blocker]:
    """Return the peerings that packets cross, as what keeps a router."""
    found = of_router(work.tx, router_id)
    return [blocker_of(one) for one in found if one.status is PeeringStatus.ACTIVE]


def discard_of(work: Work, router_id: RouterId) -> None:
    """Remove all peerings of a router that goes: nobody keeps it by asking for one."""
    for key in ("router_id", "peer_router_id"):
        for peering in work.tx.find(Peering, {key: [router_id]}):
            work.tx.delete(peering)


def of_router(tx: Reading, router_id: RouterId) -> list[Peering]:
    """Return the peerings of a router that are or may become active."""
    found = {
        one.id: one
        for key in ("router_id", "peer_router_id")
        for one in tx.find(Peering, {key: [router_id]})
    }
    return [one for one in found.values() if one.status is not PeeringStatus.REJECTED]
