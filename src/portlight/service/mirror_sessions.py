"""Use cases of mirror sessions: who may be copied to whom."""

from collections.abc import Callable, Sequence

from portlight.core.drafts_mirror import MirrorSessionDraft
from portlight.core.errors import Blocker
from portlight.core.errors_mirror import (
    MirrorPortUnfitError,
    MirrorPriorityTakenError,
    MirrorRoleError,
    TooManyCopiesError,
)
from portlight.core.mirror import MirrorFilter, MirrorSession
from portlight.core.mirrors import (
    MAX_COPIES_ALL,
    add_sources,
    build_mirror_session,
    change_mirror_session,
    remove_sources,
    without_port,
)
from portlight.core.port import SERVICE_OWNERS, Port
from portlight.service.mirror_targets import check_outside
from portlight.service.policy import check_action, check_owner
from portlight.service.quotas import check_room
from portlight.service.sharing import sees
from portlight.service.work import Work, blocker_of, check_revision, load, load_own, owner_of
from portlight.store.shapes import SHAPES
from portlight.values.ids import MirrorSessionId, PortId


def create(work: Work, draft: MirrorSessionDraft) -> MirrorSession:
    """Make a session."""
    check_action(work.caller, "create_mirror_session")
    owner = owner_of(work.caller, draft.project_id)
    session = build_mirror_session(draft, work.birth(owner, "mirror_sessions"))
    _check(work, None, session)
    work.tx.insert(session)
    return session


def update(
    work: Work, session_id: MirrorSessionId, draft: MirrorSessionDraft, if_revision: int | None
) -> MirrorSession:
    """Change a session; a packet meets it as it was or as it will be."""
    return _change(
        work, session_id, if_revision, lambda one: change_mirror_session(one, draft, now=work.now)
    )


def add(work: Work, session_id: MirrorSessionId, ports: Sequence[PortId]) -> MirrorSession:
    """Let a session have more sources; one that it has already changes nothing."""
    return _change(work, session_id, None, lambda one: add_sources(one, ports, now=work.now))


def remove(work: Work, session_id: MirrorSessionId, ports: Sequence[PortId]) -> MirrorSession:
    """Let a session have fewer sources, perhaps none."""
    return _change(work, session_id, None, lambda one: remove_sources(one, ports, now=work.now))


def delete(work: Work, session_id: MirrorSessionId) -> None:
    """Remove a session; its filters stay."""
    work.tx.delete(load_own(work, MirrorSession, session_id, "delete_mirror_session"))


def drop_port(work: Work, port_id: PortId) -> None:
    """Take a port that ends from all sessions, whoever owns them."""
    users = {
        session.id: session
        for key in ("source_port_id", "target_port_id")
        for session in work.tx.find(MirrorSession, {key: [port_id]})
    }
    for session in users.values():
        work.tx.update(session, without_port(session, port_id, now=work.now))


def _change(
    work: Work,
    session_id: MirrorSessionId,
    if_revision: int | None,
    change: Callable[[MirrorSession], MirrorSession],
) -> MirrorSession:
    session = load_own(work, MirrorSession, session_id, "update_mirror_session")
    check_revision(session, session_id, if_revision)
    changed = change(session)
    _check(work, session, changed)
    work.tx.update(session, changed)
    return changed


def _check(work: Work, before: MirrorSession | None, after: MirrorSession) -> None:
    """Raise a domain error when what is new about a session cannot be."""
    if before is None or after.priority != before.priority:
        _check_place(work, after)
    known_filters = before.mirror_filter_ids if before else ()
    for filter_id in [one for one in after.mirror_filter_ids if one not in known_filters]:
        load_own(work, MirrorFilter, filter_id, "update_mirror_session")
        used = work.tx.count(MirrorSession, {"mirror_filter_id": [filter_id]})
        check_room(work, after.meta.project_id, "mirror_filter_sessions", used + 1)
    known_sources = before.source_port_ids if before else ()
    sources = [one for one in after.source_port_ids if one not in known_sources]
    if sources:
        count = len(after.source_port_ids)
        check_room(work, after.meta.project_id, "mirror_session_sources", count)
    for port_id in sources:
        _check_source(work, after, port_id)
    _check_targets(work, before, after, sources)
    if after.copies_all:
        begins = before is None or not before.copies_all
        _check_copies(work, after, after.source_port_ids if begins else sources)


def _check_targets(
    work: Work, before: MirrorSession | None, after: MirrorSession, sources: Sequence[PortId]
) -> None:
    """Raise a domain error when a new target cannot be, or the present one with new sources."""
    target, outside = after.target_port_id, after.target_ip
    if target is not None and (before is None or target != before.target_port_id):
        _check_target(work, after, target)
    if target is not None and target in after.source_port_ids:
        raise MirrorRoleError(target, "source", [blocker_of(after)])
    if outside is not None and (sources or before is None or outside != before.target_ip):
        check_outside(work, after.source_port_ids, outside)


def _check_source(work: Work, session: MirrorSession, port_id: PortId) -> None:
    _check_guest_port(work, port_id, "sources")
    targeted = work.tx.find(MirrorSession, {"target_port_id": [port_id]})
    others = [one for one in targeted if one.id != session.id]
    if others:
        raise MirrorRoleError(port_id, "target", _visible(work, others))
    used = work.tx.count(MirrorSession, {"source_port_id": [port_id]})
    check_room(work, session.meta.project_id, "mirror_source_sessions", used + 1)


def _check_target(work: Work, session: MirrorSession, port_id: PortId) -> None:
    _check_guest_port(work, port_id, "target")
    tapped = work.tx.find(MirrorSession, {"source_port_id": [port_id]})
    others = [one for one in tapped if one.id != session.id]
    if others:
        raise MirrorRoleError(port_id, "source", _visible(work, others))
    used = work.tx.count(MirrorSession, {"target_port_id": [port_id]})
    check_room(work, session.meta.project_id, "mirror_target_sessions", used + 1)


def _check_guest_port(work: Work, port_id: PortId, field: str) -> None:
    port = load(work, Port, port_id)
    # What a port sends and receives, and what else it can be, is its owner's business: not that of
    # whoever owns its network.
    check_owner(work.caller, "mirror_port", port.meta.project_id)
    if port.device_owner.startswith(SERVICE_OWNERS):
        raise MirrorPortUnfitError(field, port_id, port.device_owner)


def _check_copies(work: Work, session: MirrorSession, ports: Sequence[PortId]) -> None:
    for port_id in ports:
        sessions = work.tx.find(MirrorSession, {"source_port_id": [port_id]})
        others = [one for one in sessions if one.copies_all and one.id != session.id]
        if len(others) >= MAX_COPIES_ALL:
            raise TooManyCopiesError(port_id, MAX_COPIES_ALL)


def _check_place(work: Work, session: MirrorSession) -> None:
    """Raise MirrorPriorityTakenError when another session has the place in its project."""
    place = SHAPES[MirrorSession].columns["place"](session)
    for holder in work.tx.find(MirrorSession, {"place": [str(place)]}):
        raise MirrorPriorityTakenError(session.priority, blocker_of(holder, holder.meta.name))


def _visible(work: Work, sessions: Sequence[MirrorSession]) -> list[Blocker]:
    """Return those that the caller may know of."""
    project_id = work.caller.project_id
    return [
        blocker_of(one)
        for one in sessions
        if work.caller.is_admin or sees(work.tx, project_id, one)
    ]
